package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/forward"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// Peers asks other nodes of the site. Its errors are CutOff no_leader when the request was certainly not carried out, and
// CutOff outcome_unknown when it may have been.
type Peers interface {
	Propose(ctx context.Context, node, address string, cmd []byte) (state.Result, error)
	Index(ctx context.Context, node, address string) (uint64, error)
	Progress(ctx context.Context, node, address string) (forward.Progress, error)
}

// retryEvery is how long a proposal waits before it looks for the leader again, when no change of leader wakes it earlier.
const retryEvery = 25 * time.Millisecond

// turn is the time of one leader: its context ends with the next change.
type turn struct {
	mu  sync.Mutex
	ctx context.Context
	end context.CancelFunc
}

func (t *turn) next() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end != nil {
		t.end()
	}
	t.ctx, t.end = context.WithCancel(context.Background())
}

func (t *turn) now() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ctx
}

// followLeaders begins a new turn with every change of leader that Raft observes.
func (n *Node) followLeaders() {
	seen := make(chan raft.Observation, 16)
	o := raft.NewObserver(seen, false, func(o *raft.Observation) bool {
		_, is := o.Data.(raft.LeaderObservation)
		return is
	})
	n.raft.RegisterObserver(o)
	go func() {
		for {
			select {
			case <-seen:
				n.turn.next()
			case <-n.done:
				n.raft.DeregisterObserver(o)
				return
			}
		}
	}()
}

// route brings an encoded command to the leader, wherever it is, and holds it while there is none. To ask again is safe: the
// request ID makes it apply once.
func (n *Node) route(ctx context.Context, data []byte, hold time.Duration) (res state.Result, err error) {
	here := false
	err = n.withLeader(ctx, hold, func(ctx context.Context, id, address string) error {
		if here = id == n.cfg.NodeID; here {
			res, err = n.apply(ctx, data)
		} else {
			res, err = n.cfg.Peers.Propose(ctx, id, address, data)
		}
		return err
	})
	switch {
	case err != nil || here:
	case res.Seq > 0 && !n.events.reach(ctx, res.Seq, ownLimit), res.Seq == 0 && res.Reason == "" && !n.catchUpWithLeader(ctx):
		err = fusion.E(fusion.Busy, "behind", "it is committed, but this node does not have it yet: ask again under the same request ID")
	}
	return res, err
}

// catchUpWithLeader waits, for as long as ownLimit, until this node has what the leader has now: a command that changed nothing names no event, and
// what made it change nothing may not have come here yet.
func (n *Node) catchUpWithLeader(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, ownLimit)
	defer cancel()
	index, err := n.current(ctx)
	return err == nil && n.fsm.reach(ctx, index) == nil
}

// ownLimit is how long who proposed by this node waits until this node has it too. A node that is further behind does not answer: what it would
// show is from before.
const ownLimit = 2 * time.Second

// reach waits until an event was posted: who has changed something finds it here afterwards.
func (b *board) reach(ctx context.Context, seq uint64, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		b.mu.Lock()
		last, changed := b.last, b.changed
		b.mu.Unlock()
		if last >= seq {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// withLeader calls ask for the leader until it gives an answer, for as long as hold.
func (n *Node) withLeader(ctx context.Context, hold time.Duration, ask func(ctx context.Context, id, address string) error) error {
	held, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	unknown := false
	for {
		turn := n.turn.now()
		err := n.askLeader(held, turn, ask)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("propose: %w", ctx.Err())
		case n.serving() != nil:
			return n.serving()
		}
		unknown = unknown || errors.Is(err, errUnknown) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		if !again(err, unknown) {
			return err
		}
		timer := time.NewTimer(retryEvery)
		select {
		case <-timer.C:
		case <-turn.Done():
		case <-held.Done():
		}
		timer.Stop()
		if held.Err() != nil {
			return gaveUp(ctx, unknown, err)
		}
	}
}

func gaveUp(ctx context.Context, unknown bool, last error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("propose: %w", ctx.Err())
	case unknown:
		return fusion.E(fusion.CutOff, "outcome_unknown", "no leader answers: %v", last)
	}
	return fusion.E(fusion.CutOff, "no_leader", "no leader answers: %v", last)
}

