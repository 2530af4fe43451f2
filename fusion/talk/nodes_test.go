package talk_test

import (
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
)

// town is a site of several nodes. What they tell one another arrives in order, a moment later.
type town struct {
	mu    sync.Mutex
	nodes map[string]*townNode
	cut   map[[2]string]bool
	over  chan struct{}
}

type townNode struct {
	*bench
	t    *town
	name string
	in   chan func()
	dead bool
}

// link is what a node's exchange speaks through.
type link struct{ n *townNode }

func (l link) Send(node string, m []byte) { l.n.t.carry(l.n, node, m) }

func (l link) Broadcast(m []byte) {
	for _, o := range l.n.t.others(l.n) {
		l.n.t.carry(l.n, o.name, m)
	}
}

func (l link) Frame(node string, f []byte) {
	if o := l.n.t.reach(l.n, node); o != nil {
		o.x.Frame(l.n.name, f)
	}
}

func (t *town) others(n *townNode) (list []*townNode) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.nodes {
		if o != n && !o.dead {
			list = append(list, o)
		}
	}
	return list
}

// reach gives the node, if n reaches it.
func (t *town) reach(n *townNode, node string) *townNode {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.nodes[node]
	if o == nil || o.dead || n.dead || t.cut[[2]string{n.name, node}] || t.cut[[2]string{node, n.name}] {
		return nil
	}
	return o
}

func (t *town) carry(from *townNode, to string, m []byte) {
	if o := t.reach(from, to); o != nil {
		o.in <- func() { o.x.Hear(from.name, m) }
	}
}

func newTown(t *testing.T, names ...string) *town {
	w := &town{nodes: make(map[string]*townNode), cut: make(map[[2]string]bool), over: make(chan struct{})}
	for i, name := range names {
		n := &townNode{t: w, name: name, in: make(chan func(), 4096)}
		n.bench = &bench{rec: &recorder{ended: make(map[fusion.ID]string), count: make(map[fusion.ID]int)}}
		n.ids.Store(uint32(i+1) << 16)
		n.sw = voice.New(voice.Config{}, voice.Deps{})
		n.x = talk.New(n.deps(name, link{n}))
		w.nodes[name] = n
		go func() {
			for {
				select {
				case f := <-n.in:
					f()
				case <-w.over:
					return
				}
			}
		}()
	}
	for _, a := range names {
		for _, b := range names {
			if a != b {
				w.nodes[a].in <- func() { w.nodes[a].x.Up(b) }
			}
		}
	}
	return w
}

// arbiter tells every living node who arbitrates.
func (w *town) arbiter(name string, term uint64) {
	for _, n := range w.nodes {
		if !n.dead {
			n.in <- func() { n.x.Arbitrate(talk.Arbiter{Node: name, Term: term}) }
		}
	}
	time.Sleep(250 * time.Millisecond) // a new arbiter waits for what others carry
	settle()
}

// kill takes a node away; the others learn it a second later.
func (w *town) kill(name string) {
	w.mu.Lock()
	w.nodes[name].dead = true
	w.mu.Unlock()
}

func (w *town) missed(name string) {
	for _, n := range w.nodes {
		if !n.dead {
			n.in <- func() { n.x.Down(name) }
		}
	}
	settle()
}

func (w *town) end() {
	for _, n := range w.nodes {
		n.x.Close()
		n.sw.Close()
	}
	time.Sleep(5 * time.Second)
	close(w.over)
}

func settle() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

