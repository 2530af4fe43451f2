package sdk

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
)

const (
	deadAfter  = 800 * time.Millisecond // three heartbeats and a little
	nextAfter  = 300 * time.Millisecond // a node that has not welcomed by then is raced by the next one
	welcomeMax = 3 * time.Second        // for one attempt
	slowest    = 2 * time.Second        // between two rounds of attempts
	patientFor = 4                      // rounds in which no node knows the log-in
	askAgain   = 150 * time.Millisecond // when the floor is idle and yet nothing came of a request: who arbitrates has changed
	askTimes   = 40                     //
	mediaAgain = 500 * time.Millisecond // after media was lost or not to be had
)

// RoamConfig says what a Roamer does. The zero value follows events from now on and tells nobody.
type RoamConfig struct {
	After   int64   // the last durable event that is known; -1: what comes from now on
	Handler Handler // told what comes, from whichever node, durable events once and in order
	// Attach negotiates media by a new session (media.Line.Attach does); called anew at each node, and when media is lost.
	Attach func(context.Context, *Session) error
	// Moved is told of each arrival at a node.
	Moved func(Move)
}

// Move is an arrival at a node.
type Move struct {
	Node  string        // its URL
	From  string        // where the client was before; empty: nowhere
	Why   error         // why it left; nil: nowhere to leave
	Took  time.Duration // from when the loss was noticed to the welcome
	Spoke bool          // the client spoke when its node was lost, and asked for its burst to go on
}

// Roamer is a client's stay at its site. When its node dies, also without a word, it is at another one: in its conversations, with its
// events where they were, and talking if it was talking. Its methods are for any goroutine; Run does the work.
type Roamer struct {
	c   *Client
	cfg RoamConfig

	mu     sync.Mutex
	s      *Session // nil while at no node
	came   chan struct{}
	last   int64
	joined map[fusion.Talk]bool // monitor
	press  *Press               // what is pressed, as the caller knows it
	asked  fusion.ID            // the request that stands for it at this node
	held   map[fusion.Talk]bool // where it was granted
	spoke  fusion.ID            // the request under which we spoke at the node that died, until it goes on
	idle   map[fusion.Talk]bool // where the floor's last word was that nobody talks
}

// Roam makes a Roamer; Run starts it.
func (c *Client) Roam(cfg RoamConfig) *Roamer {
	return &Roamer{c: c, cfg: cfg, last: cfg.After, came: make(chan struct{}), joined: make(map[fusion.Talk]bool)}
}

