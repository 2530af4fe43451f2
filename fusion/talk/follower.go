package talk

import (
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion/floor"
)

// A room that follows has a floor that only knows its own seats and says nothing: the arbiter's, at another node, decides.

// follow makes a room follow another node's floor. r.mu and x.mu are held.
func (r *room) follow(a Arbiter) {
	if r.talks[0].Group == 0 || r.m == nil {
		return
	}
	was := r.follows
	r.follows, r.arbiter = true, a
	if was {
		return
	}
	for _, s := range slices.Clone(r.order) {
		if s.node != "" {
			r.unseat(s)
		}
	}
	r.m = r.own(r.m.Config())
	r.arm()
	r.changed()
}

// own makes a floor that knows this node's seats only.
func (r *room) own(c floor.Config) *floor.Machine {
	m := floor.New(c, 0)
	for _, s := range r.order {
		if s.node == "" {
			m.Handle(time.Now(), floor.Input{Kind: floor.Join, Seat: s.id, Who: s.participant()})
		}
	}
	return m
}

// pass sends to the arbiter what happened at a seat of ours, and does here what cannot wait.
func (r *room) pass(in floor.Input) {
	s := r.seats[in.Seat]
	switch in.Kind {
	case floor.ForceClear, floor.EmergencyClear:
		r.toArbiter(input{Kind: in.Kind, Talk: r.talks[0], Unit: in.Unit})
		return
	case floor.Join, floor.Leave:
		r.m.Handle(time.Now(), in)
	}
	if s == nil {
		return
	}
	w := input{Kind: in.Kind, Seat: s.id, Talk: s.talk, Burst: in.Burst, Precedence: in.Precedence, Emergency: in.Emergency, Resume: in.Resume}
	switch in.Kind {
	case floor.Join:
		c := s.chair()
		w.Chair = &c
	case floor.Request, floor.BreakIn, floor.EmergencyRaise:
		if r.goesOn(s, w) {
			return
		}
	case floor.Release, floor.Leave:
		r.stopTalking(s, in.Kind)
	case floor.Media:
		if r.now != nil && r.passTail(s) {
			return
		}
	}
	r.toArbiter(w)
}

// stopTalking ends the burst of a seat that lets go. The arbiter says so too, but it may be gone.
func (r *room) stopTalking(s *seat, why floor.Kind) {
	if a := s.out.Load(); a != nil && a == r.air {
		o := floor.Output{Type: floor.BurstEnd, Burst: a.info.Burst, Ended: floor.Released}
		if why == floor.Leave {
			o.Ended = floor.Left
		}
		r.finish(o)
		r.changed()
	}
}

// passTail brings the last packets of a burst that has just ended on its way.
func (r *room) passTail(s *seat) bool {
	for _, a := range r.tails {
		if a.ours && a.talker == s {
			a.push(r.now)
			return true
		}
	}
	return false
}

// goesOn lets a talker whose node was lost with the arbiter talk on at once: nobody else can have been granted the floor meanwhile. Whoever
// arbitrates next is told that the burst is carried here.
func (r *room) goesOn(s *seat, w input) bool {
	l := r.lost
	if a := r.air; a != nil && !a.ours {
		l = lostBurst{a.info.Burst, a.info.Talker, a.origin, a.turn, a.info.Precedence, a.info.Emergency}
	}
	if w.Resume.IsZero() || l.burst != w.Resume || l.talker != s.leg.Unit() || l.talker == 0 || r.arbiter.Node != l.origin && r.arbiter.Node != "" {
		return false
	}
	r.start(floor.Output{Type: floor.BurstStart, Burst: w.Burst, Talker: s.id, Unit: l.talker, Precedence: l.precedence, Emergency: l.emergency}, l.turn+1)
	if a := r.air; a != nil && a.ours {
		a.resumed = w.Resume
		r.toArbiter(a.carried())
	}
	r.tell(floor.Output{Type: floor.FloorGranted, To: s.id, Burst: w.Burst, Precedence: l.precedence, Emergency: l.emergency}, "", r.hearing(s))
	r.changed()
	return true
}

// takeStock adds what the room has to what the arbiter is told.
func (r *room) takeStock(all *inventory) {
	if !r.follows {
		return
	}
	for _, s := range r.order {
		if s.node != "" {
			continue
		}
		c := s.chair()
		s.told = !c.Deaf
		all.Chairs = append(all.Chairs, c)
		if s.waits != nil {
			all.Asks = append(all.Asks, *s.waits)
		}
	}
	all.Carries = append(all.Carries, r.carried()...)
}

// carried is what the arbiter is told of a burst on the air.
func (a *air) carried() input {
	return input{
		Kind: floor.Carry, Seat: a.talker.id, Talk: a.talker.talk, Burst: a.info.Burst, Precedence: a.info.Precedence, Emergency: a.info.Emergency,
		Resume: a.resumed, Age: time.Since(a.start).Milliseconds(),
	}
}

// hearers tells the arbiter of seats that have begun or ceased to hear. r.mu is held.
func (r *room) hearers() {
	if !r.follows {
		return
	}
	for _, s := range r.order {
		if able := s.able(); s.node == "" && able != s.told {
			s.told = able
			c := s.chair()
			r.toArbiter(input{Kind: floor.Join, Seat: s.id, Talk: s.talk, Chair: &c})
		}
	}
}

// obey does what the arbiter says to seats of ours. x.mu is held.
func (x *Exchange) obey(orders []order) {
	for i := range orders {
		o := &orders[i]
		for _, id := range o.To {
			s := x.seats[id]
			if s == nil {
				continue
			}
			r := s.lock()
			if !s.left && r.follows {
				r.obey(s, o)
			}
			r.mu.Unlock()
		}
	}
}

func (r *room) obey(s *seat, o *order) {
	out := o.output(s.id)
	switch o.Type {
	case floor.BurstStart:
		if a := r.air; a == nil || a.info.Burst != o.Burst {
			r.start(out, o.Turn)
		}
		r.changed()
	case floor.BurstEnd:
		r.finish(out)
		r.changed()
	default:
		r.tell(out, o.Name, o.Hearing)
	}
}
