package telephone

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// call is one telephone call: a desk.Line. No goroutine belongs to it once it is set up but those that read its sockets.
type call struct {
	s       *Server
	id      fusion.ID
	caller  desk.Caller
	account Account // of the extension, zero for a trunk's call
	trunk   *trunk
	m       *media
	secure  bool // over TLS

	invite     *sip.Request          // what called us; nil on an outgoing call
	tx         sip.ServerTransaction // of invite
	offer      description
	offered    bool               // invite carried an offer
	cancel     context.CancelFunc // of an outgoing call that rings
	rings      context.Context    // of an outgoing call: until it is taken, or given up
	settled    chan struct{}      // closed when invite has its final answer and its ACK, or the call has ended
	acked      chan struct{}      // closed by the ACK
	heardSIP   atomic.Int64       // Unix ns
	pinging    atomic.Bool
	misses     atomic.Int32
	reported   atomic.Int64  // Unix ns of the last RTCP report of ours
	muteStream atomic.Bool   // a signal plays: the stream waits
	changing   atomic.Bool   // a re-INVITE or UPDATE is under way
	reack      atomic.Uint32 // CSeq of the last ACK

	speech speech // of the goroutine that reads the socket

	mu       sync.Mutex
	state    callState
	d        *dialog
	params   codec.Params
	early    bool
	held     bool
	seat     talk.Seat
	full     bool
	keys     keys
	player   *player
	timer    sessionTimer
	sdpVers  uint64
	transfer *transfer
	events   bool // the far end sends keys as telephone-events
}

type callState int

const (
	ringing callState = iota
	up
	ended
)

var _ desk.Line = (*call)(nil)

// errGone says that the far end has gone.
var errGone = fusion.E(fusion.Conflict, "caller_gone", "")

func (s *Server) newCall(acc Account, t *trunk) (*call, error) {
	m, err := newMedia(s.ports, &s.counters, s.now, s.random)
	if err != nil {
		return nil, err
	}
	return &call{
		s: s, id: s.newID(), account: acc, trunk: t, m: m, settled: make(chan struct{}), acked: make(chan struct{}),
		cancel: func() {},
	}, nil
}

// ID implements desk.Line.
func (c *call) ID() fusion.ID { return c.id }

// Caller implements desk.Line.
func (c *call) Caller() desk.Caller { return c.caller }

// Unit implements talk.Leg.
func (c *call) Unit() fusion.Number { return c.account.Unit }

// Outlet implements voice.Sink.
func (c *call) Outlet() voice.Outlet { return c.s.outlet }

// Format implements voice.Sink. It is settled when the call is answered.
func (c *call) Format() codec.Params {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.params
}

// SingleStream implements voice.Sink.
func (c *call) SingleStream() bool { return true }

// Begin implements voice.Sink. What was played for want of speech stops.
func (c *call) Begin(voice.Info) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == ended || c.held {
		return 0, false
	}
	if c.player != nil && !c.player.signal {
		c.stopLocked()
	}
	c.m.begin()
	return 0, true
}

// End implements voice.Sink.
func (c *call) End(voice.Info, int) { c.m.begin() }

// forward sends one packet of a stream; payload stands in buf.
func (c *call) forward(p *voice.Packet, buf *scratch, n int, now time.Time) {
	if !c.muteStream.Load() {
		c.m.forward(p, buf, n, now)
	}
}

// Ringing implements desk.Line.
func (c *call) Ringing() {
	if c.invite == nil {
		return
	}
	c.s.background.Go(func() {
		c.mu.Lock()
		d, over := c.d, c.state != ringing
		c.mu.Unlock()
		if !over {
			c.s.respond(c.tx, c.response(d, 180, "Ringing"))
		}
	})
}

// response answers the INVITE inside its dialog.
func (c *call) response(d *dialog, code int, reason string) *sip.Response {
	res := sip.NewResponseFromRequest(c.invite, code, reason, nil)
	if to := res.To(); to != nil && code > 100 {
		to.Params.Remove("tag")
		to.Params.Add("tag", d.localTag)
	}
	if code > 100 && code < 300 {
		res.AppendHeader(c.s.contact(d.contact, d.transport, d.dest.Addr()))
	}
	return res
}

