package talk

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
	"github.com/guantong-net/guantong/fusion/voice"
)

// mediaEvery is how often the floor of a talker who is heard is told that media still comes.
const mediaEvery = int64(500 * time.Millisecond)

// askedMost is how many requests of a seat are remembered.
const askedMost = 4

// seat implements Seat.
type seat struct {
	x    *Exchange
	id   fusion.ID
	talk fusion.Talk
	leg  Leg
	opt  JoinOptions
	node string               // the node that the leg is at, when that is another one: the seat stands for it at the arbiter
	room atomic.Pointer[room] // a patch moves it

	out   atomic.Pointer[air] // where the seat's speech goes while it may talk
	media atomic.Int64        // when the floor was told of media last
	mute  atomic.Bool         // on hold

	// Guarded by the room's lock.
	held  bool
	asked []Request // the last ones: a queued one may be granted after it was repeated under another ID
	left  bool
	waits *input // the request that has no final answer yet: a new arbiter is told of it
	last  toldLast
	told  bool // what the arbiter believes of whether the seat hears
	deaf  bool // of another node's seat: what that node says
}

// toldLast is what a leg was told last.
type toldLast struct {
	kind  Kind
	burst fusion.ID
}

// lock takes the lock of the room that the seat is in now.
func (s *seat) lock() *room {
	for {
		r := s.room.Load()
		r.mu.Lock()
		if s.room.Load() == r {
			return r
		}
		r.mu.Unlock()
	}
}

func (s *seat) participant() floor.Participant {
	p := floor.Participant{
		ID: s.id, Unit: s.leg.Unit(), Terminal: s.opt.Terminal, Group: s.talk.Group, Priority: s.opt.Priority,
		MayTalk: s.opt.MayTalk, MayEmergency: s.opt.MayEmergency, Dispatcher: s.opt.Dispatcher, Monitor: s.opt.Monitor,
	}
	if g, ok := s.x.d.Groups(s.talk.Group); ok {
		p.GroupPriority = g.Priority
	}
	return p
}

func (s *seat) shown() SeatState {
	return SeatState{Unit: s.leg.Unit(), Name: s.opt.Name, Via: s.opt.Via, Talk: s.opt.MayTalk}
}

// same reports whether both seats are of one device.
func (s *seat) same(o *seat) bool { return o != nil && s.opt.Terminal == o.opt.Terminal }

// press is that of the request which led to a burst.
func (s *seat) press(burst fusion.ID) fusion.ID {
	for _, q := range s.asked {
		if q.ID == burst {
			return q.Press
		}
	}
	return fusion.ID{}
}

// ear is the sink that hears for the seat.
func (s *seat) ear() voice.Sink {
	if l, ok := s.leg.(Listener); ok {
		return l.Sink()
	}
	return s.leg
}

// able reports whether speech would reach the leg now.
func (s *seat) able() bool {
	if s.held || s.deaf {
		return false
	}
	h, ok := s.leg.(Hearer)
	return !ok || h.Hears()
}

// Request implements Seat.
func (s *seat) Request(q Request) {
	r := s.lock()
	defer r.mu.Unlock()
	if s.left || r.m == nil {
		return
	}
	if q.ID.IsZero() {
		q.ID = s.x.d.NewID()
	}
	if q.Ordinary {
		q.Precedence = s.x.ordinary(s.talk)
	}
	if len(s.asked) == askedMost {
		s.asked = slices.Delete(s.asked, 0, 1)
	}
	s.asked = append(s.asked, q)
	if s.held { // who asks is back
		s.hold(r, false)
	}
	in := floor.Input{Kind: floor.Request, Seat: s.id, Burst: q.ID, Precedence: q.Precedence, Resume: q.Resume}
	switch {
	case q.Emergency:
		in.Kind, in.Emergency = floor.EmergencyRaise, true
	case q.BreakIn:
		in.Kind = floor.BreakIn
	}
	s.waits = &input{Kind: in.Kind, Seat: s.id, Talk: s.talk, Burst: in.Burst, Precedence: in.Precedence, Emergency: in.Emergency, Resume: in.Resume}
	r.handle(in)
}

// Release implements Seat.
func (s *seat) Release() {
	r := s.lock()
	defer r.mu.Unlock()
	if !s.left && r.m != nil {
		s.waits = nil
		r.handle(floor.Input{Kind: floor.Release, Seat: s.id})
		r.changed()
	}
}

// Push implements Seat.
func (s *seat) Push(p *voice.Packet) {
	a := s.out.Load()
	if a == nil {
		s.stray(p)
		return
	}
	if a.free && s.mute.Load() {
		return
	}
	a.push(p)
	if a.free {
		return
	}
	at := p.Arrived.UnixNano()
	if d := at - s.media.Load(); d > mediaEvery || d < 0 { // the clock may be set back while somebody talks
		s.media.Store(at)
		s.tellMedia(nil)
	}
}

// stray asks the floor about a packet of one who does not hold it: the tail of a burst goes out, anything else is refused.
func (s *seat) stray(p *voice.Packet) { s.tellMedia(p) }

func (s *seat) tellMedia(p *voice.Packet) {
	r := s.lock()
	defer r.mu.Unlock()
	if s.left || r.m == nil {
		return
	}
	r.now = p
	r.handle(floor.Input{Kind: floor.Media, Seat: s.id})
	r.now = nil
}

// Hold implements Seat.
func (s *seat) Hold(on bool) {
	r := s.lock()
	defer r.mu.Unlock()
	if s.left || s.held == on {
		return
	}
	if on && r.m != nil {
		s.waits = nil
		r.handle(floor.Input{Kind: floor.Release, Seat: s.id})
	}
	s.hold(r, on)
}

func (s *seat) hold(r *room, on bool) {
	s.held = on
	s.mute.Store(on)
	r.rehear(s)
	r.changed()
}

// Leave implements Seat.
func (s *seat) Leave() { s.leave() }

func (s *seat) leave() bool {
	s.x.mu.Lock()
	defer s.x.mu.Unlock()
	r := s.lock()
	defer r.mu.Unlock()
	if s.left {
		return false
	}
	s.left, s.waits = true, nil
	delete(s.x.seats, s.id)
	r.dismiss(s)
	r.forget()
	return true
}

// end takes the seat away and tells the leg why.
func (s *seat) end(cause string) {
	if s.leave() {
		s.leg.Indicate(Indication{Talk: s.talk, Kind: Ended, Cause: cause})
	}
}
