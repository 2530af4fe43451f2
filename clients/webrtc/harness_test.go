package webrtc

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

const patience = 8 * time.Second

// watcher is an owner of sessions that keeps what it was told.
type watcher struct {
	connected chan struct{}
	closed    chan string
	onPacket  atomic.Pointer[func(p *voice.Packet)]

	mu    sync.Mutex
	slots map[int]*voice.Info
	heard []heardPacket
}

type heardPacket struct {
	seq     uint16
	ts      uint32
	marker  bool
	payload string
}

func newWatcher() *watcher {
	return &watcher{connected: make(chan struct{}, 1), closed: make(chan string, 1), slots: make(map[int]*voice.Info)}
}

func (w *watcher) Connected() { w.connected <- struct{}{} }

func (w *watcher) Packet(p *voice.Packet) {
	if f := w.onPacket.Load(); f != nil {
		(*f)(p)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, heardPacket{p.Seq, p.Time, p.Marker, string(p.Payload)})
}

func (w *watcher) Slot(slot int, info *voice.Info) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slots[slot] = info
}

func (w *watcher) Closed(reason string) { w.closed <- reason }

// start runs a server on the loopback until the test ends.
func start(t testing.TB, cfg Config) *Server {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "[::1]:0"
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// peer is one session with the native client at its other end.
type peer struct {
	*watcher
	session *Session
	conn    *media.Conn
	sink    voice.Sink
}

func dial(t testing.TB, s *Server, cfg media.Config) *peer {
	t.Helper()
	p := &peer{watcher: newWatcher()}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := media.Dial(ctx, cfg, func(ctx context.Context, offer string) (string, error) {
		x, answer, err := s.Open(ctx, offer, p.watcher)
		p.session = x
		return answer, err
	})
	if err != nil {
		t.Fatalf("Dial: %v; server: %+v", err, s.Stats())
	}
	p.conn, p.sink = conn, p.session.Sink("test")
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	await(t, "Connected", p.connected)
	return p
}

// await waits for one value, bounded in time.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// eventually waits for a condition, bounded in time.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func burst(n byte, precedence fusion.Precedence) voice.Info {
	return voice.Info{Burst: fusion.ID{n}, Talk: fusion.GroupTalk(10001), Talker: fusion.Number(10000 + int(n)), Precedence: precedence}
}

func speechPacket(i int, payload string) *voice.Packet {
	return &voice.Packet{
		Codec: codec.Opus, Marker: i == 0, Seq: uint16(1000 + i), Time: uint32(50000 + 960*i), Payload: []byte(payload),
		Arrived: time.Unix(1e9, 0).Add(time.Duration(i) * 20 * time.Millisecond),
	}
}

// newTestServer makes a server whose socket nobody reads.
func newTestServer(t testing.TB) *Server {
	t.Helper()
	s, err := New(Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.sock.close(&s.wg) })
	return s
}

func targets(p *peer, handle int) []voice.Target {
	return []voice.Target{{Sink: p.sink, Handle: handle}}
}
