package voice

import "github.com/guantong-net/guantong/fusion/voice/codec"

// member is one sink that hears, or is to hear, one stream. It is guarded by Switch.mu, save what never changes.
type member struct {
	stream *Stream
	sink   Sink
	outlet Outlet
	format codec.Params
	ear    *ear // of a single-stream sink, else nil

	want   bool // it is to hear the stream
	have   bool // Begin has been called and End has not
	busy   bool // someone is in Begin or End
	handle int

	preRoll bool   // begins with the last packets of the burst
	late    bool   // came late and wants the burst from its beginning
	own     *feed  // plays the burst to it alone, faster than it comes, until it has caught up
	in      *group // where its packets come from; nil for none
	fresh   bool   // the next packet is its first there
}

// ear is what a single-stream sink hears: one stream as it is, or the mix of several.
type ear struct {
	members []*member // that have begun, in the order in which they did
	refs    int       // members that point here
}

// settle brings what a sink has been told in line with what is wanted: Begin, End, or nothing. Neither is called with a
// lock held, and never two at once for one sink and stream. End waits until no packet is on its way.
func (sw *Switch) settle(m *member) {
	sw.mu.Lock()
	sw.settleLocked(m)
	stranded := sw.stranded
	sw.stranded = nil
	sw.mu.Unlock()
	sw.settleAll(stranded)
}

func (sw *Switch) settleLocked(m *member) {
	for m.want != m.have && !m.busy {
		if m.want {
			sw.begin(m)
			continue
		}
		sw.exit(m)
		if sw.park(m) {
			return
		}
		sw.end(m)
	}
	if !m.want && !m.have && !m.busy {
		m.stream.forget(m)
	}
}

func (sw *Switch) begin(m *member) {
	m.busy = true
	sw.mu.Unlock()
	handle, ok := m.sink.Begin(m.stream.info)
	sw.mu.Lock()
	m.busy = false
	if !ok {
		sw.stats.refused.Add(1)
		m.want = false
		return
	}
	m.handle, m.have = handle, true
	if m.want {
		sw.enter(m)
	}
}

func (sw *Switch) end(m *member) {
	m.busy = true
	sw.mu.Unlock()
	m.sink.End(m.stream.info, m.handle)
	sw.mu.Lock()
	m.busy, m.have = false, false
}

// park leaves m to whoever is delivering right now, so that no packet follows its End.
func (sw *Switch) park(m *member) bool {
	if sw.ticking {
		sw.parked = append(sw.parked, m)
		return true
	}
	s := m.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pushing == 0 {
		return false
	}
	s.parked = append(s.parked, m)
	return true
}

// enter gives a member its route, exit takes it away.
func (sw *Switch) enter(m *member) {
	if m.ear == nil {
		sw.move(m, sw.route(m))
		return
	}
	m.ear.members = append(m.ear.members, m)
	sw.reroute(m.ear)
}

func (sw *Switch) exit(m *member) {
	sw.move(m, nil)
	m.own = nil
	if m.ear == nil {
		return
	}
	m.ear.remove(m)
	sw.reroute(m.ear)
}

func (e *ear) remove(m *member) {
	for i, o := range e.members {
		if o == m {
			e.members = append(e.members[:i:i], e.members[i+1:]...)
			return
		}
	}
}

// move puts a member into another group: into the new one first, so that what both are made of stays.
func (sw *Switch) move(m *member, to *group) {
	from := m.in
	if from == to {
		return
	}
	if to != nil {
		to.add(m)
	}
	if from != nil {
		from.remove(m)
	}
}
