package chaos

import (
	"context"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/testbed/linear"
	"github.com/guantong-net/guantong/testbed/peer"
)

// talked is the group that all talk in.
var talked = fusion.GroupTalk(fusion.NewNumber(1, 1))

const (
	answer = 2 * time.Second // that a press waits for the floor
	talks  = 300 * time.Millisecond
)

// seat is one console of a talker.
type seat struct {
	session *sdk.Session
	floor   chan talk.Indication
}

// sit opens a console at the client's own node: who talks stays where it is.
func (c *client) sit(ctx context.Context) (*seat, error) {
	n := c.r.s.Nodes[c.number%len(c.r.s.Nodes)]
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	api := sdk.New("https://"+n.HTTP, sdk.Options{TLS: peer.Pinned(n.Trust)})
	api.SetToken(n.Admin().Token())
	s := &seat{floor: make(chan talk.Indication, 256)}
	var err error
	s.session, err = api.Open(ctx, -1, sdk.Handler{Floor: func(i talk.Indication) {
		select {
		case s.floor <- i:
		default: // a talker that is behind by so much loses its press
		}
	}})
	if err != nil {
		return nil, err
	}
	if _, err := s.session.Join(ctx, talked, false); err != nil {
		_ = s.session.Close() // why it could not join is the error
		return nil, err
	}
	return s, nil
}

// talk presses, talks for a moment when it is granted, and releases.
func (r *run) talk() func(context.Context, *client) {
	return func(ctx context.Context, c *client) {
		if c.seat == nil {
			var err error
			if c.seat, err = c.sit(ctx); err != nil {
				_ = pause(ctx, time.Second/2)
				return
			}
		}
		if !c.press(ctx) || ctx.Err() != nil {
			_ = c.seat.session.Close() // broken, or the end
			c.seat = nil
		}
	}
}

// press holds the floor once; false when the session is over.
func (c *client) press(ctx context.Context) bool {
	request := c.id()
	granted := c.r.floor.Take(c.number, talked.String(), request.String())
	ask, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	if _, err := c.seat.session.Press(ask, sdk.Press{Talks: []fusion.Talk{talked}, Request: request}); err != nil {
		return false
	}
	for {
		select {
		case i := <-c.seat.floor:
			switch {
			case i.Request == request && i.Kind == talk.Granted:
				return c.granted(ctx, granted)
			case i.Request == request && i.Kind == talk.Denied:
				return true
			}
		case <-c.seat.session.Done():
			return false
		case <-ask.Done():
			// It may be granted just now: the session ends, and with it what it was given, without having been held.
			return false
		}
	}
}

// granted keeps the floor for a moment. What a node says that is, or just was, cut off or stopped is counted apart: it may be an island's. When that
// happens while the floor is held, nobody but the site knows how long it was.
func (c *client) granted(ctx context.Context, taken func() *linear.Hold) bool {
	node, begun := c.number%len(c.r.s.Nodes), time.Now()
	if c.r.harm.since(node, begun) {
		c.r.count(&c.r.apart)
		_ = pause(ctx, talks)
		return c.release(ctx)
	}
	c.r.count(&c.r.grants)
	hold := taken()
	over := time.NewTimer(time.Duration(c.rand.Int64N(int64(2 * talks))))
	defer over.Stop()
	for {
		select {
		case i := <-c.seat.floor:
			if i.Kind == talk.Revoked {
				hold.Ended()
				return true
			}
			continue
		case <-c.seat.session.Done():
			hold.Lost()
			return false
		case <-ctx.Done():
		case <-over.C:
		}
		if c.r.harm.since(node, begun) {
			hold.Lost()
			return c.release(ctx)
		}
		hold.Releasing()
		if !c.release(context.WithoutCancel(ctx)) {
			hold.Lost()
			return false
		}
		hold.Ended()
		return true
	}
}

func (c *client) release(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	return c.seat.session.Release(ctx, talked) == nil
}

func (r *run) count(n *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
}
