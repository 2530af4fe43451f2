package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/raftlog"
	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion/state"
)

// ErrNoTransport reports a node of a site of several nodes that was opened without a way to reach them.
var ErrNoTransport = errors.New("cluster: the site has several nodes, and this one was given no way to reach them")

// ErrClosed reports a node that was closed.
var ErrClosed = errors.New("cluster: closed")

// Node is one node of a site. Safe for concurrent use.
type Node struct {
	cfg     Config
	log     *slog.Logger
	guard   *store.Guard
	store   *store.Store
	raftlog *raftlog.Log
	wal     io.Closer
	raft    *raft.Raft
	machine *state.Machine
	fsm     *fsm
	events  *board
	pending chan struct{} // a token for each proposal under way
	started time.Time

	clock     hybrid
	turn      turn
	barriered atomic.Uint64 // the term in which all of earlier terms is known to be applied
	steward   steward
	reign     reign
	outbox    *outbox

	closing sync.Once
	done    chan struct{}
}

// Open opens the node of a directory. At the first start it makes a site of its own with itself as the only voter, unless
// it is told to join. A node that is the only voter leads when Open returns.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open node: %w", err)
	}
	n := &Node{cfg: cfg, log: cfg.Logger, machine: cfg.machineOrNew(), done: make(chan struct{}), started: cfg.Now(),
		pending: make(chan struct{}, cfg.MaxPending), guard: store.NewGuard(cfg.Reserve, cfg.Free, cfg.Now)}
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open node: %w", err), n.Close())
	}
	return n, nil
}

func (n *Node) open(ctx context.Context) error {
	if err := n.openStore(); err != nil || n.cfg.ReadOnly {
		return err
	}
	var err error
	n.raftlog, n.wal, err = raftlog.Open(raftlog.Options{Dir: filepath.Join(n.cfg.Dir, "log"), Deadline: n.cfg.WriteDeadline,
		Key: n.cfg.Key, Logger: newHCLog(n.log), Under: n.cfg.underLog})
	if err != nil {
		return err
	}
	if n.hasOutbox() {
		if err := n.openOutbox(); err != nil {
			return err
		}
	}
	alone, err := n.openRaft()
	if err != nil || !alone {
		return err
	}
	return n.lead(ctx)
}

func (n *Node) openStore() error {
	var err error
	n.store, err = store.Open(store.Options{Dir: filepath.Join(n.cfg.Dir, "state"), Key: n.cfg.Key, Guard: n.guard, Logger: n.log})
	if err != nil {
		return err
	}
	applied, last, err := readApplied(n.store)
	if err != nil {
		return err
	}
	n.events = newBoard(last)
	if err := n.openClock(); err != nil {
		return err
	}
	n.turn.next()
	n.fsm = &fsm{observe: n.clock.observe, alone: n.alone, machine: n.machine, store: n.store, events: n.events, applied: applied, stopped: make(chan struct{})}
	return n.islandOr(n.fsm.readVersion())
}

// islandOr is nil when an error only says that this program is older than its site: then the node goes on with what it has, as an
// island that applies nothing, until it is upgraded.
func (n *Node) islandOr(err error) error {
	if n.fsm.outdated() {
		return nil
	}
	return err
}

// openRaft starts Raft, and reports whether this node is the only voter.
func (n *Node) openRaft() (alone bool, err error) {
	trans := n.cfg.Transport
	if trans == nil {
		_, trans = raft.NewInmemTransport(raft.ServerAddress(n.cfg.NodeID))
	}
	snaps, err := n.openSnapshots()
	if err != nil {
		return false, err
	}
	if err := errors.Join(n.catchUp(snaps), n.readLog(snaps)); err != nil {
		return false, err
	}
	has, err := raft.HasExistingState(n.raftlog, n.raftlog, snaps)
	if err != nil {
		return false, fmt.Errorf("open raft: %w", err)
	}
	if !has && !n.cfg.Join {
		if err := n.bootstrap(snaps, trans); err != nil {
			return false, err
		}
	}
	voters, others, err := n.voters(snaps, trans)
	if err != nil {
		return false, err
	}
	alone = len(voters) == 1 && voters[0] == raft.ServerID(n.cfg.NodeID)
	if n.cfg.Transport == nil && others {
		return false, ErrNoTransport
	}
	n.raft, err = raft.NewRaft(n.cfg.raft(n.cfg.Transport == nil), n.fsm, n.raftlog, n.raftlog, snaps, trans)
	if err != nil {
		return false, fmt.Errorf("open raft: %w", err)
	}
	n.followLeaders()
	return alone, nil
}

func (n *Node) openSnapshots() (raft.SnapshotStore, error) {
	files, err := raft.NewFileSnapshotStoreWithLogger(n.cfg.Dir, 2, newHCLog(n.log))
	if err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	return snapshots{SnapshotStore: files, key: n.cfg.Key, random: n.cfg.Rand}, nil
}

