package cluster

import (
	"context"
	"sync"

	"github.com/guantong-net/guantong/fusion/state"
)

// recent is how many of the last events are kept in memory at least, and half as many as at most, for those who watch; who
// is slower reads the store.
const recent = 1024

// board is where the newest events are posted.
type board struct {
	mu      sync.Mutex
	ring    []state.Event // the last ones, dense, oldest first
	last    uint64
	changed chan struct{} // closed and replaced at each post
}

func newBoard(last uint64) *board { return &board{last: last, changed: make(chan struct{})} }

func (b *board) post(events []state.Event) {
	if len(events) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ring = append(b.ring, events...)
	if len(b.ring) > 2*recent {
		kept := copy(b.ring, b.ring[len(b.ring)-recent:])
		clear(b.ring[kept:])
		b.ring = b.ring[:kept]
	}
	b.last = events[len(events)-1].Seq
	close(b.changed)
	b.changed = make(chan struct{})
}

// reset forgets what was posted: the state was replaced.
func (b *board) reset(last uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ring, b.last = nil, last
	close(b.changed)
	b.changed = make(chan struct{})
}

// since gives the posted events after a sequence number. None and behind: they are in the store only. None and not
// behind: there are none yet, and changed will tell.
func (b *board) since(after uint64, limit int) (events []state.Event, behind bool, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if after == b.last {
		return nil, false, b.changed
	}
	if len(b.ring) == 0 || after+1 < b.ring[0].Seq || after > b.last {
		return nil, true, nil
	}
	rest := b.ring[after+1-b.ring[0].Seq:]
	return append([]state.Event(nil), rest[:min(limit, len(rest))]...), false, nil
}

// Watch reads the site's events without gap or repeat. It serves one goroutine and needs no closing.
type Watch struct {
	node  *Node
	after uint64
}

// watchBatch is how many events one Next gives at most.
const watchBatch = 256

// Watch begins after an event's sequence number: 0 for all that are kept.
func (n *Node) Watch(after uint64) *Watch { return &Watch{node: n, after: after} }

// Next gives the next events, at least one, waiting for them when there are none. The events are shared: they are not to be
// changed. Errors: events_trimmed (Conflict) when some that should come are forgotten: start over from a View;
// events_ahead when the sequence number is none of this site's; ctx's error; the node's when it stops.
func (w *Watch) Next(ctx context.Context) ([]state.Event, error) {
	for {
		events, behind, changed := w.node.events.since(w.after, watchBatch)
		if behind {
			var err error
			if events, err = w.fromStore(); err != nil {
				return nil, err
			}
		}
		if len(events) > 0 {
			w.after = events[len(events)-1].Seq
			return events, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.node.done:
			return nil, ErrClosed
		}
	}
}

func (w *Watch) fromStore() (events []state.Event, err error) {
	err = w.node.View(func(v *state.View) error {
		events, err = v.Events(w.after, watchBatch)
		return err
	})
	return events, err
}

// After is the sequence number of the last event that Next gave.
func (w *Watch) After() uint64 { return w.after }
