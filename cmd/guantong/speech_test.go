package main

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
)

// ear is a console of a site, by the Go client, which keeps the numbers that it heard in.
type ear struct {
	session *sdk.Session
	media   *media.Conn
	floor   chan talk.Indication

	mu    sync.Mutex
	heard map[byte]int // by the octet that marks the packet
	at    []time.Time
}

const everybody = fusion.Number(10001)

// listen opens a console at a node and joins the first group.
func (r *realSite) listen(n *siteNode) *ear {
	r.t.Helper()
	c := sdk.New("https://"+n.HTTP, sdk.Options{TLS: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(cs tls.ConnectionState) error {
		if !cs.PeerCertificates[0].Equal(n.Trust) {
			return errors.New("another server's certificate")
		}
		return nil
	}}})
	if _, err := c.Login(r.t.Context(), n.User, n.Pass, ""); err != nil {
		r.t.Fatal(err)
	}
	e := &ear{floor: make(chan talk.Indication, 256), heard: make(map[byte]int)}
	up := make(chan bool, 8)
	var err error
	e.session, err = c.Open(r.t.Context(), -1, sdk.Handler{Media: keepNewest(up), Floor: keepNewest(e.floor)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = e.session.Close() })
	e.media, err = media.Dial(r.t.Context(), media.Config{Receive: e.hear}, e.session.Offer)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = e.media.Close() })
	select { // what is said before the server has said so may not be heard
	case <-up:
	case <-time.After(10 * time.Second):
		r.t.Fatal("no media in 10 s")
	}
	if _, err := e.session.Join(r.t.Context(), fusion.GroupTalk(everybody), false); err != nil {
		r.t.Fatal(err)
	}
	return e
}

// keepNewest hands on what comes, and lets it go when nobody reads.
func keepNewest[T any](to chan T) func(T) {
	return func(v T) {
		select {
		case to <- v:
		default:
		}
	}
}

func (e *ear) hear(p media.Packet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(p.Payload) == 4 {
		e.heard[p.Payload[3]]++
		e.at = append(e.at, time.Now())
	}
}

// missing names the packets 1 … n that were not heard, and counts those that came more than once.
func (e *ear) missing(n int) (lost []int, twice int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := 1; i <= n; i++ {
		switch got := e.heard[byte(i)]; {
		case got == 0:
			lost = append(lost, i)
		case got > 1:
			twice++
		}
	}
	return lost, twice
}

// has reports whether a packet was heard.
func (e *ear) has(n int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard[byte(n)] > 0
}

func (e *ear) await(ctx context.Context, want talk.Kind) (talk.Indication, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		select {
		case i := <-e.floor:
			if i.Kind == want {
				return i, nil
			}
		case <-ctx.Done():
			return talk.Indication{}, ctx.Err()
		}
	}
}

// speak sends packets from … to, each marked with its number, 20 ms apart; during is done in the middle.
func (e *ear) speak(t *testing.T, from, to int, during func()) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := from; i <= to; i++ {
		if i == (from+to)/2 && during != nil {
			go during()
		}
		if err := e.media.Send([]byte{0x48, 1, 2, byte(i)}, 960, i == from); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
}

func TestOneBurstIsHeardAtAllNodesAndOutlivesItsArbiter(t *testing.T) {
	r := three(t)
	r.until(20*time.Second, "a leader", func() bool { return r.leader() != nil })
	leader := r.leader()
	var talker, other *siteNode
	for _, n := range r.nodes {
		if n != leader && talker == nil {
			talker = n
		} else if n != leader {
			other = n
		}
	}
	a, b, c := r.listen(talker), r.listen(leader), r.listen(other)
	talks := []fusion.Talk{fusion.GroupTalk(everybody)}
	begun := time.Now()
	if _, err := a.session.Press(t.Context(), sdk.Press{Talks: talks}); err != nil {
		t.Fatal(err)
	}
	granted, err := a.await(t.Context(), talk.Granted)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("granted by another node after %.1f ms; %d hear", float64(time.Since(begun).Microseconds())/1000, granted.Hearing)
	a.speak(t, 1, 100, nil)
	if missing, twice := b.missing(100); len(missing)+twice > 0 {
		t.Errorf("at the arbiter the packets %v were missing, %d came twice", missing, twice)
	}
	a.speak(t, 101, 250, func() { _ = leader.Signal(syscall.SIGKILL) })
	r.until(2*time.Second, "the last packet", func() bool { return c.has(250) })
	if missing, twice := c.missing(250); len(missing)+twice > 0 {
		t.Errorf("at the third node the packets %v were missing, %d came twice", missing, twice)
	}
	if err := a.session.Release(t.Context(), talks...); err != nil {
		t.Fatal(err)
	}
	if _, err := c.await(t.Context(), talk.Idle); err != nil {
		t.Fatalf("the third node was not told the end: %v", err)
	}
	r.until(20*time.Second, "another leader", func() bool { l := r.leader(); return l != nil && l != leader })
	if _, err := c.session.Press(t.Context(), sdk.Press{Talks: talks}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.await(t.Context(), talk.Granted); err != nil {
		t.Fatalf("no floor under the new leader: %v", err)
	}
}
