package api

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
)

// tailTime is for how long after a release speech that is still on its way goes to the seat.
const tailTime = 300 * time.Millisecond

// seats are the conversations that one connection is in, and its media.
//
// Lock order: talk's locks are never taken with mu held, since a leg is called with them held.
type seats struct {
	c *conn

	work sync.Mutex // serialises joins, leaves and media changes of this connection

	mu      sync.Mutex
	all     map[fusion.Talk]*place
	media   *mediaLeg
	ended   bool
	talking atomic.Pointer[[]*place] // all places, for the uplink: read without a lock
}

// place is one conversation that the connection is in.
type place struct {
	talk    fusion.Talk
	monitor bool
	open    bool // full duplex: speech goes in without a floor
	leg     *leg
	seat    talk.Seat
	until   atomic.Int64 // speech goes to the seat until this moment in Unix ns; always: while it has the floor
}

const always = int64(1) << 62

func newSeats(c *conn) *seats {
	s := &seats{c: c, all: make(map[fusion.Talk]*place)}
	s.talking.Store(&[]*place{})
	return s
}

func (s *seats) in(t fusion.Talk) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[t] != nil
}

// publish lets the uplink know the places. s.mu is held.
func (s *seats) publish() {
	list := make([]*place, 0, len(s.all))
	for _, p := range s.all {
		list = append(list, p)
	}
	s.talking.Store(&list)
}

// options says what the caller may do in a conversation, or why it may not join.
func (s *seats) options(st *sight, t fusion.Talk, monitor bool) (opt talk.JoinOptions, open bool, err error) {
	opt = talk.JoinOptions{Name: st.unit.Name, Via: "console", Terminal: s.c.id, Priority: identity.FloorPriority(st.user.Roles),
		Dispatcher: st.may(identity.BreakIn), Monitor: monitor}
	if monitor {
		if err := st.need(identity.Monitor); err != nil {
			return opt, false, err
		}
	}
	if t.Group == 0 {
		return s.callOptions(st, t, opt)
	}
	err = s.c.s.d.Record.View(func(v *state.View) error { return groupOptions(v, st, t.Group, &opt) })
	return opt, false, err
}

func groupOptions(v *state.View, st *sight, n fusion.Number, opt *talk.JoinOptions) error {
	g, err := v.Group(n)
	if err != nil {
		return err
	}
	m, err := v.Member(n, st.unit.Number)
	member := err == nil
	if err != nil && fusion.FaultOf(err) != fusion.NotFound {
		return err
	}
	anywhere := st.may(identity.TalkAnywhere)
	if !member && !g.Open && !anywhere {
		return fusion.E(fusion.NotAllowed, "not_a_member", "you are no member of group %s", n)
	}
	opt.MayTalk = !opt.Monitor && (anywhere || member && m.Talk || !member && g.Open && g.Kind != state.BroadcastGroup)
	opt.MayEmergency = !opt.Monitor
	opt.Priority = max(opt.Priority, m.Priority)
	return nil
}

func (s *seats) callOptions(st *sight, t fusion.Talk, opt talk.JoinOptions) (talk.JoinOptions, bool, error) {
	unknown := fusion.E(fusion.NotFound, "call_unknown", "there is no such call")
	if s.c.s.d.Desk == nil {
		return opt, false, unknown
	}
	call, ok := s.c.s.d.Desk.Call(t.Call)
	if !ok || !st.live(call) {
		return opt, false, unknown
	}
	if !st.party(call) && !opt.Monitor {
		return opt, false, fusion.E(fusion.NotAllowed, "not_yours", "you take no part in this call; you may monitor it")
	}
	opt.MayTalk = !opt.Monitor
	return opt, !call.Floor && !opt.Monitor, nil
}

// join seats the connection in a conversation. Joined again, it is told how that is.
func (s *seats) join(ctx context.Context, f clientFrame) error {
	if f.Talk.IsZero() {
		return bad("bad_message", "talk says which conversation")
	}
	st, err := s.c.who()
	if err != nil {
		return err
	}
	opt, open, err := s.options(st, f.Talk, f.Monitor)
	if err != nil {
		return err
	}
	s.work.Lock()
	defer s.work.Unlock()
	s.mu.Lock()
	old, n := s.all[f.Talk], len(s.all)
	s.mu.Unlock()
	if n >= maxTalks {
		return fusion.E(fusion.Busy, "too_many_talks", "you are in %d conversations already", n)
	}
	if old != nil && old.monitor != f.Monitor {
		s.drop(old)
		old = nil
	}
	if old == nil {
		if err := s.sit(ctx, &place{talk: f.Talk, monitor: f.Monitor, open: open}, opt); err != nil {
			return err
		}
		if f.Monitor {
			s.c.s.audit.used(st.caller, identity.Monitor, f.Talk.String())
		}
	}
	state, _ := s.c.s.d.Talks.State(f.Talk)
	s.c.send(joinedFrame{T: "joined", Re: f.ID, TalkState: talkState(state)})
	return nil
}

// sit joins and enters the place. s.work is held.
func (s *seats) sit(ctx context.Context, p *place, opt talk.JoinOptions) error {
	s.mu.Lock()
	media, ended := s.media, s.ended
	s.mu.Unlock()
	if ended {
		return errLogin
	}
	p.leg = newLeg(s.c, p, opt, media)
	if p.open {
		p.until.Store(always)
	}
	seat, err := s.c.s.d.Talks.Join(ctx, p.talk, p.leg, opt)
	if err != nil {
		return err
	}
	p.seat = seat
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		seat.Leave()
		return errLogin
	}
	s.all[p.talk] = p
	s.publish()
	s.mu.Unlock()
	return nil
}