// Run stays at the site until ctx ends, or no node lets the client in any more, or events that should come are forgotten (Conflict): then the caller
// starts over from the lists.
func (r *Roamer) Run(ctx context.Context) error {
	pause, refused := time.Duration(0), 0
	var move Move
	lost := time.Now()
	for {
		s, err := r.arrive(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			pause, refused = 0, 0
			move.Node, move.Took = s.node.url, time.Since(lost)
			move, lost = r.stay(ctx, s, move), time.Now()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if letGo(move.Why) {
				return move.Why
			}
			continue
		case fusion.ReasonOf(err) == "login" && refused < patientFor: // a node that has just started may not know the log-in yet
			refused++
		case fusion.FaultOf(err) != fusion.CutOff && fusion.FaultOf(err) != fusion.Busy:
			return err
		}
		pause = min(max(2*pause, 100*time.Millisecond), slowest)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// arrive opens a session at the first node that welcomes, beginning with the one that is asked now. One that is slow is raced by the next.
func (r *Roamer) arrive(ctx context.Context) (*Session, error) {
	type result struct {
		s   *Session
		err error
	}
	all := r.c.places()
	results := make(chan result, len(all))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	open := func(n *place) {
		one, stop := context.WithTimeout(ctx, welcomeMax)
		defer stop()
		s, err := r.c.openAt(one, n, r.after(), r.handler(), deadAfter)
		results <- result{s, err}
	}
	next := time.NewTimer(0)
	defer next.Stop()
	var first error
	for begun, over := 0, 0; over < len(all); {
		select {
		case <-next.C:
			if begun < len(all) {
				go open(all[begun])
				begun++
				next.Reset(nextAfter)
			}
		case x := <-results:
			over++
			if x.err == nil {
				go func() { // who comes too late is let go
					for range begun - over {
						if late := <-results; late.s != nil {
							_ = late.s.Close()
						}
					}
				}()
				r.c.settle(x.s.node)
				return x.s, nil
			}
			if first == nil || fusion.FaultOf(first) == fusion.CutOff {
				first = x.err
			}
			next.Reset(0)
		}
	}
	return nil, first
}

func (r *Roamer) after() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// letGo reports whether the site has ended the log-in: no node lets the client in any more.
func letGo(why error) bool {
	reason := fusion.ReasonOf(why)
	return reason == "revoked" || reason == "logged_out"
}

// stay is at a node until the session ends, and gives the move that begins then.
func (r *Roamer) stay(ctx context.Context, s *Session, move Move) Move {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	media := r.settleIn(ctx, s, &move)
	if r.cfg.Moved != nil {
		r.cfg.Moved(move)
	}
	select {
	case <-s.Done():
	case <-ctx.Done():
	}
	_ = s.Close()
	cancel()
	r.mu.Lock()
	r.s, r.came = nil, make(chan struct{})
	r.mu.Unlock()
	<-media
	why := s.Err()
	if why == nil {
		why = fusion.E(fusion.CutOff, "unreachable", "the session was closed")
	}
	if !letGo(why) { // a log-out is answered by the node that is there
		r.c.leave(s.node)
	}
	return Move{From: s.node.url, Why: why}
}

// settleIn puts a new session in the place of the old one: conversations, the floor, media. All is sent at once, and answered in order.
func (r *Roamer) settleIn(ctx context.Context, s *Session, move *Move) (media chan struct{}) {
	media = make(chan struct{})
	go func() {
		defer close(media)
		r.attach(ctx, s)
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last < 0 {
		r.last = int64(s.Welcome.Seq)
	}
	for t, monitor := range r.joined {
		r.rejoin(ctx, s, t, monitor)
	}
	if p := r.press; p != nil {
		if len(r.held) > 0 {
			r.spoke, move.Spoke = r.asked, true
		}
		r.idle = nil
		r.ask(ctx, s, *p)
		go r.insist(ctx, s, p)
	}
	r.s = s
	close(r.came)
	return media
}

// rejoin sends a join, and forgets the conversation when it is refused. r.mu is held.
func (r *Roamer) rejoin(ctx context.Context, s *Session, t fusion.Talk, monitor bool) {
	answer, err := s.begin(map[string]any{"t": "join", "talk": t, "monitor": monitor})
	if err != nil {
		return // the session is over already
	}
	go func() {
		m, err := s.wait(ctx, answer)
		if err == nil {
			var st wire.TalkState
			if json.Unmarshal(m.raw, &st) == nil && r.cfg.Handler.Talk != nil {
				r.cfg.Handler.Talk(st)
			}
			return
		}
		if ctx.Err() != nil || fusion.FaultOf(err) == fusion.CutOff {
			return
		}
		r.mu.Lock()
		delete(r.joined, t)
		r.mu.Unlock()
		r.floor(talk.Indication{Talk: t, Kind: talk.Ended, Cause: fusion.ReasonOf(err)})
	}()
}

// ask presses anew at this node. r.mu is held.
func (r *Roamer) ask(ctx context.Context, s *Session, again Press) {
	again.Request, again.Resume = NewID(), r.spoke
	r.asked, r.held = again.Request, nil
	if answer, err := s.begin(again.message()); err == nil {
		go r.refused(ctx, s, answer, again)
	}
}

// insist asks again while the floor is idle and the press has led to nothing: the request may have been lost with the arbiter that it was for.
func (r *Roamer) insist(ctx context.Context, s *Session, p *Press) {
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for range askTimes {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.mu.Lock()
		over := r.press != p || len(r.held) > 0
		lost := !over
		for _, t := range p.Talks {
			lost = lost && r.idle[t]
		}
		if lost {
			r.ask(ctx, s, *p)
		}
		r.mu.Unlock()
		if over {
			return
		}
	}
}

// refused tells of a press that was made anew and is not let through.
func (r *Roamer) refused(ctx context.Context, s *Session, answer chan incoming, p Press) {
	_, err := s.wait(ctx, answer)
	if err == nil || ctx.Err() != nil || fusion.FaultOf(err) == fusion.CutOff {
		return
	}
	for _, t := range p.Talks {
		r.floor(talk.Indication{Talk: t, Kind: talk.Denied, Request: p.Request, Cause: fusion.ReasonOf(err)})
	}
}

// attach negotiates media until it succeeds or the session is over.
func (r *Roamer) attach(ctx context.Context, s *Session) {
	if r.cfg.Attach == nil {
		return
	}
	for ctx.Err() == nil {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := r.cfg.Attach(one, s)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-s.Done():
			return
		case <-time.After(mediaAgain):
		}
	}
}

// handler puts the Roamer between a session and the caller.
func (r *Roamer) handler() Handler {
	h := r.cfg.Handler
	h.Event = func(e Event) {
		r.mu.Lock()
		fresh := int64(e.Seq) > r.last
		if fresh {
			r.last = int64(e.Seq)
		}
		r.mu.Unlock()
		if fresh && r.cfg.Handler.Event != nil {
			r.cfg.Handler.Event(e)
		}
	}
	h.Floor = r.floor
	h.Media = func(connected bool) {
		if r.cfg.Handler.Media != nil {
			r.cfg.Handler.Media(connected)
		}
		if s := r.Session(); !connected && s != nil {
			go func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				defer context.AfterFunc(s.node.lost, cancel)()
				r.attach(ctx, s)
			}()
		}
	}
	return h
}

// floor keeps what is held, and tells the caller by the request that it knows.
func (r *Roamer) floor(i talk.Indication) {
	r.mu.Lock()
	mine := r.press != nil && i.Request == r.asked && !i.Request.IsZero()
	switch {
	case mine && i.Kind == talk.Granted:
		if r.held == nil {
			r.held = make(map[fusion.Talk]bool)
		}
		r.held[i.Talk] = true
		r.spoke = fusion.ID{}
	case i.Kind == talk.Revoked || i.Kind == talk.Ended || mine && i.Kind == talk.Denied:
		delete(r.held, i.Talk)
	}
	if i.Kind == talk.Ended {
		delete(r.joined, i.Talk)
	}
	if r.idle == nil {
		r.idle = make(map[fusion.Talk]bool)
	}
	r.idle[i.Talk] = i.Kind == talk.Idle
	if mine {
		i.Request = r.press.Request
	}
	r.mu.Unlock()
	if r.cfg.Handler.Floor != nil {
		r.cfg.Handler.Floor(i)
	}
}

// Session is the one at the node where the client is; nil while it is at none.
func (r *Roamer) Session() *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.s
}

