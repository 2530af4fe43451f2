package telephone

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// book is an Accounts of what it lists.
type book []Account

func (b book) ByUser(user string) (Account, bool) {
	for _, a := range b {
		if a.User == user {
			return a, true
		}
	}
	return Account{}, false
}

func (b book) ByUnit(unit fusion.Number) (Account, bool) {
	for _, a := range b {
		if a.Unit == unit {
			return a, true
		}
	}
	return Account{}, false
}

func extension(unit fusion.Number, user string) Account {
	m, h := HA1(user, "guantong", "pw-"+user)
	return Account{Unit: unit, User: user, Name: "分机" + user, HA1MD5: m, HA1SHA256: h, Class: "local"}
}

// board is a switchboard that answers every call and seats it at a table where who pressed may talk.
type board struct {
	t      *testing.T
	full   bool
	manual func(desk.Line, string)

	mu     sync.Mutex
	lines  []desk.Line
	seats  []*seat
	digits []string
	events []string
	change chan struct{}
}

func newBoard(t *testing.T) *board { return &board{t: t, change: make(chan struct{})} }

func (b *board) note(e string) {
	b.mu.Lock()
	b.events = append(b.events, e)
	close(b.change)
	b.change = make(chan struct{})
	b.mu.Unlock()
}

// wait waits until ok holds of what was noted.
func (b *board) wait(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		b.mu.Lock()
		done, change := ok(), b.change
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-change:
		case <-deadline:
			b.t.Fatalf("waited in vain for %s; noted: %v", what, b.events)
		}
	}
}

func (b *board) has(e string) func() bool {
	return func() bool {
		for _, x := range b.events {
			if x == e {
				return true
			}
		}
		return false
	}
}

func (b *board) count(e string) (n int) {
	for _, x := range b.events {
		if x == e {
			n++
		}
	}
	return n
}

func (b *board) Incoming(l desk.Line, digits string) {
	b.mu.Lock()
	b.lines = append(b.lines, l)
	b.digits = append(b.digits, digits)
	b.mu.Unlock()
	b.note("incoming " + digits)
	if b.manual != nil {
		b.manual(l, digits)
		return
	}
	go func() {
		l.Ringing()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.Answer(ctx); err != nil {
			b.note("answer failed: " + err.Error())
			return
		}
		b.sit(l)
	}()
}

func (b *board) sit(l desk.Line) {
	s := &seat{b: b, leg: l}
	b.mu.Lock()
	b.seats = append(b.seats, s)
	b.mu.Unlock()
	l.Sit(s, b.full)
	b.note("seated")
}

func (b *board) Answered(l desk.Line, early bool) {
	if early {
		b.note("early")
		return
	}
	b.sit(l)
	b.note("answered")
}

func (b *board) Held(_ desk.Line, held bool) {
	if held {
		b.note("held")
	} else {
		b.note("resumed")
	}
}
func (b *board) Transfer(l desk.Line, digits string) {
	b.note("transfer " + digits)
	l.Hang(desk.Normal)
}
func (b *board) Ended(_ desk.Line, cause desk.Cause) { b.note("ended " + string(cause)) }

// seat grants at once and sends what is pushed to everybody else of the board.
type seat struct {
	b       *board
	leg     desk.Line
	mu      sync.Mutex
	talking bool
	packets int
	bytes   int
}

func (s *seat) Request(r talk.Request) {
	s.mu.Lock()
	s.talking = true
	s.mu.Unlock()
	for _, o := range s.others() {
		o.leg.Begin(voice.Info{})
	}
	s.leg.Indicate(talk.Indication{Kind: talk.Granted, Request: r.ID, Hearing: 1})
	s.b.note("request")
}

func (s *seat) others() (out []*seat) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	for _, o := range s.b.seats {
		if o != s {
			out = append(out, o)
		}
	}
	return out
}

func (s *seat) Release() {
	s.mu.Lock()
	s.talking = false
	s.mu.Unlock()
	for _, o := range s.others() {
		o.leg.End(voice.Info{}, 0)
	}
	s.b.note("release")
}

func (s *seat) Push(p *voice.Packet) {
	s.mu.Lock()
	s.packets++
	s.bytes += len(p.Payload)
	talking := s.talking || s.b.full
	s.mu.Unlock()
	if !talking {
		return
	}
	for _, o := range s.others() {
		if o.leg.Format().ID == p.Codec {
			o.leg.Outlet().Deliver(p, []voice.Target{{Sink: o.leg}})
		}
	}
	if s.count() == 50 {
		s.b.note("pushed 50")
	}
}

func (s *seat) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.packets
}
func (s *seat) Hold(h bool) {
	if h {
		s.b.note("seat held")
	} else {
		s.b.note("seat resumed")
	}
}
func (s *seat) Leave() { s.b.note("left") }

// rtpRanges gives each test of the process ports of its own.
var rtpRanges = struct {
	sync.Mutex
	next uint16
}{next: 31000}

func rtpRange(n uint16) (low, high uint16) {
	rtpRanges.Lock()
	defer rtpRanges.Unlock()
	low = rtpRanges.next
	rtpRanges.next += n
	return low, low + n - 1
}

// serve runs a server until the test ends.
func serve(t testing.TB, cfg Config, acc Accounts, in desk.Incoming, ev desk.LineEvents) *Server {
	t.Helper()
	return serveWith(t, cfg, Deps{Accounts: acc, Incoming: in, Events: ev})
}

func serveWith(t testing.TB, cfg Config, deps Deps) *Server {
	t.Helper()
	if cfg.RTPLow == 0 {
		cfg.RTPLow, cfg.RTPHigh = rtpRange(40)
	}
	level := slog.LevelInfo
	if os.Getenv("TELEPHONE_DEBUG") != "" {
		level = slog.LevelDebug
	}
	deps.Rand, deps.Log = rand.Reader, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	s, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s
}

func containsAll(words ...string) func(string) bool {
	return func(s string) bool {
		for _, w := range words {
			if !strings.Contains(s, w) {
				return false
			}
		}
		return true
	}
}

func defaultCodecs() []codec.ID { return []codec.ID{codec.Opus, codec.G722, codec.PCMA, codec.PCMU} }
