package api

import (
	"sync"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// feedBatch is how many events are sent before urgent messages get their turn again.
const feedBatch = 64

// eventFeed is one client's place in the durable events. Nothing is queued: events are read again from where the client is.
type eventFeed struct {
	wake    chan struct{}
	mu      sync.Mutex
	after   uint64
	started bool
}

func newEventFeed() *eventFeed { return &eventFeed{wake: make(chan struct{}, 1)} }

// poke tells that there may be events.
func (f *eventFeed) poke() {
	f.mu.Lock()
	started := f.started
	f.mu.Unlock()
	if !started {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *eventFeed) begin(after uint64) {
	f.mu.Lock()
	f.after, f.started = after, true
	f.mu.Unlock()
	f.poke()
}

func (f *eventFeed) begun() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started
}

// next gives the messages of the next events that the client may see, and moves its place behind them. More says that there may be further
// ones. Only the connection's writer calls it.
func (f *eventFeed) next(s *Server, st *sight) (frames [][]byte, more bool, err error) {
	f.mu.Lock()
	after := f.after
	f.mu.Unlock()
	list, ok := s.hub.after(after, feedBatch)
	err = s.d.Record.View(func(v *state.View) error {
		if !ok {
			if list, err = fromRecord(v, after); err != nil {
				return err
			}
		}
		for _, e := range list {
			seen, err := st.event(v, e.Event)
			if err != nil {
				return err
			}
			if after = e.Seq; seen && e.frame != nil {
				frames = append(frames, e.frame)
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	f.mu.Lock()
	f.after = after
	f.mu.Unlock()
	return frames, len(list) == feedBatch, nil
}

// fromRecord reads events that are no longer at hand. A place ahead of the record has nothing yet.
func fromRecord(v *state.View, after uint64) ([]encoded, error) {
	events, err := v.Events(after, feedBatch)
	if fusion.ReasonOf(err) == "events_ahead" {
		return nil, nil // hello has let it in: this node is behind
	}
	if err != nil {
		return nil, err
	}
	list := make([]encoded, 0, len(events))
	for _, e := range events {
		frame := frameOf(e)
		if frame == nil {
			return nil, fusion.E(fusion.Broken, "internal", "event %d cannot be encoded", e.Seq)
		}
		list = append(list, encoded{Event: e, frame: frame})
	}
	return list, nil
}
