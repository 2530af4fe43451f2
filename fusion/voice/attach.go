package voice

import (
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// How old a burst may be for a leg to count as in time: what it missed can be given to it at once, or, where
// others hear a decoding already, has not been played yet.
const (
	shortAge  = 60 * time.Millisecond
	playedAge = 20 * time.Millisecond
)

// Attach lets a sink hear the stream. With fromStart it gets the burst from its beginning while that is kept: a
// single-stream leg by playing faster until it has caught up, a leg with slots at most Config.PreRoll of it.
// It reports whether the sink hears the stream now or is about to: false for the talker's own sink, after Close, and
// when Begin refused. Sinks must be comparable (pointers); a second Attach of the same sink changes nothing. The caller holds no lock that Begin takes.
func (s *Stream) Attach(sink Sink, fromStart bool) bool {
	if sink == nil || sink == s.self {
		return false
	}
	format, single, outlet := sink.Format(), sink.SingleStream(), sink.Outlet()
	sw := s.sw
	sw.mu.Lock()
	if s.draining || s.retired || sw.closed {
		sw.mu.Unlock()
		return false
	}
	m := s.members[sink]
	if m == nil {
		m = &member{stream: s, sink: sink, outlet: outlet, format: format}
		s.members[sink] = m
		if single {
			m.ear = sw.earOf(sink)
		}
	}
	if !m.want {
		m.want = true
		m.preRoll, m.late = s.lateness(m, fromStart)
	}
	sw.mu.Unlock()
	sw.settle(m)
	sw.mu.Lock()
	defer sw.mu.Unlock()
	return m.want
}

// Detach stops delivering to a sink and tells it the end. Once its End has been called no packet of the stream
// follows; End comes before Detach returns unless a packet is on its way to the sink at that moment.
func (s *Stream) Detach(sink Sink) {
	s.sw.mu.Lock()
	m := s.members[sink]
	if m == nil {
		s.sw.mu.Unlock()
		return
	}
	m.want = false
	s.sw.mu.Unlock()
	s.sw.settle(m)
}

// lateness says how a sink that attaches now begins: with a pre-roll, or late enough for a private feed. Switch.mu is held.
func (s *Stream) lateness(m *member, fromStart bool) (preRoll, late bool) {
	if !fromStart {
		return false, false
	}
	inTime := shortAge
	if s.live != nil && !s.passes(m.format) {
		inTime = playedAge
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	age := s.burst.age(s.sw.deps.Now())
	late = m.ear != nil && s.burst.whole() && age > inTime
	return !late && age > 0, late
}

func (sw *Switch) earOf(sink Sink) *ear {
	e := sw.ears[sink]
	if e == nil {
		e = &ear{}
		sw.ears[sink] = e
	}
	e.refs++
	return e
}

// forget removes a member that neither hears nor is to hear. Switch.mu is held.
func (s *Stream) forget(m *member) {
	if s.members[m.sink] != m {
		return
	}
	delete(s.members, m.sink)
	if m.ear != nil {
		if m.ear.refs--; m.ear.refs == 0 {
			delete(s.sw.ears, m.sink)
		}
	}
	s.sw.retire(s)
}

// Close ends the stream: what is in the jitter buffers and encoders goes out first, then every sink is told the end.
// It returns at once; Done says when all that has happened.
func (s *Stream) Close() {
	if !s.shut() {
		return
	}
	sw := s.sw
	s.lastWelcome()
	sw.mu.Lock()
	s.draining = true
	var over []*member
	for _, m := range s.members {
		if m.own != nil || (s.live != nil && m.have && m.in != &s.direct) {
			continue // the tail is still to come
		}
		m.want = false
		over = append(over, m)
	}
	sw.retire(s)
	sw.mu.Unlock()
	sw.settleAll(over)
}

// lastWelcome gives the pre-roll to those who attached after the last packet.
func (s *Stream) lastWelcome() {
	s.mu.Lock()
	s.pushing++
	s.mu.Unlock()
	defer s.delivered()
	f := s.direct.fan.Load()
	if f == nil {
		return
	}
	now := &Packet{Arrived: s.sw.deps.Now()}
	for i := range f.fresh {
		if f.fresh[i].preRoll {
			s.preRoll(&f.fresh[i], now)
		}
	}
}

// shut takes no more packets; it reports false when none were taken already.
func (s *Stream) shut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.closed
	s.closed = true
	return !was
}

// dismissAll wants nobody to hear the stream any more and appends them to list. Switch.mu is held.
func (s *Stream) dismissAll(list []*member) []*member {
	s.draining = true
	for _, m := range s.members {
		m.want = false
		list = append(list, m)
	}
	return list
}

// retire gives back what a stream holds, once it is closed and nobody hears it any more. Switch.mu is held.
func (sw *Switch) retire(s *Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed || s.retired || len(s.members) > 0 || s.live != nil || s.own > 0 || s.pushing > 0 {
		return
	}
	s.retired = true
	delete(sw.streams, s)
	sw.bursts.Put(s.burst)
	s.burst = nil
	close(s.done)
}

// passes reports whether a sink takes the stream's packets as they are.
func (s *Stream) passes(f codec.Params) bool { return f.ID == s.source && !f.Limit }
