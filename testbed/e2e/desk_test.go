package e2e

import (
	"crypto/tls"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/speech"
)

// certificate is of all our media clients: making one costs more than a call.
var certificate = sync.OnceValues(media.NewCertificate)

// console is a person at a desk: the WebSocket and the media of the Go client.
type console struct {
	*sdk.Client
	session *sdk.Session
	media   *media.Conn
	floor   chan talk.Indication
	calls   chan wire.CallInfo
	events  chan sdk.Event
	heard   atomic.Int64
	twice   atomic.Int64
	last    [8]atomic.Uint32
}

// sit opens a console for a logged-in client and brings its media up.
func sit(t *testing.T, c *sdk.Client) *console {
	t.Helper()
	d := &console{Client: c, floor: make(chan talk.Indication, 256), calls: make(chan wire.CallInfo, 256), events: make(chan sdk.Event, 4096)}
	up := make(chan bool, 8)
	h := sdk.Handler{Floor: keep(d.floor), Call: keep(d.calls), Event: keep(d.events), Media: keep(up)}
	var err error
	if d.session, err = c.Open(t.Context(), -1, h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.session.Close() }) // it may have been ended by the server
	var cert *tls.Certificate
	if cert, err = certificate(); err != nil {
		t.Fatal(err)
	}
	if d.media, err = media.Dial(t.Context(), media.Config{Certificate: cert, Receive: d.hear}, d.session.Offer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.media.Close() })
	select { // what is said before the server has said so may not be heard
	case <-up:
	case <-t.Context().Done():
	case <-time.After(10 * time.Second):
		t.Fatal("no media in 10 s")
	}
	return d
}

// keep hands on what comes, and lets the newest go when nobody reads.
func keep[T any](to chan T) func(T) {
	return func(v T) {
		select {
		case to <- v:
		default:
		}
	}
}

func (d *console) hear(p media.Packet) {
	if before := d.last[p.Slot].Swap(uint32(p.Seq) + 1); before == uint32(p.Seq)+1 {
		d.twice.Add(1)
		return
	}
	d.heard.Add(1)
}

func (d *console) join(t *testing.T, g fusion.Number) {
	t.Helper()
	if _, err := d.session.Join(t.Context(), fusion.GroupTalk(g), false); err != nil {
		t.Fatalf("join: %v; the session: %v", err, d.session.Err())
	}
}

// next waits for an indication of a kind; others before it are passed over.
func (d *console) next(t *testing.T, kind talk.Kind) talk.Indication {
	t.Helper()
	late := time.After(5 * time.Second)
	for {
		select {
		case i := <-d.floor:
			if i.Kind == kind {
				return i
			}
		case <-late:
			t.Fatalf("no %v in 5 s", kind)
		}
	}
}

// press asks for a floor and waits until it has it.
func (d *console) press(t *testing.T, g fusion.Number) fusion.ID {
	t.Helper()
	id, err := d.session.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(g)}})
	if err != nil {
		t.Fatalf("press: %v; the session: %v", err, d.session.Err())
	}
	d.next(t, talk.Granted)
	return id
}

// frames are two seconds of speech as Opus.
var frames = sync.OnceValues(func() ([][]byte, error) {
	s, err := speech.Load("pilot")
	if err != nil {
		return nil, err
	}
	return load.OpusFrames(s.Loop(0.1, 2))
})

