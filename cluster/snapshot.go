package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion/state"
)

// A snapshot begins with one line that says what follows. The state is on the disk by itself, so a node that is alone
// keeps a mark only: writing the whole state again every few thousand commands would wear out a vehicle's flash.
const (
	markOnly   = "guantong snapshot mark 1\n"
	wholeState = "guantong snapshot state 1\n"
)

// Snapshot implements raft.FSM: O(1), a read timestamp.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.failed(); err != nil {
		return nil, err
	}
	return &snapshot{store: f.store, reading: f.store.Snapshot(), alone: f.alone()}, nil
}

// Restore implements raft.FSM: the leader sent the whole state.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	in := bufio.NewReader(r)
	head, err := in.ReadString('\n')
	if err != nil || head != wholeState {
		// Nothing was touched: the state stays as it was, and the leader sends another snapshot.
		return errors.Join(errNoState, err)
	}
	if err := f.store.Load(in); err != nil {
		return f.stop(err)
	}
	applied, last, err := readApplied(f.store)
	if err != nil {
		return f.stop(err)
	}
	if err := f.store.View(func(tx *store.Tx) error {
		high, err := state.NewView(tx).LastHLC()
		f.observe(high)
		return err
	}); err != nil {
		return f.stop(err)
	}
	f.mu.Lock()
	f.applied = applied
	f.moved()
	f.mu.Unlock()
	f.events.reset(last)
	return f.readVersion()
}

// snapshot is what raft keeps of the state as of one moment.
type snapshot struct {
	store   *store.Store
	reading *store.Reading
	alone   bool
}

// Persist implements raft.FSMSnapshot. Raft cuts its log when it returns, so what the log held must be on the disk by then.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	if ours, ok := sink.(*snapSink); ok {
		ours.own = true
	}
	if err := s.write(sink); err != nil {
		return errors.Join(fmt.Errorf("snapshot: %w", err), sink.Cancel())
	}
	return sink.Close()
}

func (s *snapshot) write(sink io.Writer) error {
	if err := s.store.Sync(); err != nil {
		return err
	}
	if s.alone {
		_, err := io.WriteString(sink, markOnly)
		return err
	}
	if _, err := io.WriteString(sink, wholeState); err != nil {
		return err
	}
	return s.reading.Save(sink)
}

// Release implements raft.FSMSnapshot.
func (s *snapshot) Release() { s.reading.Close() }

// catchUp brings the state up to the latest snapshot before Raft starts, because Raft replays the log only from there.
// The state was synced when that snapshot was made, so there is nothing to do unless the state was lost or put back by
// hand; then the log's tail, or a snapshot that holds the whole state, mends it, and nothing else may.
func (n *Node) catchUp(snaps raft.SnapshotStore) error {
	list, err := snaps.List()
	if err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	if err := n.checkLog(list); err != nil || len(list) == 0 {
		return err
	}
	from, to := n.fsm.Applied()+1, list[0].Index
	if from > to {
		return nil
	}
	first, err := n.raftlog.FirstIndex()
	if err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	if first != 0 && from >= first {
		return n.replay(from, to)
	}
	_, body, err := snaps.Open(list[0].ID)
	if err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	n.log.Warn("the state is older than the log; restoring it from the snapshot", "index", to, "applied", from-1)
	return n.fsm.Restore(body)
}

// checkLog refuses a log that lost what the state has: new entries would take the places of lost ones, and be taken for
// applied. Only a disk that lies about fsync, or a log put back by hand, comes to this.
func (n *Node) checkLog(snapshots []*raft.SnapshotMeta) error {
	last, err := n.raftlog.LastIndex()
	if err != nil {
		return fmt.Errorf("check log: %w", err)
	}
	if len(snapshots) > 0 {
		last = max(last, snapshots[0].Index)
	}
	if applied := n.fsm.Applied(); applied > last {
		return fmt.Errorf("%w: the log ends at %d, the state holds %d", store.ErrDamaged, last, applied)
	}
	return nil
}

// readLog reads all that Raft will read of the log when it starts: what it cannot read it panics of.
func (n *Node) readLog(snaps raft.SnapshotStore) error {
	from, err1 := n.raftlog.FirstIndex()
	last, err2 := n.raftlog.LastIndex()
	list, err3 := snaps.List()
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("check log: %w", err)
	}
	if len(list) > 0 {
		from = max(from, list[0].Index+1)
	}
	for i := from; i != 0 && i <= last; i++ {
		var entry raft.Log
		if err := n.raftlog.GetLog(i, &entry); err != nil {
			return fmt.Errorf("%w: log entry %d: %w", store.ErrDamaged, i, err)
		}
	}
	return nil
}

func (n *Node) replay(from, to uint64) error {
	for i := from; i <= to; i++ {
		var entry raft.Log
		if err := n.raftlog.GetLog(i, &entry); err != nil {
			return fmt.Errorf("catch up at %d: %w", i, err)
		}
		if entry.Type != raft.LogCommand {
			continue
		}
		if err, failed := n.fsm.Apply(&entry).(error); failed {
			return fmt.Errorf("catch up at %d: %w", i, err)
		}
	}
	return nil
}