// Last is the sequence number of the last durable event that was told.
func (r *Roamer) Last() int64 { return r.after() }

// there waits until the client is at a node.
func (r *Roamer) there(ctx context.Context) (*Session, error) {
	for {
		r.mu.Lock()
		s, came := r.s, r.came
		r.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Join hears a conversation from now on, at whatever node. It waits for a node when there is none.
func (r *Roamer) Join(ctx context.Context, t fusion.Talk, monitor bool) (wire.TalkState, error) {
	for {
		s, err := r.there(ctx)
		if err != nil {
			return wire.TalkState{}, err
		}
		st, err := s.Join(ctx, t, monitor)
		if err == nil {
			r.mu.Lock()
			r.joined[t] = monitor
			moved := r.s != s
			r.mu.Unlock()
			if !moved {
				return st, nil
			}
			continue // it moved while it joined: the new node must know
		}
		if fusion.FaultOf(err) != fusion.CutOff || ctx.Err() != nil {
			return st, err
		}
		<-s.Done()
	}
}

// Joined are the conversations that the client is in, and whether it monitors them.
func (r *Roamer) Joined() map[fusion.Talk]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.joined)
}

// Leave leaves a conversation.
func (r *Roamer) Leave(ctx context.Context, t fusion.Talk) error {
	r.mu.Lock()
	delete(r.joined, t)
	s := r.s
	r.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.Leave(ctx, t)
}

// Press asks for the floor and keeps it asked for, and held, until Release: through the death of any node. While the client is at no node it asks as
// soon as it is at one.
func (r *Roamer) Press(ctx context.Context, p Press) (fusion.ID, error) {
	if p.Request.IsZero() {
		p.Request = NewID()
	}
	r.mu.Lock()
	r.press, r.asked, r.held, r.spoke = &p, p.Request, nil, fusion.ID{}
	s := r.s
	r.mu.Unlock()
	if s == nil {
		return p.Request, nil
	}
	_, err := s.Press(ctx, p)
	if fusion.FaultOf(err) == fusion.CutOff && err != nil {
		return p.Request, nil // asked again at the next node
	}
	if err != nil {
		r.forget(p.Request)
	}
	return p.Request, err
}

// forget takes a press back that was refused.
func (r *Roamer) forget(request fusion.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.press != nil && r.press.Request == request {
		r.press, r.held = nil, nil
	}
}

// Release gives the floor up.
func (r *Roamer) Release(ctx context.Context) error {
	r.mu.Lock()
	r.press, r.held = nil, nil
	s := r.s
	r.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.Release(ctx)
}