// say sends so many packets of speech, 50 a second, and reports how many left.
func (d *console) say(t *testing.T, packets int) int {
	t.Helper()
	speech, err := frames()
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range packets {
		if err := d.media.Send(speech[i%len(speech)], 960, i == 0); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	return packets
}

// conversation is a healthy talk that goes on while a test misbehaves: a console talks, a console and a telephone listen.
type conversation struct {
	group          fusion.Number
	talker, hearer *console
	phone          *load.Phone
	sent           chan int
	stop           chan struct{}
}

// converse starts it. check must be called before the test ends.
func converse(t *testing.T, b *bench) *conversation {
	t.Helper()
	g := b.group(t, true)
	c := &conversation{group: g, sent: make(chan int, 1), stop: make(chan struct{})}
	c.talker, c.hearer = sit(t, b.sdk(t, b.person(t, fusion.Operator))), sit(t, b.sdk(t, b.person(t, fusion.Operator)))
	c.phone = b.phone(t)
	c.hearer.join(t, g)
	c.talker.join(t, g)
	if err := c.phone.Dial(t.Context(), g.String()); err != nil {
		t.Fatal(err)
	}
	c.talker.press(t, g)
	c.phone.Reset()
	speech, err := frames()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		n := 0
		defer func() { c.sent <- n }()
		for {
			if c.talker.media.Send(speech[n%len(speech)], 960, n == 0) != nil {
				return
			}
			n++
			select {
			case <-tick.C:
			case <-c.stop:
				return
			}
		}
	}()
	return c
}

// check ends the conversation: everything that was said was heard, once.
func (c *conversation) check(t *testing.T) {
	t.Helper()
	close(c.stop)
	sent := <-c.sent
	last := time.Now()
	for n := c.hearer.heard.Load(); n < int64(sent) && time.Since(last) < 2*time.Second; {
		<-time.After(20 * time.Millisecond)
		if now := c.hearer.heard.Load(); now != n {
			n, last = now, time.Now()
		}
	}
	if n := c.hearer.heard.Load(); n != int64(sent) || c.hearer.twice.Load() != 0 || sent < 10 {
		t.Errorf("the console heard %d of %d packets, %d twice; %+v", n, sent, c.hearer.twice.Load(), c.hearer.media.Stats())
	}
	if err := c.talker.session.Release(t.Context()); err != nil {
		t.Error(err)
	}
	// The telephone's stream is made anew by the server every 20 ms while somebody talks: it may be short of the jitter buffer's depth at either end only.
	if p := c.phone.Count(); p.Packets < sent-25 || p.Missing != 0 || p.Twice != 0 {
		t.Errorf("the telephone heard %+v of %d packets", p, sent)
	}
	if c.phone.Ended.Load() {
		t.Error("the telephone was hung up on")
	}
	if err := c.phone.Hang(t.Context()); err != nil {
		t.Error(err)
	}
}

// phone makes an extension and registers a telephone on it.
func (b *bench) phone(t *testing.T) *load.Phone {
	t.Helper()
	n := b.number()
	return b.register(t, b.extension(t, n, ""), n)
}

// extension makes a telephone's account.
func (b *bench) extension(t *testing.T, n fusion.Number, class string) peer.Account {
	t.Helper()
	user := fusion.Number(n.Local()).String()
	b.must(t, "PUT", "/units/"+n.String(), map[string]any{"number": n, "name": "电话" + user, "kind": "phone", "revision": 0}, nil)
	var made struct {
		Password string `json:"password"`
	}
	b.must(t, "PUT", "/extensions/"+n.String(), map[string]any{"extension": map[string]any{"unit": n, "username": user, "class": class, "vad": false, "revision": 0}}, &made)
	return peer.Account{User: user, Password: made.Password}
}

func (b *bench) register(t *testing.T, a peer.Account, n fusion.Number) *load.Phone {
	t.Helper()
	p, err := load.NewPhone(load.PhoneConfig{Server: netip.MustParseAddrPort(b.SIP), Local: netip.AddrFrom4([4]byte{127, 0, 20, byte(n)}), User: a.User, Password: a.Password,
		Payload: load.PCMA, Seed: uint64(n)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.Register(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	return p
}

// random is noise that a seed makes the same each time.
func random(seed uint64, n int) []byte {
	out := make([]byte, 0, n+8)
	for x := seed*0x9E3779B97F4A7C15 + 1; len(out) < n; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out = binary.LittleEndian.AppendUint64(out, x)
	}
	return out[:n]
}