func (n *Node) bootstrap(snaps raft.SnapshotStore, trans raft.Transport) error {
	only := raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(n.cfg.NodeID), Address: trans.LocalAddr()}}}
	if err := raft.BootstrapCluster(n.cfg.raft(true), n.raftlog, n.raftlog, snaps, trans, only); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return nil
}

// voters reads who votes, and whether there are nodes besides this one, from the log, before Raft runs.
func (n *Node) voters(snaps raft.SnapshotStore, trans raft.Transport) (out []raft.ServerID, others bool, err error) {
	conf, err := raft.GetConfiguration(n.cfg.raft(true), n.fsm, n.raftlog, n.raftlog, snaps, trans)
	if err != nil {
		return nil, false, fmt.Errorf("read configuration: %w", err)
	}
	for _, s := range conf.Servers {
		others = others || s.ID != raft.ServerID(n.cfg.NodeID)
		if s.Suffrage == raft.Voter {
			out = append(out, s.ID)
		}
	}
	return out, others, nil
}

// alone reports whether the site has no other node, and none is about to join.
func (n *Node) alone() bool {
	if n.steward.expecting.Load() {
		return false
	}
	f := n.raft.GetConfiguration()
	return f.Error() == nil && len(f.Configuration().Servers) == 1
}

// lead waits until this node, the only voter, leads and has applied its log.
func (n *Node) lead(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	select {
	case <-n.raft.LeaderCh():
	case <-ctx.Done():
		return fmt.Errorf("lead: %w", ctx.Err())
	case <-n.raftlog.Failed():
		return n.raftlog.Err()
	}
	barrier := n.raft.Barrier(30 * time.Second)
	result := make(chan error, 1)
	go func() { result <- barrier.Error() }()
	select {
	case err := <-result:
		return errors.Join(err, n.islandOr(n.fsm.failed()))
	case <-ctx.Done():
		return fmt.Errorf("lead: %w", ctx.Err())
	}
}

// Run looks after retention, the site's nodes and the outbox until ctx ends, and returns early with an error when the node can no longer serve: its log
// failed, or the state cannot be applied further. The caller closes the node and opens it again, or goes on as an island.
func (n *Node) Run(ctx context.Context) error {
	ticker := time.NewTicker(n.cfg.Retention.Every)
	defer ticker.Stop()
	var minding sync.WaitGroup
	defer minding.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if n.cfg.Peers != nil {
		minding.Go(func() { n.mindNodes(ctx) })
	}
	if n.outbox != nil {
		minding.Go(func() { n.drainOutbox(ctx) })
	}
	stopped := n.fsm.stopped
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.done:
			return nil
		case <-n.raftlog.Failed():
			return n.raftlog.Err()
		case <-stopped:
			if !n.fsm.outdated() {
				return n.fsm.failed()
			}
			n.log.ErrorContext(ctx, "this node goes on as an island until it is upgraded", "error", n.fsm.failed())
			stopped = nil
		case <-ticker.C:
			if err := n.retain(ctx); err != nil {
				n.log.WarnContext(ctx, "retention waits", "error", err)
			}
			if n.cfg.Peers == nil && n.serving() == nil && n.Leads() {
				if err := n.raiseVersion(ctx, nil); err != nil {
					n.log.WarnContext(ctx, "the cluster version stays", "error", err)
				}
			}
		}
	}
}

// Close stops the node orderly: what was accepted is on the disk already.
func (n *Node) Close() error {
	var errs []error
	n.closing.Do(func() {
		if n.cfg.Peers != nil && n.raft != nil && n.serving() == nil {
			_ = n.Handover(context.Background(), "") // the others elect somebody if it fails
		}
		close(n.done)
		if n.raft != nil {
			errs = append(errs, n.raft.Shutdown().Error())
		}
		if n.wal != nil {
			errs = append(errs, n.closeLog())
		}
		if n.outbox != nil {
			errs = append(errs, n.outbox.store.Close())
		}
		if n.store != nil {
			errs = append(errs, n.store.Close())
		}
	})
	return errors.Join(errs...)
}

// closeLog closes the log, and gives up on a disk that hangs: only the end of the process lets go of it then.
func (n *Node) closeLog() error {
	closed := make(chan error, 1)
	go func() { closed <- n.wal.Close() }()
	timer := time.NewTimer(n.cfg.WriteDeadline)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C:
		return fmt.Errorf("close log: %w", raftlog.ErrDeadline)
	}
}

// View answers queries from one consistent state: all that this node has applied. The View is valid within f.
func (n *Node) View(f func(*state.View) error) error {
	return n.store.View(func(tx *store.Tx) error { return f(state.NewView(tx)) })
}

// Guard is the guard of the node's disk, for others who write to it.
func (n *Node) Guard() *store.Guard { return n.guard }
