package cluster_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/forward"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// wire is a network in memory between the nodes of one site, that can be cut.
type wire struct {
	mu    sync.Mutex
	nodes map[string]*cluster.Node
	trans map[string]*raft.InmemTransport
	cut   map[string]bool

	configure func(*cluster.Config)         // may be nil
	files     func(id string) cluster.Files // nil: not looked after
	low       func(id string) bool          // nil: no node has a UPS
}

// peers is the network as one node sees it.
type peers struct {
	w    *wire
	self string
}

// reach gives a node, or waits as long as the caller does when the way is cut: a dead link says nothing.
func (p peers) reach(ctx context.Context, id string) (*cluster.Node, error) {
	p.w.mu.Lock()
	n, cut := p.w.nodes[id], p.w.cut[id] || p.w.cut[p.self]
	p.w.mu.Unlock()
	if n != nil && !cut {
		return n, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	<-ctx.Done()
	return nil, fusion.E(fusion.CutOff, "outcome_unknown", "cut off")
}

func (p peers) Propose(ctx context.Context, id, _ string, data []byte) (state.Result, error) {
	n, err := p.reach(ctx, id)
	if err != nil {
		return state.Result{}, err
	}
	cmd, err := command.Decode(data)
	if err != nil {
		return state.Result{}, err
	}
	res, err := n.ProposeHere(ctx, cmd)
	if _, lost := p.reach(ctx, id); lost != nil {
		return state.Result{}, lost // the answer does not come back
	}
	return res, err
}

func (p peers) Index(ctx context.Context, id, _ string) (uint64, error) {
	n, err := p.reach(ctx, id)
	if err != nil {
		return 0, err
	}
	return n.Index(ctx)
}

func (p peers) Progress(ctx context.Context, id, _ string) (forward.Progress, error) {
	n, err := p.reach(ctx, id)
	if err != nil {
		return forward.Progress{}, err
	}
	return n.Progress(), nil
}

// isolate cuts a node off, or joins it again.
func (w *wire) isolate(id string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[id] = cut
	for a, from := range w.trans {
		for b, to := range w.trans {
			switch {
			case a == b:
			case w.cut[a] || w.cut[b]:
				from.Disconnect(to.LocalAddr())
			default:
				from.Connect(to.LocalAddr(), to)
			}
		}
	}
}

func newWire() *wire {
	return &wire{nodes: map[string]*cluster.Node{}, trans: map[string]*raft.InmemTransport{}, cut: map[string]bool{}}
}

// open opens a node: the first one begins the site, the others wait to be added.
func (w *wire) open(t *testing.T, dir string, number int) *cluster.Node {
	t.Helper()
	id := fmt.Sprint("node-", number)
	_, trans := raft.NewInmemTransportWithTimeout(raft.ServerAddress(id+"@"+id), 200*time.Millisecond)
	w.trans[id] = trans
	w.isolate(id, false)
	cfg := cluster.Config{Dir: filepath.Join(dir, id), NodeID: id, Reserve: 1 << 20, Transport: trans, Peers: peers{w, id}, Join: number > 1}
	if w.configure != nil {
		w.configure(&cfg)
	}
	if w.low != nil {
		cfg.Low = func() bool { return w.low(id) }
	}
	if w.files != nil {
		cfg.Files = w.files(id)
	}
	n, err := cluster.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[id] = n
	return n
}

// join opens a node and has the site take its token.
func (w *wire) join(t *testing.T, dir string, by *cluster.Node, number int) *cluster.Node {
	t.Helper()
	n := w.open(t, dir, number)
	id, hash := n.Status().NodeID, make([]byte, 32)
	hash[0] = byte(number)
	_, at := by.Stamp()
	propose(t, by, command.TokenAdd, state.JoinToken{Hash: hash, Expires: state.Millis(at + 60_000)})
	propose(t, by, command.TokenUse, state.TokenUse{Hash: hash, Node: id, Address: id})
	return n
}

// inMemory opens three nodes of one site.
func inMemory(t *testing.T, dir string) (*wire, []*cluster.Node) {
	t.Helper()
	w := newWire()
	first := w.open(t, dir, 1)
	return w, []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}
}

