package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// metaApplied names the last applied index beside the state.
const metaApplied = "applied"

// fsm applies the committed log to the state. When it cannot go on it stops for good: what it cannot apply it does not
// skip. Raft calls it from one goroutine.
type fsm struct {
	machine *state.Machine
	store   *store.Store
	events  *board
	observe func(stamp uint64)
	alone   func() bool   // whether no other node could need a snapshot
	version atomic.Uint32 // of the cluster: what may be proposed

	mu      sync.Mutex
	applied uint64
	err     error
	stopped chan struct{}
	waiting chan struct{} // closed when applied moves; nil while nobody waits
}

var errStopped = errors.New("cluster: the state is not applied any further")

// ApplyBatch implements raft.BatchingFSM. What it gives for each entry is a state.Result or an error.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	out := make([]any, len(logs))
	f.applyRange(logs, out)
	return out
}

// Apply implements raft.FSM.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// applyRange applies entries in one transaction, or, when they are too much for one, in two halves.
func (f *fsm) applyRange(logs []*raft.Log, out []any) {
	if err := f.failed(); err != nil {
		fill(out, err)
		return
	}
	err := f.transact(logs, out)
	if len(logs) > 1 && (errors.Is(err, store.ErrTooBig) || errors.Is(err, state.ErrUnknownCommand)) { // all before the unknown one is applied
		half := len(logs) / 2
		f.applyRange(logs[:half], out[:half])
		f.applyRange(logs[half:], out[half:])
		return
	}
	if err != nil {
		fill(out, f.stop(err))
	}
}

func fill(out []any, err error) {
	for i := range out {
		out[i] = err
	}
}

func (f *fsm) transact(logs []*raft.Log, out []any) error {
	var events []state.Event
	raised := false
	last := logs[len(logs)-1].Index
	if last <= f.Applied() {
		return nil // replayed at start-up: the state has it
	}
	err := f.store.Update(func(tx *store.Tx) error {
		events = events[:0]
		for i, l := range logs {
			if l.Type != raft.LogCommand || l.Index <= f.Applied() {
				continue
			}
			res, made, err := f.applyOne(tx, l)
			if err != nil {
				return err
			}
			out[i] = res.Result
			events = append(events, made...)
			raised = raised || res.raised
		}
		return tx.SetMetaUint(metaApplied, last)
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.applied = last
	f.moved()
	f.mu.Unlock()
	f.events.post(events)
	if raised {
		return f.readVersion()
	}
	return nil
}

// applied is what became of an entry.
type applied struct {
	state.Result
	raised bool // the cluster's version
}

func (f *fsm) applyOne(tx *store.Tx, l *raft.Log) (applied, []state.Event, error) {
	cmd, err := command.Decode(l.Data)
	if errors.Is(err, command.ErrVersion) || errors.Is(err, command.ErrUnknownField) {
		err = fmt.Errorf("%w: %w", state.ErrUnknownCommand, err)
	}
	if err != nil {
		return applied{}, nil, fmt.Errorf("log entry %d: %w", l.Index, err)
	}
	f.observe(cmd.HLC)
	res, events, err := f.machine.Apply(tx, cmd, l.Index)
	return applied{res, cmd.Type == command.VersionRaise}, events, err
}

// readVersion reads the cluster's version from the state. When it is later than this program's nothing is applied any further.
func (f *fsm) readVersion() error {
	var version uint32
	err := f.store.View(func(tx *store.Tx) (err error) {
		version, err = state.NewView(tx).ClusterVersion()
		return err
	})
	if err != nil {
		return err
	}
	f.version.Store(version)
	if version > f.machine.Version() {
		return f.stop(fmt.Errorf("%w: the site is at cluster version %d, this program knows %d", state.ErrUnknownCommand, version, f.machine.Version()))
	}
	return nil
}

// outdated tells whether it has stopped because the site is of a later version than this program.
func (f *fsm) outdated() bool { return errors.Is(f.failed(), state.ErrUnknownCommand) }

// Applied is the index of the last entry that is in the state.
func (f *fsm) Applied() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied
}

// moved wakes who waits for applied. The caller holds mu.
func (f *fsm) moved() {
	if f.waiting != nil {
		close(f.waiting)
		f.waiting = nil
	}
}

// reach waits until an index is applied.
func (f *fsm) reach(ctx context.Context, index uint64) error {
	for {
		f.mu.Lock()
		applied, err := f.applied, f.err
		if f.waiting == nil {
			f.waiting = make(chan struct{})
		}
		wait := f.waiting
		f.mu.Unlock()
		if err != nil || applied >= index {
			return err
		}
		select {
		case <-wait:
		case <-f.stopped:
		case <-ctx.Done():
			return fmt.Errorf("catch up to %d: %w", index, ctx.Err())
		}
	}
}

func (f *fsm) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// stop ends application, with the cause.
func (f *fsm) stop(cause error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = fmt.Errorf("%w: %w", errStopped, cause)
		close(f.stopped)
	}
	return f.err
}

// readApplied reads the last applied index and the last event of a store.
func readApplied(s *store.Store) (applied, last uint64, err error) {
	err = s.View(func(tx *store.Tx) error {
		if applied, err = tx.MetaUint(metaApplied); err != nil {
			return err
		}
		last, err = state.NewView(tx).LastEvent()
		return err
	})
	return applied, last, err
}