func TestOneFloorAndOneBurstForTheLegsOfAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "n1", "n2", "n3")
		defer w.end()
		w.arbiter("n1", 1)
		for _, talker := range []string{"n1", "n2"} {
			alice, bob, carol := newLeg(10101), newLeg(10102), newLeg(10103)
			sa := w.nodes[talker].join(t, groupA, alice, talk.JoinOptions{})
			sb := w.nodes["n2"].join(t, groupA, bob, talk.JoinOptions{})
			sc := w.nodes["n3"].join(t, groupA, carol, talk.JoinOptions{})
			settle()
			first, second := w.nodes[talker].id(), w.nodes["n3"].id()
			sa.Request(talk.Request{ID: first, Precedence: fusion.Routine})
			settle()
			if got := alice.last(); got.Kind != talk.Granted || got.Hearing != 2 {
				t.Fatalf("%s: alice was told %+v", talker, got)
			}
			sc.Request(talk.Request{ID: second, Precedence: fusion.Routine})
			settle()
			if got := carol.last(); got.Kind != talk.Queued || got.Place != 1 {
				t.Errorf("%s: carol was told %+v", talker, got)
			}
			if got := bob.last(); got.Kind != talk.Taken || got.Talker != 10101 || got.Burst != first || got.Name != "10101" {
				t.Errorf("%s: bob was told %+v", talker, got)
			}
			speak(sa, 20)
			settle()
			late := newLeg(10104)
			sl := w.nodes["n3"].join(t, groupA, late, talk.JoinOptions{})
			speak(sa, 10)
			if bob.heard(first) != 30 || carol.heard(first) != 30 || alice.heard(first) != 0 || late.heard(first) < 10 {
				t.Errorf("%s: heard %d %d %d %d", talker, bob.heard(first), carol.heard(first), alice.heard(first), late.heard(first))
			}
			for _, n := range w.nodes {
				if n.rec.packets(first) != 30 {
					t.Errorf("%s recorded %d packets", n.name, n.rec.packets(first))
				}
				st, ok := n.x.State(fusion.GroupTalk(groupA))
				if !ok || len(st.Seats) != 4 || st.Talker != 10101 || len(st.Queue) != 1 || st.Hearing != 3 {
					t.Errorf("%s: %s shows %+v", talker, n.name, st)
				}
			}
			sa.Release()
			settle()
			if got := carol.last(); got.Kind != talk.Granted {
				t.Errorf("%s: carol was told %+v", talker, got)
			}
			speak(sc, 10)
			settle()
			if alice.heard(second) != 10 || bob.heard(second) != 10 {
				t.Errorf("%s: heard %d %d", talker, alice.heard(second), bob.heard(second))
			}
			for _, s := range []talk.Seat{sa, sb, sc, sl} {
				s.Leave()
			}
			time.Sleep(time.Second)
			for _, n := range w.nodes {
				if rooms, _ := n.x.Left(); rooms != 0 {
					t.Errorf("%s has %d rooms left", n.name, rooms)
				}
				if n.rec.end(first) == "" || n.rec.end(second) == "" {
					t.Errorf("%s has open recordings", n.name)
				}
			}
		}
	})
}

func TestABurstGoesOnWhenTheArbiterDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "n1", "n2", "n3")
		defer w.end()
		w.arbiter("n1", 1)
		alice, bob, carol := newLeg(10101), newLeg(10102), newLeg(10103)
		sa := w.nodes["n2"].join(t, groupA, alice, talk.JoinOptions{})
		w.nodes["n3"].join(t, groupA, bob, talk.JoinOptions{})
		sc := w.nodes["n3"].join(t, groupA, carol, talk.JoinOptions{})
		first, second := w.nodes["n2"].id(), w.nodes["n3"].id()
		sa.Request(talk.Request{ID: first, Precedence: fusion.Routine})
		settle()
		speak(sa, 10)
		w.kill("n1")
		speak(sa, 20)
		sc.Request(talk.Request{ID: second, Precedence: fusion.Routine}) // while nobody arbitrates
		speak(sa, 20)
		w.arbiter("n3", 2)
		speak(sa, 5)
		w.missed("n1")
		speak(sa, 10)
		settle()
		if got := bob.heard(first); got != 65 {
			t.Errorf("bob heard %d packets of 65", got)
		}
		if k := alice.kinds(); slices.Contains(k, talk.Revoked) || len(k) > 0 && k[len(k)-1] != talk.Granted {
			t.Errorf("alice was told %v", k)
		}
		if !slices.Contains(carol.kinds(), talk.Queued) {
			t.Errorf("carol was told %v", carol.kinds())
		}
		sa.Release()
		settle()
		if got := carol.last(); got.Kind != talk.Granted || got.Burst != second {
			t.Errorf("carol was told %+v", got)
		}
		if got := alice.last(); got.Kind != talk.Taken || got.Burst != second {
			t.Errorf("alice was told %+v", got)
		}
	})
}