// runAll runs the nodes until stop, which closes them too.
func runAll(t *testing.T, nodes []*cluster.Node) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, n := range nodes {
		running.Go(func() { _ = n.Run(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
		for _, n := range nodes {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(5 * time.Second) // of the bubble's own time: Raft's calls that are under way run out
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond) // of the bubble's own time
	}
	t.Fatalf("waited for %s", what)
}

func voters(n *cluster.Node) (count int) {
	nodes, _ := n.Nodes()
	for _, s := range nodes {
		if s.Role == state.NodeVoter {
			count++
		}
	}
	return count
}

func leading(nodes []*cluster.Node, but *cluster.Node) *cluster.Node {
	for _, n := range nodes {
		if n != but && n.Leads() {
			return n
		}
	}
	return nil
}

func count(t *testing.T, n *cluster.Node, current bool, text string) int {
	t.Helper()
	found := 0
	look := func(v *state.View) error {
		ms, err := v.Messages(state.MessageFilter{Limit: 500})
		for _, m := range ms {
			if m.Text == text {
				found++
			}
		}
		return err
	}
	err := n.View(look)
	if current {
		found = 0
		err = n.ViewCurrent(t.Context(), look)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAPartitionedLeaderLosesNothingAndItsOutboxIsAppliedOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, nodes := inMemory(t, dir)
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[1]) // by a node that does not lead
		for round := range 8 {
			old := leading(nodes, nil)
			if old == nil {
				eventually(t, "a leader", func() bool { old = leading(nodes, nil); return old != nil })
			}
			id := old.Status().NodeID
			w.isolate(id, true)
			text := fmt.Sprint("held ", round)
			cmd, err := old.Command(command.MessagePost, fusion.ID{}, "zhang", message(text))
			if err != nil {
				t.Fatal(err)
			}
			if _, held, err := old.ProposeOrHold(t.Context(), cmd); err != nil || !held || old.Held() != 1 {
				t.Fatalf("round %d: held %v, %v", round, held, err)
			}
			if err := old.ViewCurrent(t.Context(), func(*state.View) error { return nil }); fusion.FaultOf(err) != fusion.CutOff {
				t.Fatalf("a node without quorum reads what is current: %v", err)
			}
			var now *cluster.Node
			eventually(t, "another leader", func() bool { now = leading(nodes, old); return now != nil && now.Leader() == now.Status().NodeID })
			mine := fmt.Sprint("majority ", round)
			propose(t, now, command.MessagePost, message(mine))
			w.isolate(id, false)
			eventually(t, "the outbox to be empty", func() bool { return old.Held() == 0 })
			for _, n := range nodes {
				if got := [2]int{count(t, n, true, text), count(t, n, true, mine)}; got != [2]int{1, 1} {
					t.Fatalf("round %d: %s has %v", round, n.Status().NodeID, got)
				}
			}
		}
	})
}

func TestANewcomerGetsTheWholeStateOfASiteThatWasAlone(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		first := w.open(t, dir, 1)
		furnish(t, first)
		propose(t, first, command.MessagePost, message("before anybody came"))
		if err := first.TakeSnapshot(); err != nil { // a mark, and the log is cut: the newcomer cannot get it from there
			t.Fatal(err)
		}
		nodes := []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[2]) == 3 })
		for _, n := range nodes {
			if got := count(t, n, true, "before anybody came"); got != 1 {
				t.Errorf("%s has it %d times", n.Status().NodeID, got)
			}
		}
		// Who was removed votes no longer, and the two that are left do not both vote.
		propose(t, nodes[1], command.NodeWish, state.NodeWishChange{Node: "node-3", Wish: state.WishRemove})
		eventually(t, "node-3 to be out", func() bool {
			all, _ := nodes[1].Nodes()
			return len(all) == 3 && all[2].Role == state.NodeRemoved && voters(nodes[1]) == 1
		})
	})
}

func TestWhoChangedNothingFindsWhatWasAcknowledgedBefore(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		_, nodes := inMemory(t, dir)
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[0])
		leader := leading(nodes, nil)
		for round := range 20 {
			sent := message(fmt.Sprint(round))
			id, to := fusion.ID{byte(round + 1)}, sent.To[0]
			cmd, err := leader.Command(command.MessagePost, id, "zhang", sent)
			if err != nil {
				t.Fatal(err)
			}
			if res, err := leader.Propose(t.Context(), cmd); err != nil || res.Err() != nil {
				t.Fatal(res, err)
			}
			propose(t, leader, command.ReceiptAdd, state.ReceiptChange{Message: id, Recipient: to, State: state.Signed})
			for _, n := range nodes {
				if n == leader {
					continue
				}
				propose(t, n, command.ReceiptAdd, state.ReceiptChange{Message: id, Recipient: to, State: state.Read}) // it is signed for already
				err := n.View(func(v *state.View) error {
					r, err := v.Receipt(id, to)
					if err == nil && r.State != state.Signed {
						t.Errorf("round %d: %s says %v", round, n.Status().NodeID, r.State)
					}
					return err
				})
				if err != nil {
					t.Errorf("round %d: %s: %v", round, n.Status().NodeID, err)
				}
			}
		}
	})
}
