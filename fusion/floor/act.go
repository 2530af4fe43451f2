package floor

import (
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// asked is the holding that the input asks for.
func (m *Machine) asked() Holding {
	return Holding{
		Seat: m.in.Seat, Unit: m.seat.Unit, Group: m.seat.parts[m.seat.part(m.in.Seat)].Group, Burst: m.in.Burst,
		Precedence: m.ask.precedence, Emergency: m.ask.emergency, BreakIn: m.ask.breakIn, Since: m.now,
	}
}

// indicator is the floor indicator of a message (§8.2.3.15).
func (m *Machine) indicator(emergency bool) Indicator {
	var i Indicator
	if m.cfg.Kind == Broadcast {
		i |= BroadcastCall
	}
	if m.cfg.Kind == Temporary {
		i |= TemporaryGroupCall
	}
	if emergency || len(m.alarms) > 0 {
		i |= EmergencyCall
	}
	if i == 0 || i == TemporaryGroupCall {
		i |= NormalCall
	}
	if m.cfg.QueueDepth > 0 {
		i |= QueueingSupported
	}
	return i
}

// give hands the floor over: the stream opens, the talker is told, then everybody else (§6.3.4.4.2).
func (m *Machine) give(h Holding, r rank, s *seat) {
	m.install(h, r, s)
	m.say(m.stream(BurstStart))
	m.tellGranted()
	m.tellTaken()
}

// install makes h the holding, with T1 running; T2 begins with the first packet (§6.3.4.4.5).
func (m *Machine) install(h Holding, r rank, s *seat) {
	m.drop(func(e *entry) bool { return e.seat == s })
	m.hold = holding{Holding: h, rank: r, seat: s}
	m.ending = 0
	m.stopAll()
	m.t1 = m.after(m.cfg.EndOfMedia)
	m.inCall = m.cfg.Kind == Broadcast
}

func (m *Machine) stopAll() {
	m.t1, m.t2, m.warn, m.t3, m.t4, m.settle = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
}

// stream is an order to the media plane about the holding's stream.
func (m *Machine) stream(t Type) Output {
	h := &m.hold
	return Output{Type: t, Burst: h.Burst, Talker: h.Seat, Unit: h.Unit, Group: h.Group, Precedence: h.Precedence, Emergency: h.Emergency}
}

func (m *Machine) tellGranted() {
	o := m.stream(FloorGranted)
	o.To, o.Left, o.Indicator, o.MayRequest = m.hold.Seat, m.left(), m.indicator(m.hold.Emergency), true
	m.say(o)
}

// left is the talk time that remains; all of it before the first packet (§6.3.4.4.8).
func (m *Machine) left() time.Duration {
	if m.t2.IsZero() {
		return m.cfg.TalkLimit
	}
	return m.t2.Sub(m.now)
}

// tellTaken tells everybody but the talker who talks. One message sequence number for the set (§8.2.3.10).
func (m *Machine) tellTaken() {
	m.seq++
	for _, s := range m.seats {
		if s != m.hold.seat {
			m.taken(s, s.ID)
		}
	}
}

func (m *Machine) taken(s *seat, to fusion.ID) {
	o := m.stream(FloorTaken)
	o.To, o.Seq, o.Indicator, o.MayRequest = to, m.seq, m.indicator(m.hold.Emergency), m.mayRequest(s)
	m.say(o)
}

func (m *Machine) tellIdle() {
	m.seq++
	for _, s := range m.seats {
		m.idle(s, s.ID)
	}
	m.t4 = m.after(m.cfg.Inactivity)
	if m.inCall { // §6.2.4.6.4: a broadcast is over when its talker has let go
		m.inCall = false
		m.tellEnd()
	}
}

func (m *Machine) idle(s *seat, to fusion.ID) {
	m.say(Output{Type: FloorIdle, To: to, Seq: m.seq, Indicator: m.indicator(false), MayRequest: m.mayRequest(s)})
}

func (m *Machine) tellEnd() {
	for _, s := range m.seats {
		m.say(Output{Type: CallEnd, To: s.ID, Indicator: m.indicator(false)})
	}
}

// endBurst closes the stream. Unless it is cut, packets that are still on their way belong to it.
func (m *Machine) endBurst(why EndCause, cut bool) {
	o := m.stream(BurstEnd)
	o.Ended, o.Cut = why, cut
	m.say(o)
	m.tail = tail{}
	if !cut {
		m.tail = tail{seat: m.hold.Seat, burst: m.hold.Burst, until: m.now.Add(m.cfg.Tail)}
	}
	if why == TooLong || why == Forced {
		m.hold.seat.retry = m.after(m.cfg.RetryAfter)
	}
	m.hold, m.ending = holding{}, 0
	m.stopAll()
}

// tellRevoke tells the talker to stop; the grace is how long its tail still goes out (§6.3.4.5.2).
func (m *Machine) tellRevoke(why RevokeCause, grace time.Duration) {
	o := m.stream(FloorRevoke)
	o.To, o.Revoked, o.Grace, o.Indicator = m.hold.Seat, why, grace, m.indicator(m.hold.Emergency)
	if why == BurstTooLong || why == RevokedByAnother {
		o.Retry = m.cfg.RetryAfter
	}
	m.say(o)
}

// raise gives the holding the asked rank where that is higher.
func (m *Machine) raise() {
	m.declare()
	if _, above := m.ask.above(m.hold.rank); !above {
		return
	}
	m.hold.rank = m.ask
	m.hold.Emergency, m.hold.BreakIn, m.hold.Precedence = m.ask.emergency, m.ask.breakIn, m.ask.precedence
	m.tellTaken()
}

// declare notes the emergency of the unit that raises one.
func (m *Machine) declare() {
	if m.in.Kind != EmergencyRaise || m.alarmed(m.seat) {
		return
	}
	a := alarm{unit: m.seat.Unit}
	if a.unit == 0 {
		a.seat = m.in.Seat
	}
	m.alarms = append(m.alarms, a)
}

func (a alarm) of(s *seat) bool {
	if a.unit != 0 {
		return a.unit == s.Unit
	}
	return s.part(a.seat) >= 0
}

func (m *Machine) alarmed(s *seat) bool {
	return slices.ContainsFunc(m.alarms, func(a alarm) bool { return a.of(s) })
}

// clearAlarms ends the emergencies that the input means; who talks or waits for one goes on with its ordinary rank.
func (m *Machine) clearAlarms() {
	s, unit, all := m.byID[m.in.Seat], m.in.Unit, m.in.Unit == 0 && m.in.Seat.IsZero()
	if unit == 0 && s != nil {
		unit = s.Unit
	}
	meant := func(of *seat, u fusion.Number) bool {
		return all || (u != 0 && u == unit) || (of != nil && of == s)
	}
	m.alarms = slices.DeleteFunc(m.alarms, func(a alarm) bool { return meant(m.byID[a.seat], a.unit) })
	if h := &m.hold; h.seat != nil && meant(h.seat, h.Unit) {
		h.Emergency, h.rank.emergency = false, false
	}
	for i := range m.queue {
		if e := &m.queue[i]; meant(e.seat, e.Unit) {
			e.Emergency, e.rank.emergency = false, false
		}
	}
	m.sort()
}
