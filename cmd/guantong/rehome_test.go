package main

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	webconsole "github.com/guantong-net/guantong/clients/console"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/speech"
)

// guest is a console of a site by the Go client, which goes on at another node when its own dies.
type guest struct {
	*ear
	roamer *sdk.Roamer
	line   *media.Line
	client *sdk.Client
	moves  chan sdk.Move
	times  []time.Time // of all packets, marked or not; guarded by ear.mu
}

func (g *guest) hears(p media.Packet) {
	g.hear(p)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.times = append(g.times, time.Now())
}

// spoken counts the packets that were heard, and gives the longest time without one.
func (g *guest) spoken() (n int, longest time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := 1; i < len(g.times); i++ {
		longest = max(longest, g.times[i].Sub(g.times[i-1]))
	}
	return len(g.times), longest
}

// welcome opens a console that begins at a node and joins the first group.
func (r *realSite) welcome(n *siteNode) *guest {
	r.t.Helper()
	g := &guest{ear: &ear{floor: make(chan talk.Indication, 256), heard: make(map[byte]int)}, moves: make(chan sdk.Move, 16)}
	var err error
	if g.line, err = media.NewLine(media.Config{Receive: g.hears}); err != nil {
		r.t.Fatal(err)
	}
	g.client = sdk.New("https://"+n.HTTP, sdk.Options{TLS: &tls.Config{InsecureSkipVerify: true}}) // each node of a test has its own address only
	if _, err := g.client.Login(r.t.Context(), n.User, n.Pass, ""); err != nil {
		r.t.Fatal(err)
	}
	connected := make(chan bool, 16)
	g.roamer = g.client.Roam(sdk.RoamConfig{After: -1, Moved: func(m sdk.Move) { g.moves <- m },
		Attach: func(ctx context.Context, s *sdk.Session) error { return g.line.Attach(ctx, s.Offer) },
		Handler: sdk.Handler{Media: func(up bool) { connected <- up }, Floor: func(i talk.Indication) {
			select {
			case g.floor <- i:
			default:
			}
		}}})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- g.roamer.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-over, g.line.Close()); err != nil && !errors.Is(err, context.Canceled) {
			r.t.Log(err)
		}
	})
	<-g.moves
	if _, err := g.roamer.Join(r.t.Context(), fusion.GroupTalk(everybody), false); err != nil {
		r.t.Fatal(err)
	}
	<-connected
	return g
}

// say sends marked packets from … to, 20 ms apart, whether there is a node or not; what cannot be sent is lost.
func (g *guest) say(from, to int, during func()) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := from; i <= to; i++ {
		if i == (from+to)/2 && during != nil {
			go during()
		}
		_ = g.line.Send([]byte{0x48, 1, 2, byte(i)}, 960, i == from)
		<-tick.C
	}
}

// lost counts the packets from … to that were not heard.
func (e *ear) lost(from, to int) (lost int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := from; i <= to; i++ {
		if e.heard[byte(i)] == 0 {
			lost++
		}
	}
	return lost
}

// gap is the longest time for which a listener heard nothing.
func (e *ear) gap() (longest time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := 1; i < len(e.at); i++ {
		longest = max(longest, e.at[i].Sub(e.at[i-1]))
	}
	return longest
}

func (r *realSite) roles(leader bool) (talker, listener *siteNode) {
	r.until(20*time.Second, "a leader", func() bool { return r.leader() != nil })
	l := r.leader()
	others := slices.DeleteFunc(slices.Clone(r.nodes), func(n *siteNode) bool { return n == l })
	if leader {
		return l, others[0]
	}
	return others[0], others[1]
}

