package floor

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Waiting is one queued request.
type Waiting struct {
	Holding      // what it will be when granted; Since is when it was queued
	Position int // 1 is next
}

// Forwards reports whether the packets of the seat go out: it holds the floor, or its grace is still running.
// While it is true, Handle need not see every Media, only one every second or so, and the first; while it is false, each.
func (m *Machine) Forwards(seat fusion.ID) bool {
	return m.hold.seat != nil && m.hold.Seat == seat
}

// Holder is who has the floor; ok is false when nobody has.
func (m *Machine) Holder() (h Holding, ok bool) { return m.hold.Holding, m.hold.seat != nil }

// Queue lists who waits, next first.
func (m *Machine) Queue() []Waiting {
	out := make([]Waiting, len(m.queue))
	for i, e := range m.queue {
		out[i] = Waiting{Holding: e.Holding, Position: i + 1}
	}
	return out
}

// Participants lists those who are to be seen: everyone but monitors. One who came by several groups of a patch is there once.
func (m *Machine) Participants() []Participant {
	out := make([]Participant, 0, len(m.seats))
	for _, s := range m.seats {
		if !s.Monitor {
			out = append(out, s.Participant)
		}
	}
	return out
}

// Hears lists the seats that the floor's speech goes to, monitors too, each participant once. The talker is among them.
func (m *Machine) Hears() []fusion.ID {
	out := make([]fusion.ID, len(m.seats))
	for i, s := range m.seats {
		out[i] = s.ID
	}
	return out
}

// State is the floor's state (§6.3.4).
func (m *Machine) State() State { return m.state }

// Seat is the state towards one seat (§6.3.5) at the time now.
func (m *Machine) Seat(now time.Time, id fusion.ID) SeatState {
	s := m.byID[id]
	switch {
	case s == nil:
		return SeatStartStop
	case m.state == Releasing:
		return SeatReleasing
	case m.Forwards(id) && m.state == PendingRevoke:
		return PendingFloorRevoke
	case m.Forwards(id):
		return Permitted
	case !s.strayed.IsZero() && now.Sub(s.strayed) < m.cfg.RevokeEvery:
		return NotPermittedSends
	case m.state == Initialising:
		return NotPermittedInitiates
	case m.state == Idle:
		return NotPermittedIdle
	}
	return NotPermittedTaken
}

// Emergencies lists the units whose emergency has not been cleared; 0 stands for one whose number is not known.
func (m *Machine) Emergencies() []fusion.Number {
	out := make([]fusion.Number, len(m.alarms))
	for i, a := range m.alarms {
		out[i] = a.unit
	}
	return out
}

// Config is what the floor was made with.
func (m *Machine) Config() Config { return m.cfg }

// Epoch is the arbiter's.
func (m *Machine) Epoch() uint64 { return m.epoch }

// Strays counts the inputs that were dropped because their seat had not joined.
func (m *Machine) Strays() uint64 { return m.strays }
