package floor

import "slices"

// entry is one queued request.
type entry struct {
	Holding // Since is when it was queued
	rank    rank
	seat    *seat
	arrival uint64 // of two equals the lower one goes first
	told    int    // the position that was last told
}

// queued finds the request of a participant, by whichever leg it came.
func (m *Machine) queued(s *seat) int {
	return slices.IndexFunc(m.queue, func(e entry) bool { return e.seat == s })
}

// waitingEmergency reports whether somebody else than s waits with an emergency.
func (m *Machine) waitingEmergency(s *seat) bool {
	return slices.ContainsFunc(m.queue, func(e entry) bool { return e.rank.emergency && e.seat != s })
}

// full reports whether the queue takes no more; a request that waits already needs no new place.
func (m *Machine) full() bool { return len(m.queue) >= m.cfg.QueueDepth }

// outranksLast reports whether the asked rank goes before the last one that waits.
func (m *Machine) outranksLast() bool {
	if len(m.queue) == 0 {
		return false
	}
	_, above := m.ask.above(m.queue[len(m.queue)-1].rank)
	return above
}

// drop takes requests out of the queue without a word.
func (m *Machine) drop(which func(*entry) bool) {
	m.queue = slices.DeleteFunc(m.queue, func(e entry) bool { return which(&e) })
}

// put queues the request of the input; one that waits already keeps its arrival and the better rank.
func (m *Machine) put() {
	m.declare()
	e := entry{Holding: m.asked(), rank: m.ask, seat: m.seat}
	if i := m.queued(m.seat); i >= 0 {
		old := m.queue[i]
		e.arrival, e.Since = old.arrival, old.Since
		if _, above := old.rank.above(e.rank); above {
			e.rank, e.Emergency, e.BreakIn, e.Precedence = old.rank, old.Emergency, old.BreakIn, old.Precedence
		}
		m.queue = slices.Delete(m.queue, i, i+1)
	} else {
		m.arrivals++
		e.arrival = m.arrivals
	}
	m.queue = append(m.queue, e)
	m.sort()
}

// sort puts the queue in order of rank, then of arrival.
func (m *Machine) sort() {
	slices.SortFunc(m.queue, func(a, b entry) int {
		if _, above := a.rank.above(b.rank); above {
			return -1
		}
		if _, above := b.rank.above(a.rank); above {
			return 1
		}
		return int(int64(a.arrival - b.arrival))
	})
}

// tellPositions tells everyone whose place has changed.
func (m *Machine) tellPositions() {
	for i := range m.queue {
		e := &m.queue[i]
		if e.told == i+1 {
			continue
		}
		e.told = i + 1
		m.say(Output{Type: QueuePositionInfo, To: e.Seat, Burst: e.Burst, Position: e.told, Waiting: len(m.queue),
			Precedence: e.Precedence, Emergency: e.Emergency, Indicator: m.indicator(e.Emergency)})
	}
}

// cancel takes a request out and tells whoever made it.
func (m *Machine) cancel(i int) {
	e := m.queue[i]
	m.queue = slices.Delete(m.queue, i, i+1)
	m.say(Output{Type: QueueCancel, To: e.Seat, Burst: e.Burst, Indicator: m.indicator(false)})
}

func (m *Machine) cancelAll() {
	for len(m.queue) > 0 {
		m.cancel(0)
	}
}