// Sit implements desk.Line.
func (c *call) Sit(seat talk.Seat, fullDuplex bool) {
	c.mu.Lock()
	c.seat, c.full = seat, fullDuplex
	c.keys.reset()
	held := c.held
	c.mu.Unlock()
	if seat != nil && held {
		seat.Hold(true)
	}
}

// Hang implements desk.Line.
func (c *call) Hang(cause desk.Cause) {
	c.finish(cause, true)
}

// finish ends the call once, whoever ends it. Tell says that the far end does not know yet.
func (c *call) finish(cause desk.Cause, tell bool) {
	c.mu.Lock()
	if c.state == ended {
		c.mu.Unlock()
		return
	}
	was, d, seat := c.state, c.d, c.seat
	c.state, c.seat = ended, nil
	c.stopLocked()
	tr := c.transfer
	c.mu.Unlock()
	c.cancel()
	if seat != nil {
		seat.Leave()
	}
	c.m.close()
	c.s.background.Go(func() {
		// First those who talk to it: a far end that is dead takes its time to be told.
		c.s.deps.Events.Ended(c, cause)
		if tell {
			c.tell(was, d, cause, tr)
		}
		close(c.settled)
		c.s.calls.remove(c)
		if d != nil {
			c.s.calls.removeDialog(d)
			c.s.guard.release(d.dest)
		}
	})
}

// tell lets the far end know: by BYE, or by refusing its INVITE. An outgoing call that rings was cancelled by its context.
func (c *call) tell(was callState, d *dialog, cause desk.Cause, tr *transfer) {
	switch {
	case was == up:
		if tr != nil {
			tr.done(c, d, cause == desk.Normal)
		}
		c.s.bye(d, cause)
	case c.invite != nil:
		code, reason := codeOf(cause)
		c.s.respond(c.tx, c.response(d, code, reason))
	}
}

func (s *Server) bye(d *dialog, cause desk.Cause) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req := s.inDialog(d, sip.BYE, 0)
	if cause != desk.Normal {
		code, _ := codeOf(cause)
		req.AppendHeader(sip.NewHeader("Reason", `SIP;cause=`+itoa(code)))
	}
	if _, err := s.roundTrip(ctx, req); err != nil {
		s.deps.Log.Debug("telephone: BYE", "error", err)
	}
}

// roundTrip sends a request inside a dialog and waits for its final answer.
func (s *Server) roundTrip(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	return s.client.Do(ctx, req, asBuilt)
}

// asBuilt keeps the stack from adding headers to a request that has them all.
var asBuilt = func(*clientOf, *sip.Request) error { return nil }

// codeOf translates a cause (RFC 3261 §21).
func codeOf(cause desk.Cause) (int, string) {
	switch cause {
	case desk.BusyHere:
		return 486, "Busy Here"
	case desk.NoAnswer:
		return 480, "Temporarily Unavailable"
	case desk.NotAllowed:
		return 403, "Forbidden"
	case desk.NotFound:
		return 404, "Not Found"
	case desk.Overloaded:
		return 503, "Service Unavailable"
	case desk.Failed:
		return 500, "Server Internal Error"
	}
	return 603, "Decline"
}

// causeOf translates a final answer to our INVITE.
func causeOf(code int) desk.Cause {
	switch code {
	case 486, 600:
		return desk.BusyHere
	case 408, 480, 487:
		return desk.NoAnswer
	case 401, 403, 407:
		return desk.NotAllowed
	case 404, 410, 484, 604:
		return desk.NotFound
	case 603:
		return desk.Refused
	case 503:
		return desk.Overloaded
	}
	return desk.Failed
}

// settle makes the media ready for what was agreed.
func (c *call) settle(sess session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == ended {
		return errGone
	}
	c.params, c.events = codec.Params{ID: sess.codec}, sess.hasEvent
	if sess.codec == codec.Opus {
		c.params.Bitrate = c.s.cfg.OpusBitrate
	}
	if err := c.m.apply(sess); err != nil {
		return errors.Join(errGone, err)
	}
	return nil
}