// A console whose node dies while it talks is heard on, and one whose node dies while it listens hears on: the node is a follower or the leader, killed or
// stopped. The limits are generous, for a busy machine; what is measured is logged.
func TestConsolesGoOnWhenTheirNodeDies(t *testing.T) {
	for _, c := range []struct {
		name   string
		leader bool
		how    syscall.Signal
	}{{"follower killed", false, syscall.SIGKILL}, {"leader stopped", true, syscall.SIGSTOP}} {
		t.Run(c.name, func(t *testing.T) {
			r := three(t)
			dies, stays := r.roles(c.leader)
			talker, far, near := r.welcome(dies), r.welcome(stays), r.welcome(dies)
			r.until(10*time.Second, "the nodes to be told", func() bool { return len(talker.client.KnownNodes()) == 3 })
			press, err := talker.roamer.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(everybody)}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := talker.await(t.Context(), talk.Granted); err != nil {
				t.Fatal(err)
			}
			talker.say(1, 250, func() { _ = dies.Signal(c.how) })
			if i, err := talker.await(t.Context(), talk.Granted); err != nil || i.Request != press {
				t.Errorf("the burst did not go on: %+v, %v", i, err)
			}
			m := <-talker.moves
			t.Logf("talker at %s, %.0f ms after it noticed (%v); longest gap at another node %v, at the same one %v", m.Node, float64(m.Took.Microseconds())/1000, m.Why, far.gap(), near.gap())
			if m, n := far.lost(201, 250), near.lost(201, 250); m+n > 10 {
				t.Errorf("of the last 50 packets %d were not heard at another node, %d at the same one", m, n)
			}
			if far.gap() > 4*time.Second || near.gap() > 4*time.Second {
				t.Error("too long")
			}
			if err := talker.roamer.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The page of a browser stays loaded when its node dies, is at another one across origins, and whoever talks there is heard on.
func TestABrowserTalksOnWhenItsNodeDies(t *testing.T) {
	if _, built := webconsole.Files(); !built {
		t.Skip("the console is not built")
	}
	r := three(t)
	dies, stays := r.roles(false)
	listener := r.welcome(stays)
	// The site knows its nodes' addresses when all have said them.
	r.until(10*time.Second, "the nodes to be told", func() bool {
		site, err := listener.client.Site(t.Context())
		return err == nil && len(site.Nodes) == 3
	})
	said, err := speech.Load("pilot")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	c := peer.ChromiumConfig{Dir: t.TempDir(), Microphone: said.Loop(0, 30)}
	for _, n := range r.nodes {
		c.TrustAlso = append(c.TrustAlso, n.Trust)
	}
	b, err := peer.StartChromium(ctx, c)
	if err != nil {
		t.Skip(err)
	}
	defer b.Close()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, b.Describe(ctx))
		}
	}
	must("open", b.Open(ctx, "https://"+dies.HTTP))
	must("user", b.Type(ctx, "login-user", dies.User))
	must("password", b.Type(ctx, "login-password", dies.Pass))
	must("log in", b.Click(ctx, "login-submit"))
	must("media", b.Until(ctx, `document.querySelector('[data-testid="media-state"][data-connected="true"]')`))
	must("group", b.Until(ctx, `document.querySelector('[data-testid="group-10001-listen"]')`))
	must("listen", b.Click(ctx, "group-10001-listen"))
	must("select", b.Click(ctx, "group-10001-select"))
	must("press", b.MouseDown(ctx, "ptt"))
	const granted = `document.querySelector('[data-testid="ptt-state"][data-state="granted"]')`
	must("granted", b.Until(ctx, granted))
	r.until(10*time.Second, "speech", func() bool { n, _ := listener.spoken(); return n > 100 })
	began, before := time.Now(), 0
	must("kill", dies.Signal(syscall.SIGKILL))
	must("another node", b.Until(ctx, `document.querySelector('[data-notice="moved"]')`))
	t.Logf("the page is elsewhere after %v", time.Since(began).Round(time.Millisecond))
	must("granted again", b.Until(ctx, granted))
	before, _ = listener.spoken()
	for limit := time.Now().Add(10 * time.Second); ; <-time.After(50 * time.Millisecond) {
		n, _ := listener.spoken()
		if n > before+100 {
			break
		}
		if time.Now().After(limit) {
			state, err := peer.Eval[string](ctx, b, `[...document.querySelectorAll('[data-testid=media-state],[data-testid=ptt-state],[data-testid=at-node]')].map(e => e.outerHTML).join(' ')`)
			t.Fatalf("heard %d packets more\n%s %v\n%s", n-before, state, err, b.Describe(ctx))
		}
	}
	_, gap := listener.spoken()
	t.Logf("longest gap at another node %v", gap.Round(time.Millisecond))
	if gap > 4*time.Second {
		t.Error("too long")
	}
	must("release", b.MouseUp(ctx, "ptt"))
}