var (
	errUnknown  = &fusion.Error{Fault: fusion.CutOff, Reason: "outcome_unknown"}
	errNoLeader = &fusion.Error{Fault: fusion.CutOff, Reason: "no_leader"}
)

// again tells whether a later attempt may end otherwise. While an earlier attempt may have been carried out, a refusal to
// take the command in is no answer.
func again(err error, unknown bool) bool {
	switch fusion.FaultOf(err) {
	case fusion.CutOff, fusion.Broken:
		return true
	case fusion.Busy, fusion.Full:
		return unknown
	}
	return false
}

// askLeader makes one attempt. It ends with the leader's turn: one that is gone without a word answers nobody.
func (n *Node) askLeader(ctx, turn context.Context, ask func(ctx context.Context, id, address string) error) error {
	address, id := n.raft.LeaderWithID()
	if id == "" {
		return errNoLeader
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if string(id) != n.cfg.NodeID { // what is in our own queue is answered when we lose the lead
		stop := context.AfterFunc(turn, cancel)
		defer stop()
	}
	_, at := addressOf(address)
	return ask(ctx, string(id), at)
}

// Index confirms that this node leads, and tells up to which index a state must be applied to hold everything that was
// acknowledged to anybody before the call. CutOff no_leader: ask another node.
func (n *Node) Index(context.Context) (uint64, error) {
	term := n.raft.CurrentTerm()
	if !n.Leads() {
		return 0, errNoLeader
	}
	if n.barriered.Load() != term {
		// What an earlier leader acknowledged is in our log, but not surely in our state.
		if err := n.raft.Barrier(enqueueTimeout).Error(); err != nil {
			return 0, n.fault(err)
		}
		n.barriered.Store(term)
	}
	index := n.fsm.Applied()
	if err := n.raft.VerifyLeader().Error(); err != nil {
		return 0, n.fault(err)
	}
	if n.raft.CurrentTerm() != term {
		return 0, errNoLeader
	}
	return index, nil
}

// current asks the leader up to which index a state must be applied to be current.
func (n *Node) current(ctx context.Context) (index uint64, err error) {
	err = n.withLeader(ctx, n.cfg.Hold, func(ctx context.Context, id, address string) error {
		if id == n.cfg.NodeID || n.cfg.Peers == nil {
			index, err = n.Index(ctx)
		} else {
			index, err = n.cfg.Peers.Index(ctx, id, address)
		}
		return err
	})
	return index, err
}

// ViewCurrent answers queries like View, from a state that holds everything that was acknowledged before the call, by whichever
// node: linearizable. It waits for a leader as Propose does, and needs a quorum.
func (n *Node) ViewCurrent(ctx context.Context, f func(*state.View) error) error {
	index, err := n.current(ctx)
	if err != nil {
		return err
	}
	if err := n.fsm.reach(ctx, index); err != nil {
		return cmp.Or(n.serving(), err)
	}
	return n.View(f)
}

// Age is how long ago this node last heard that what it has is current: 0 on the leader, and how old a View may be on others.
func (n *Node) Age() time.Duration {
	if n.Leads() {
		return 0
	}
	last := n.raft.LastContact()
	if last.IsZero() {
		return n.cfg.Now().Sub(n.started)
	}
	return max(n.cfg.Now().Sub(last), 0)
}

// Progress implements forward.Node.
func (n *Node) Progress() forward.Progress {
	disk := n.raftlog.Latency()
	return forward.Progress{
		Applied: n.fsm.Applied(), Last: n.raft.LastIndex(), Term: n.raft.CurrentTerm(), Knows: n.machine.Version(),
		Fsync: uint64(disk.P99.Microseconds()), Appends: uint64(disk.Samples), Low: n.cfg.Low != nil && n.cfg.Low(),
	}
}
