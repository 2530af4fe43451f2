package sdk

import (
	"context"
	"errors"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Events calls f with every durable event after a sequence number, in order, each once, and comes back by itself when the
// connection breaks. It returns when ctx ends, when f returns an error (which it gives back), when the session is no longer valid, or
// when events that should come are forgotten (Conflict, events_trimmed): then the caller starts over from the lists.
// After -1 begins with what comes from now on.
func (c *Client) Events(ctx context.Context, after int64, f func(Event) error) error {
	pause := 100 * time.Millisecond
	for {
		node := c.here()
		last, err := c.follow(ctx, after, f)
		if last > after {
			pause = 100 * time.Millisecond
		}
		after = last
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if unanswered(err) {
			c.leave(node)
		}
		var own stopped
		if errors.As(err, &own) {
			return own.error
		}
		if fault := fusion.FaultOf(err); fault != fusion.CutOff && fault != fusion.Busy || fusion.ReasonOf(err) == "revoked" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// follow reads events by one connection until it breaks, and gives how far it came.
func (c *Client) follow(ctx context.Context, after int64, f func(Event) error) (last int64, err error) {
	events := make(chan Event)
	over := make(chan struct{})
	defer close(over)
	s, err := c.Open(ctx, after, Handler{Event: func(e Event) {
		select {
		case events <- e:
		case <-over:
		}
	}})
	if err != nil {
		return after, err
	}
	defer func() { go func() { _ = s.Close() }() }()
	if after < 0 {
		after = int64(s.Welcome.Seq)
	}
	for {
		select {
		case e := <-events:
			if int64(e.Seq) <= after {
				continue
			}
			if err := f(e); err != nil {
				return after, stopped{err}
			}
			after = int64(e.Seq)
		case <-s.Done():
			return after, s.Err()
		case <-ctx.Done():
			return after, ctx.Err()
		}
	}
}

// stopped is the caller's own error, whatever fault it has.
type stopped struct{ error }

func (s stopped) Unwrap() error { return s.error }
