package floor

import (
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// seat is one participant as the floor counts them: usually one leg. In a patch the legs by which one device came from several
// groups are one seat, so nobody hears or counts twice.
type seat struct {
	Participant               // all parts together: the most that any of them may
	parts       []Participant // in order of joining; the first is the one that is told things
	retry       time.Time     // T9: no ordinary request before
	scolded     time.Time     // when it was last told that it sends without permission
	strayed     time.Time     // when it last did
}

// sum makes the seat's rights from those of its parts.
func (s *seat) sum() {
	s.Participant = s.parts[0]
	for _, p := range s.parts[1:] {
		s.Priority = max(s.Priority, p.Priority)
		s.GroupPriority = max(s.GroupPriority, p.GroupPriority)
		s.MayTalk = s.MayTalk || p.MayTalk
		s.MayEmergency = s.MayEmergency || p.MayEmergency
		s.Dispatcher = s.Dispatcher || p.Dispatcher
		s.ReceiveOnly = s.ReceiveOnly && p.ReceiveOnly
		s.Monitor = s.Monitor && p.Monitor
	}
}

// part finds the leg that the seat came by.
func (s *seat) part(id fusion.ID) int {
	return slices.IndexFunc(s.parts, func(p Participant) bool { return p.ID == id })
}

// takes reports whether p is the same device as the seat, come from another group.
func (s *seat) takes(p Participant) bool {
	same := false
	for _, q := range s.parts {
		if q.Group == p.Group {
			return false
		}
		if q.Terminal.IsZero() || p.Terminal.IsZero() {
			same = same || (q.Unit == p.Unit && p.Unit != 0)
		} else {
			same = same || q.Terminal == p.Terminal
		}
	}
	return same
}

// sit gives p a seat, or a part of the one that it has already.
func (m *Machine) sit(p Participant) *seat {
	if p.Group == 0 {
		p.Group = m.cfg.Group
	}
	if p.GroupPriority == 0 {
		p.GroupPriority = m.cfg.GroupPriority
	}
	if s := m.byID[p.ID]; s != nil {
		s.parts[s.part(p.ID)] = p
		s.sum()
		return s
	}
	s := m.sameDevice(p)
	if s == nil {
		s = &seat{}
		m.seats = append(m.seats, s)
	}
	s.parts = append(s.parts, p)
	s.sum()
	m.byID[p.ID] = s
	return s
}

func (m *Machine) sameDevice(p Participant) *seat {
	for _, s := range m.seats {
		if s.takes(p) {
			return s
		}
	}
	return nil
}

// rise takes the leg of the input away, and the seat with its last leg. What it had queued is gone.
func (m *Machine) rise() {
	s, id := m.seat, m.in.Seat
	delete(m.byID, id)
	m.drop(func(e *entry) bool { return e.Seat == id })
	i := s.part(id)
	s.parts = slices.Delete(s.parts, i, i+1)
	if len(s.parts) > 0 {
		s.sum()
		return
	}
	m.seats = slices.DeleteFunc(m.seats, func(x *seat) bool { return x == s })
	m.alarms = slices.DeleteFunc(m.alarms, func(a alarm) bool { return a.unit == 0 && a.seat == id })
}

// others counts the listed participants that are not of this seat's unit.
func (m *Machine) others(than *seat) int {
	n := 0
	for _, s := range m.seats {
		if s != than && !s.Monitor && (s.Unit == 0 || s.Unit != than.Unit) {
			n++
		}
	}
	return n
}

// mayRequest is the Permission to Request the Floor, as the seat is told (§6.3.4.4.2).
func (m *Machine) mayRequest(s *seat) bool {
	if s.ReceiveOnly || s.Monitor || !s.MayTalk {
		return false
	}
	return m.cfg.Kind != Broadcast || m.hold.seat == nil || m.hold.seat == s
}
