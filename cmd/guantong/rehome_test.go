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

// A client whose node dies goes on at another one: the leader that stands still, as in a power cut, and a follower that is killed; programs, and the page of a
// browser. The limits are generous, for a busy machine; what is measured is logged.
func TestClientsGoOnWhenTheirNodeDies(t *testing.T) {
	r := three(t)
	if !t.Run("the leader stands still", func(t *testing.T) {
		dies, stays := r.roles(true)
		r.talkThrough(t, dies, stays, syscall.SIGSTOP)
		if err := dies.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		r.until(20*time.Second, "the old leader to follow", func() bool { st := r.status(dies); return st.Record.Role == "follower" && st.Record.Leader != "" })
	}) {
		return
	}
	dies, stays := r.roles(false)
	t.Run("a follower is killed", func(t *testing.T) {
		b := r.browse(t, dies)
		r.talkThrough(t, dies, stays, syscall.SIGKILL)
		if b != nil {
			r.browsedOn(t, b, stays)
		}
	})
}

// talkThrough has a console talk at a node that dies, and two listen: there, and at another node.
func (r *realSite) talkThrough(t *testing.T, dies, stays *siteNode, how syscall.Signal) {
	t.Helper()
	talker, far, near := r.welcome(dies), r.welcome(stays), r.welcome(dies)
	r.until(10*time.Second, "the nodes to be told", func() bool { return len(talker.client.KnownNodes()) == 3 })
	press, err := talker.roamer.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(everybody)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := talker.await(t.Context(), talk.Granted); err != nil {
		t.Fatal(err)
	}
	talker.say(1, 250, func() { _ = dies.Signal(how) })
	if i, err := talker.await(t.Context(), talk.Granted); err != nil || i.Request != press {
		t.Errorf("the burst did not go on: %+v, %v", i, err)
	}
	m := <-talker.moves
	t.Logf("talker at %s, %.0f ms after it noticed (%v); longest gap at another node %v, at the same one %v", m.Node, float64(m.Took.Microseconds())/1000, m.Why, far.gap(), near.gap())
	if m, n := far.lost(201, 250), near.lost(201, 250); m+n > 25 {
		t.Errorf("of the last 50 packets %d were not heard at another node, %d at the same one", m, n)
	}
	if far.gap() > 4*time.Second || near.gap() > 4*time.Second {
		t.Error("too long")
	}
	if err := talker.roamer.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// browse opens a browser's page at a node, logged in and listening to the first group; nil where there is no browser.
func (r *realSite) browse(t *testing.T, n *siteNode) *peer.Chromium {
	t.Helper()
	if _, built := webconsole.Files(); !built {
		t.Log("the console is not built")
		return nil
	}
	said, err := speech.Load("pilot")
	if err != nil {
		t.Fatal(err)
	}
	c := peer.ChromiumConfig{Dir: t.TempDir(), Microphone: said.Loop(0, 30)}
	for _, n := range r.nodes {
		c.TrustAlso = append(c.TrustAlso, n.Trust)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	b, err := peer.StartChromium(t.Context(), c)
	if err != nil {
		t.Log(err)
		return nil
	}
	t.Cleanup(b.Close)
	for _, err := range []error{
		b.Open(ctx, "https://"+n.HTTP), b.Type(ctx, "login-user", n.User), b.Type(ctx, "login-password", n.Pass), b.Click(ctx, "login-submit"),
		b.Until(ctx, `document.querySelector('[data-testid="media-state"][data-connected="true"]')`),
		b.Until(ctx, `document.querySelector('[data-testid="group-10001-listen"]')`), b.Click(ctx, "group-10001-listen"), b.Click(ctx, "group-10001-select"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// browsedOn sees that the page is at another node, across origins, and that whoever talks there is heard.
func (r *realSite) browsedOn(t *testing.T, b *peer.Chromium, stays *siteNode) {
	t.Helper()
	listener := r.welcome(stays)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, err := range []error{
		b.Until(ctx, `document.querySelector('[data-testid="media-state"][data-connected="true"]')`), b.MouseDown(ctx, "ptt"),
		b.Until(ctx, `document.querySelector('[data-testid="ptt-state"][data-state="granted"]')`),
	} {
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Describe(ctx))
		}
	}
	r.until(20*time.Second, "speech of a page that moved", func() bool { n, _ := listener.spoken(); return n > 50 })
	where, err := peer.Eval[string](ctx, b, `location.host + ' at ' + document.querySelector('[data-testid="at-node"]').textContent`)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the page from %s is heard", where)
	if err := b.MouseUp(ctx, "ptt"); err != nil {
		t.Error(err)
	}
}