// drop leaves a conversation.
func (s *seats) drop(p *place) {
	s.mu.Lock()
	if s.all[p.talk] == p {
		delete(s.all, p.talk)
		s.publish()
	}
	s.mu.Unlock()
	p.until.Store(0)
	if p.seat != nil {
		p.seat.Leave()
	}
}

func (s *seats) leave(_ context.Context, f clientFrame) error {
	s.work.Lock()
	defer s.work.Unlock()
	if p := s.find(f.Talk); p != nil {
		s.drop(p)
	}
	return nil
}

func (s *seats) find(t fusion.Talk) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[t]
}

// list gives all places.
func (s *seats) list() []*place { return *s.talking.Load() }

// leaveAll ends everything: the connection is over or its right is gone.
func (s *seats) leaveAll() {
	s.mu.Lock()
	s.ended = true
	media := s.media
	s.media = nil
	s.mu.Unlock()
	for _, p := range s.list() {
		s.drop(p)
	}
	if media != nil {
		media.close()
	}
}

// check gives up conversations that the caller may no longer be in, and takes new rights into those where they have changed. It does not block.
func (s *seats) check() {
	go func() {
		s.work.Lock()
		defer s.work.Unlock()
		st, err := s.c.who()
		if err != nil {
			s.leaveAll()
			s.c.close("revoked")
			return
		}
		for _, p := range s.list() {
			opt, _, err := s.options(st, p.talk, p.monitor)
			switch {
			case err != nil:
				s.drop(p)
				p.leg.Indicate(talk.Indication{Talk: p.talk, Kind: talk.Ended, Cause: fusion.ReasonOf(err)})
			case opt != p.leg.opt:
				s.again(p, opt)
			}
		}
	}()
}

// again sits down anew with other rights or other media. The old seat is kept until the new one is taken, so that a burst under way goes on by
// it and nobody comes between. s.work is held.
func (s *seats) again(p *place, opt talk.JoinOptions) {
	fresh := &place{talk: p.talk, monitor: p.monitor, open: p.open}
	if err := s.sit(context.Background(), fresh, opt); err != nil {
		s.drop(p)
		p.leg.Indicate(talk.Indication{Talk: p.talk, Kind: talk.Ended, Cause: fusion.ReasonOf(err)})
		return
	}
	q, press, stands := p.leg.wants()
	p.leg.silence()
	if stands {
		q.ID = s.c.s.d.NewID()
		fresh.leg.asked(q, press)
		fresh.seat.Request(q)
	}
	s.drop(p)
}

// press asks for the floor in one conversation or in several at once (多选).
func (s *seats) press(_ context.Context, f clientFrame) error {
	st, err := s.c.who()
	if err != nil {
		return err
	}
	if f.BreakIn {
		if err := st.need(identity.BreakIn); err != nil {
			return err
		}
	}
	if len(f.Talks) == 0 {
		return bad("bad_message", "talks says where the floor is wanted")
	}
	places := make([]*place, 0, len(f.Talks))
	for _, t := range f.Talks {
		p := s.find(t)
		if p == nil {
			return fusion.E(fusion.Conflict, "not_joined", "join %s first", t)
		}
		places = append(places, p)
	}
	if f.Request.IsZero() {
		f.Request = s.c.s.d.NewID()
	}
	for i, p := range places {
		q := talk.Request{ID: f.Request, Press: f.Request, Emergency: f.Emergency, BreakIn: f.BreakIn, Resume: f.Resume}
		if i > 0 { // each burst has an ID of its own
			q.ID = derived(f.Request, p.talk.String())
			if !f.Resume.IsZero() {
				q.Resume = derived(f.Resume, p.talk.String())
			}
		}
		if q.Precedence, err = s.precedence(st, p, f); err != nil {
			return err
		}
		p.leg.asked(q, f.Request)
		p.seat.Request(q)
		if f.BreakIn {
			s.c.s.audit.used(st.caller, identity.BreakIn, p.talk.String())
		}
	}
	return nil
}

// precedence is that of a press: the group's own when the client names none; above it only for dispatchers.
func (s *seats) precedence(st *sight, p *place, f clientFrame) (fusion.Precedence, error) {
	own := fusion.Routine
	if p.talk.Group != 0 {
		g, err := view(s.c.s, func(v *state.View) (state.Group, error) { return v.Group(p.talk.Group) })
		if err != nil {
			return own, err
		}
		own = g.Precedence
	}
	if f.Precedence == nil {
		return own, nil
	}
	if f.Precedence.Above(own) && !f.Emergency && !st.may(identity.TalkAnywhere) {
		return own, fusion.E(fusion.NotAllowed, "precedence", "you talk with precedence %s here", own)
	}
	return *f.Precedence, nil
}

func (s *seats) release(_ context.Context, f clientFrame) error {
	places := s.list()
	if len(f.Talks) > 0 {
		places = nil
		for _, t := range f.Talks {
			if p := s.find(t); p != nil {
				places = append(places, p)
			}
		}
	}
	for _, p := range places {
		if !p.open {
			p.until.CompareAndSwap(always, time.Now().Add(tailTime).UnixNano())
		}
		p.leg.released()
		p.seat.Release()
	}
	return nil
}

// uplink hands a packet of the microphone to the conversations whose floor the client has. It is the hot path: it neither locks nor allocates.
func (s *seats) uplink(p *voice.Packet) {
	at := p.Arrived.UnixNano()
	heard := false
	for _, x := range *s.talking.Load() {
		if x.until.Load() > at {
			x.seat.Push(p)
			heard = true
		}
	}
	if !heard {
		s.c.s.count.uplink.Inc()
	}
}
