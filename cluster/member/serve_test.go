package member

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/trust"
)

// gate is a registrar that knows one token, and counts what it has the site do.
type gate struct {
	*Registrar
	used  atomic.Int64
	noted atomic.Pointer[string]
	now   atomic.Int64
}

func newGate(t *testing.T) (*gate, Token) {
	t.Helper()
	a, err := trust.NewAuthority("test", rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	token, err := NewToken(7, a.Root(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	g.now.Store(time.Now().UnixNano())
	g.Registrar = &Registrar{
		Authority: a, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Unix(0, g.now.Load()) },
		Site:  func() (state.Site, error) { return state.Site{Number: 7, Incarnation: 2<<32 | 1, Name: "县"}, nil },
		Began: func() (state.Recovery, uint32, error) { return state.Recovery{Index: 42, Term: 3}, 2, nil },
		Known: func(hash []byte) (bool, error) { return bytes.Equal(hash, token.Hash()), nil },
		Use: func(context.Context, state.TokenUse, string) error {
			if g.used.Add(1) > 1 {
				return fusion.E(fusion.NotAllowed, "token_used", "node-2 used the token")
			}
			return nil
		},
		Note: func(_ context.Context, _, _, reason string) { g.noted.Store(&reason) },
	}
	return g, token
}

func (g *gate) ask(t *testing.T, octets []byte) (grant Grant) {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() { g.answer(t.Context(), there); close(done) }()
	_ = here.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = here.Write(octets) }()
	if err := readFrame(here, &grant); err != nil {
		t.Errorf("no answer: %v", err)
	}
	_ = here.Close()
	<-done
	return grant
}

func (g *gate) request(t *testing.T, token Token) Request {
	t.Helper()
	_, request, err := trust.NewNodeKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Version: Version, Site: 7, Secret: token.Secret[:], Node: "node-2", Address: "10.0.0.2:7400", Certificate: request, At: g.Now().UnixMilli(), Knows: 2}
}

func framed(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeFrame(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhoeverShouldNotJoinIsToldWhyAndSpendsNoToken(t *testing.T) {
	g, token := newGate(t)
	for reason, change := range map[string]func(*Request){
		"other_version": func(q *Request) { q.Version++ },
		"older_version": func(q *Request) { q.Knows = 1 },
		"other_site":    func(q *Request) { q.Site = 8 },
		"bad_node":      func(q *Request) { q.Node = "../node" },
		"bad_address":   func(q *Request) { q.Address = "[::]:7400" },
		"wrong_clock":   func(q *Request) { q.At += maxSkew + 1000 },
		"bad_request":   func(q *Request) { q.Certificate = []byte("none") },
		"token_unknown": func(q *Request) { q.Secret = make([]byte, 16) },
	} {
		q := g.request(t, token)
		change(&q)
		g.now.Add(int64(2 * noteEvery))
		q.At += 2 * noteEvery.Milliseconds()
		got := g.ask(t, framed(t, q))
		if got.Reason != reason || got.CAKey != nil || got.Chain != nil {
			t.Errorf("%s: answered %q %s", reason, got.Reason, got.Detail)
		}
		if said := g.noted.Load(); said == nil || *said != reason {
			t.Errorf("%s is not audited", reason)
		}
	}
	slow := g.request(t, token)
	slow.At -= maxSkew + 1000
	if got := g.ask(t, framed(t, slow)); got.Reason != "wrong_clock" {
		t.Errorf("a clock that is behind: %+v", got)
	}
	for _, garbage := range [][]byte{binary.BigEndian.AppendUint32(nil, 1<<30), {0, 0, 0, 2, 0xff, 0xff}, {0, 0, 0, 0}} {
		if got := g.ask(t, garbage); got.Reason != "bad_request" {
			t.Errorf("%x: %+v", garbage, got)
		}
	}
	if g.used.Load() != 0 {
		t.Error("a token was spent")
	}
	q := g.request(t, token)
	got := g.ask(t, framed(t, q))
	if got.Reason != "" || got.Incarnation != 2<<32|1 || got.FromIndex != 42 || got.FromTerm != 3 || len(got.CAKey) == 0 {
		t.Fatalf("a good request: %+v", got)
	}
	if got := g.ask(t, framed(t, q)); got.Reason != "token_used" || got.CAKey != nil {
		t.Errorf("the token again: %+v", got)
	}
}
