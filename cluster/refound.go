package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/raftlog"
	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// Point is a place in the site's log.
type Point struct{ Index, Term uint64 }

// Refound makes the node of a directory, which nobody serves meanwhile, the only voter of its site, with all that its log holds:
// also what may never have had a quorum, since nobody is left who could tell, and what was proposed is wanted. It gives the recovery point:
// the last entry that it has. It may be repeated, whatever it died of. Begin then makes the new incarnation.
func Refound(ctx context.Context, cfg Config) (Point, error) {
	n, closeAll, err := openStill(cfg)
	if err != nil {
		return Point{}, fmt.Errorf("refound: %w", err)
	}
	p, err := n.refound(ctx)
	if err := errors.Join(err, closeAll()); err != nil {
		return Point{}, fmt.Errorf("refound: %w", err)
	}
	return p, nil
}

// openStill opens the parts of a node without Raft.
func openStill(cfg Config) (*Node, func() error, error) {
	if err := cfg.defaults(); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, nil, err
	}
	n := &Node{cfg: cfg, log: cfg.Logger, machine: cfg.machineOrNew(), done: make(chan struct{}), started: cfg.Now(),
		guard: store.NewGuard(cfg.Reserve, cfg.Free, cfg.Now)}
	if err := n.openStore(); err != nil {
		if n.store != nil {
			err = errors.Join(err, n.store.Close())
		}
		return nil, nil, err
	}
	var err error
	n.raftlog, n.wal, err = raftlog.Open(raftlog.Options{Dir: filepath.Join(cfg.Dir, "log"), Deadline: cfg.WriteDeadline, Key: cfg.Key, Logger: newHCLog(n.log), Under: cfg.underLog})
	if err != nil {
		return nil, nil, errors.Join(err, n.store.Close())
	}
	return n, func() error { return errors.Join(n.wal.Close(), n.store.Close()) }, nil
}

func (n *Node) refound(ctx context.Context) (Point, error) {
	snaps, err := n.openSnapshots()
	if err != nil {
		return Point{}, err
	}
	if err := n.catchUp(snaps); err != nil {
		return Point{}, err
	}
	end, err := n.end(snaps)
	if err != nil {
		return Point{}, err
	}
	if end.Index == 0 {
		return Point{}, errors.New("there is no site in the directory")
	}
	if err := n.replayTo(ctx, end.Index); err != nil {
		return Point{}, err
	}
	return end, n.cutTo(snaps, end)
}

// end is the last entry of the log, or of the snapshot when the log is empty.
func (n *Node) end(snaps raft.SnapshotStore) (p Point, err error) {
	list, err := snaps.List()
	if err != nil {
		return p, err
	}
	if len(list) > 0 {
		p = Point{list[0].Index, list[0].Term}
	}
	last, err := n.raftlog.LastIndex()
	if err != nil || last <= p.Index {
		return p, err
	}
	var entry raft.Log
	err = n.raftlog.GetLog(last, &entry)
	return Point{last, entry.Term}, err
}

// replayTo applies what the log holds and the state does not.
func (n *Node) replayTo(ctx context.Context, last uint64) error {
	for i := n.fsm.Applied() + 1; i <= last; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := n.replay(i, i); err != nil {
			return err
		}
	}
	return n.store.Update(func(tx *store.Tx) error { // entries that are no commands count too
		return tx.SetMetaUint(metaApplied, last)
	})
}

// cutTo makes the state, which holds all up to a point, the beginning of a log whose only voter is this node. The snapshot comes first:
// from there on Raft looks at no configuration from before.
func (n *Node) cutTo(snaps raft.SnapshotStore, p Point) error {
	if err := n.store.Sync(); err != nil {
		return err
	}
	_, trans := raft.NewInmemTransport(raft.ServerAddress(n.cfg.NodeID))
	only := raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(n.cfg.NodeID), Address: trans.LocalAddr()}}}
	sink, err := snaps.Create(raft.SnapshotVersionMax, p.Index, p.Term, only, 1, trans)
	if err != nil {
		return err
	}
	if err := (&snapshot{store: n.store, alone: true}).Persist(sink); err != nil {
		return err
	}
	term, err := n.raftlog.GetUint64(stableTerm)
	if err != nil {
		return err
	}
	if term < p.Term {
		if err := n.raftlog.SetUint64(stableTerm, p.Term); err != nil {
			return err
		}
	}
	first, err := n.raftlog.FirstIndex()
	if err != nil || first == 0 {
		return err
	}
	last, err := n.raftlog.LastIndex()
	if err != nil {
		return err
	}
	return n.raftlog.DeleteRange(first, last)
}

// stableTerm is where Raft keeps its term.
var stableTerm = []byte("CurrentTerm")

// Seed puts a saved state (Reading.Save) into an empty directory and makes its node the only voter of the site, at the point at which
// the state was saved. A state that is not whole is refused before anything is written.
func Seed(cfg Config, at Point, open func() (io.ReadCloser, error)) error {
	if err := eachOf(open, store.Check); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	n, closeAll, err := openStill(cfg)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	err = eachOf(open, n.store.Load)
	if err == nil {
		err = n.seeded(at)
	}
	if err := errors.Join(err, closeAll()); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}

func eachOf(open func() (io.ReadCloser, error), f func(io.Reader) error) error {
	r, err := open()
	if err != nil {
		return err
	}
	return errors.Join(f(r), r.Close())
}

func (n *Node) seeded(at Point) error {
	applied, _, err := readApplied(n.store)
	if err != nil {
		return err
	}
	if applied > at.Index {
		return fmt.Errorf("%w: it holds entry %d and is said to end at %d", store.ErrDamaged, applied, at.Index)
	}
	snaps, err := n.openSnapshots()
	if err != nil {
		return err
	}
	return n.cutTo(snaps, at)
}

// Begin makes the new incarnation of a node that was refounded or seeded, as its only voter. It is applied once per request ID, so that
// it may be repeated.
func (n *Node) Begin(ctx context.Context, id fusion.ID, r state.Recovery) error {
	cmd, err := n.Command(command.SiteRecover, id, "operator", r)
	if err != nil {
		return err
	}
	cmd.From = n.cfg.NodeID
	res, err := n.Propose(ctx, cmd)
	if err != nil {
		return err
	}
	return res.Err()
}

// SeedOutbox puts a saved outbox into the directory of a node that is not open.
func SeedOutbox(cfg Config, open func() (io.ReadCloser, error)) error {
	if err := errors.Join(cfg.defaults(), eachOf(open, store.Check)); err != nil {
		return fmt.Errorf("seed outbox: %w", err)
	}
	s, err := store.Open(store.Options{Dir: filepath.Join(cfg.Dir, outboxDir), Key: cfg.Key, SyncWrites: true, Logger: cfg.Logger})
	if err != nil {
		return fmt.Errorf("seed outbox: %w", err)
	}
	if err := errors.Join(eachOf(open, s.Load), s.Close()); err != nil {
		return fmt.Errorf("seed outbox: %w", err)
	}
	return nil
}