func TestATalkerWhoseNodeDiesTalksOnAtAnother(t *testing.T) {
	for _, arbiter := range []string{"n1", "n2"} { // the one that dies, and one that does not
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t, "n1", "n2", "n3")
			defer w.end()
			w.arbiter(arbiter, 1)
			alice, bob, carol := newLeg(10101), newLeg(10102), newLeg(10103)
			sa := w.nodes["n1"].join(t, groupA, alice, talk.JoinOptions{})
			w.nodes["n3"].join(t, groupA, bob, talk.JoinOptions{})
			sc := w.nodes["n2"].join(t, groupA, carol, talk.JoinOptions{})
			first, second := w.nodes["n1"].id(), w.nodes["n2"].id()
			sa.Request(talk.Request{ID: first, Precedence: fusion.Routine})
			settle()
			speak(sa, 10)
			sc.Request(talk.Request{ID: w.nodes["n3"].id(), Precedence: fusion.Routine})
			settle()
			w.kill("n1")
			again := newLeg(10101)
			sa = w.nodes["n2"].join(t, groupA, again, talk.JoinOptions{})
			sa.Request(talk.Request{ID: second, Precedence: fusion.Routine, Resume: first})
			settle()
			if got := again.last(); got.Kind != talk.Granted {
				t.Fatalf("%s: alice was told %+v", arbiter, got)
			}
			speak(sa, 30)
			if arbiter == "n1" {
				w.arbiter("n3", 2)
			}
			w.missed("n1")
			speak(sa, 10)
			settle()
			if got := bob.heard(second); got != 40 {
				t.Errorf("%s: bob heard %d packets of 40", arbiter, got)
			}
			if slices.Contains(carol.kinds(), talk.Granted) || slices.Contains(again.kinds(), talk.Revoked) {
				t.Errorf("%s: carol was told %v, alice %v", arbiter, carol.kinds(), again.kinds())
			}
			sa.Release()
			settle()
			if got := carol.last(); got.Kind != talk.Granted {
				t.Errorf("%s: carol was told %+v", arbiter, got)
			}
		})
	}
}

func TestIslandsThatMeetHaveOneTalkerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "n1", "n2")
		defer w.end()
		w.arbiter("n1", 1)
		alice, bob := newLeg(10101), newLeg(10102)
		sa := w.nodes["n1"].join(t, groupA, alice, talk.JoinOptions{MayEmergency: true})
		sb := w.nodes["n2"].join(t, groupA, bob, talk.JoinOptions{})
		settle()
		w.mu.Lock()
		w.cut[[2]string{"n1", "n2"}] = true
		w.mu.Unlock()
		for _, n := range w.nodes {
			other := map[string]string{"n1": "n2", "n2": "n1"}[n.name]
			n.in <- func() { n.x.Down(other); n.x.Arbitrate(talk.Arbiter{Node: n.name, Term: 1, Island: true}) }
		}
		settle()
		a, b := w.nodes["n1"].id(), w.nodes["n2"].id()
		sa.Request(talk.Request{ID: a, Emergency: true, Precedence: fusion.Routine})
		sb.Request(talk.Request{ID: b, Precedence: fusion.Flash})
		time.Sleep(300 * time.Millisecond) // an arbiter that is new waits for what others carry
		synctest.Wait()
		if alice.last().Kind != talk.Granted || bob.last().Kind != talk.Granted {
			t.Fatalf("alone: %+v %+v", alice.last(), bob.last())
		}
		w.mu.Lock()
		w.cut[[2]string{"n1", "n2"}] = false
		w.mu.Unlock()
		for _, n := range w.nodes {
			other := map[string]string{"n1": "n2", "n2": "n1"}[n.name]
			n.in <- func() { n.x.Up(other) }
		}
		w.arbiter("n2", 2)
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		if got := bob.last(); got.Kind != talk.Taken || got.Burst != a || !slices.Contains(bob.kinds(), talk.Revoked) {
			t.Errorf("bob was told %v, last %+v", bob.kinds(), got)
		}
		speak(sa, 10)
		settle()
		if bob.heard(a) < 10 {
			t.Errorf("bob heard %d packets", bob.heard(a))
		}
	})
}

func TestAPatchHoldsAcrossNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "n1", "n2", "n3")
		defer w.end()
		w.arbiter("n1", 1)
		alice, bob, carol := newLeg(10101), newLeg(10102), newLeg(10103)
		sa := w.nodes["n2"].join(t, groupA, alice, talk.JoinOptions{})
		w.nodes["n3"].join(t, groupB, bob, talk.JoinOptions{})
		sc := w.nodes["n3"].join(t, groupA, carol, talk.JoinOptions{})
		settle()
		patch, burst := w.nodes["n1"].id(), w.nodes["n2"].id()
		sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
		settle()
		speak(sa, 10)
		for _, name := range []string{"n3", "n1", "n2"} { // each follows the record at its own time
			if err := w.nodes[name].x.Patch(patch, []fusion.Number{groupA, groupB}); err != nil {
				t.Fatal(err)
			}
			settle()
			speak(sa, 10)
		}
		if bob.heard(burst) < 30 || carol.heard(burst) != 40 {
			t.Errorf("heard %d %d", bob.heard(burst), carol.heard(burst))
		}
		for _, name := range []string{"n1", "n2", "n3"} {
			if err := w.nodes[name].x.Part(patch); err != nil {
				t.Fatal(err)
			}
			settle()
		}
		was := bob.heard(burst)
		speak(sa, 10)
		settle()
		if bob.heard(burst) != was || carol.heard(burst) != 50 {
			t.Errorf("parted: heard %d (was %d) %d", bob.heard(burst), was, carol.heard(burst))
		}
		sa.Release()
		settle()
		third := w.nodes["n3"].id()
		sc.Request(talk.Request{ID: third, Precedence: fusion.Routine})
		settle()
		if carol.last().Kind != talk.Granted {
			t.Errorf("carol was told %+v", carol.last())
		}
	})
}

func TestAnEmergencyOutlivesItsArbiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "n1", "n2", "n3")
		defer w.end()
		w.arbiter("n1", 1)
		alice := newLeg(10101)
		sa := w.nodes["n1"].join(t, groupA, alice, talk.JoinOptions{MayEmergency: true})
		sa.Request(talk.Request{ID: w.nodes["n1"].id(), Emergency: true, Precedence: fusion.Routine})
		settle()
		w.kill("n1")
		w.missed("n1")
		w.arbiter("n2", 2)
		again := newLeg(10101)
		sa = w.nodes["n3"].join(t, groupA, again, talk.JoinOptions{MayEmergency: true})
		sa.Request(talk.Request{ID: w.nodes["n3"].id(), Precedence: fusion.Routine})
		settle()
		if got := again.last(); got.Kind != talk.Granted || !got.Emergency {
			t.Errorf("told %+v", got)
		}
		if err := w.nodes["n3"].x.EndEmergency(fusion.GroupTalk(groupA), 0, "zhang"); err != nil {
			t.Error(err)
		}
		settle()
		sa.Release()
		settle()
		sa.Request(talk.Request{ID: w.nodes["n3"].id(), Precedence: fusion.Routine})
		settle()
		if got := again.last(); got.Kind != talk.Granted || got.Emergency {
			t.Errorf("after it was cleared: %+v", got)
		}
	})
}

// deps are those of a node of a site.
func (n *townNode) deps(name string, l talk.Nodes) talk.Deps {
	d := n.bench.deps()
	d.Self, d.Nodes, d.Log = name, l, slog.New(slog.DiscardHandler)
	return d
}
