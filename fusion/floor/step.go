package floor

import (
	"fmt"
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// The guards and actions that the server's table is written in.

type (
	serverRow    = row[Machine, State, Kind]
	serverGuard  = guard[Machine]
	serverAction = action[Machine]
)

var serverIndex = newIndex(states, kinds, serverTable())

func g(name string, holds func(*Machine) bool) serverGuard { return serverGuard{name, holds} }

func act(name string, do func(*Machine), says ...Type) serverAction {
	return serverAction{name, says, do}
}

// guards of a request
var (
	barred     = g("may not talk", func(m *Machine) bool { return !m.entitled() })
	noBreakIn  = g("is no dispatcher", func(m *Machine) bool { return !m.seat.Dispatcher || m.seat.ReceiveOnly })
	noBurst    = g("gives no burst ID", func(m *Machine) bool { return m.in.Burst.IsZero() })
	dupBurst   = g("gives the burst ID of another", func(m *Machine) bool { return m.usedByAnother() })
	tooSoon    = g("T9 (retry after) runs", func(m *Machine) bool { return !m.ask.emergency && m.now.Before(m.seat.retry) })
	alone      = g("is alone, and that is denied", func(m *Machine) bool { return m.cfg.DenyAlone && !m.ask.emergency && m.others(m.seat) == 0 })
	listens    = g("a broadcast is on the air", func(m *Machine) bool { return m.cfg.Kind == Broadcast && !m.ask.emergency && !m.ask.breakIn })
	urgent     = g("is an emergency", func(m *Machine) bool { return m.ask.emergency })
	cutsIn     = g("is an emergency, the talker is not", func(m *Machine) bool { return m.ask.emergency && !m.hold.rank.emergency })
	firstAlarm = g("is an emergency, none waits", func(m *Machine) bool { return m.ask.emergency && !m.waitingEmergency(m.seat) })
	preempting = g("pre-empts the talker", func(m *Machine) bool { return m.cfg.preempts(m.ask, m.hold.rank) })
	waits      = g("waits already", func(m *Machine) bool { return m.queued(m.seat) >= 0 })
	displaces  = g("queue full, but goes before the last", func(m *Machine) bool { return m.full() && m.outranksLast() })
	noQueue    = g("there is no queue", func(m *Machine) bool { return m.cfg.QueueDepth <= 0 && !m.ask.emergency })
	noRoom     = g("queue full", func(m *Machine) bool { return m.full() && !m.ask.emergency })
	moves      = g("is the talker's unit, which goes on by another leg", func(m *Machine) bool { return m.goesOn() })
	ownOther   = g("holds the floor by another leg", func(m *Machine) bool { return m.hold.seat == m.seat && m.hold.Seat != m.in.Seat })
)

// guards of anything else
var (
	holder      = g("is the talker", func(m *Machine) bool { return m.talks() })
	again       = g("is the talker, asks under another burst ID, queue empty", func(m *Machine) bool { return m.asksAgain() && len(m.queue) == 0 })
	againWaits  = g("is the talker, asks under another burst ID, somebody waits", func(m *Machine) bool { return m.asksAgain() && len(m.queue) > 0 })
	againRival  = g("is the talker, an emergency under another burst ID, none waits", func(m *Machine) bool { return m.asksAgain() && m.ask.emergency && !m.waitingEmergency(m.seat) })
	holderRival = g("is the talker, is an emergency, none waits", func(m *Machine) bool { return m.talks() && m.ask.emergency && !m.waitingEmergency(m.seat) })
	lets        = g("is the talker, queue empty", func(m *Machine) bool { return m.letsGo() && len(m.queue) == 0 })
	passes      = g("is the talker, somebody waits", func(m *Machine) bool { return m.letsGo() && len(m.queue) > 0 })
	gives       = g("waits", func(m *Machine) bool { return m.withdraws() >= 0 })
	someone     = g("somebody waits", func(m *Machine) bool { return len(m.queue) > 0 })
	mine        = g("is the talker", func(m *Machine) bool { return m.Forwards(m.in.Seat) })
	minePasses  = g("is the talker, somebody waits", func(m *Machine) bool { return m.Forwards(m.in.Seat) && len(m.queue) > 0 })
	late        = g("has just let go", func(m *Machine) bool { return m.tail.seat == m.in.Seat && m.now.Before(m.tail.until) })
	last        = g("is the last one", func(m *Machine) bool { return m.lastLeaves() })
	mineLast    = g("is the talker and the last one", func(m *Machine) bool { return m.Forwards(m.in.Seat) && m.lastLeaves() })
	parts       = g("leaves fewer than two to a private call", func(m *Machine) bool { return m.callParts() })
	mineParts   = g("is the talker, leaves fewer than two to a private call", func(m *Machine) bool { return m.Forwards(m.in.Seat) && m.callParts() })
	waitsHere   = g("waits", func(m *Machine) bool { return m.legWaits() })
	nobody      = g("nobody is there", func(m *Machine) bool { return len(m.seats) == 0 })
	stillAlarm  = g("the talker is an emergency, no other waits", func(m *Machine) bool { return m.hold.rank.emergency && !m.waitingEmergency(nil) })
	nextCuts    = g("the next one is an emergency, the talker is not", func(m *Machine) bool { return m.nextUrgent() })
	nextTakes   = g("the next one pre-empts the talker", func(m *Machine) bool { return len(m.queue) > 0 && m.cfg.preempts(m.queue[0].rank, m.hold.rank) })
	known       = g("is the burst on the air", func(m *Machine) bool { return m.hold.Burst == m.in.Burst })
	refused     = g("may not talk, or gives no burst ID of its own", func(m *Machine) bool { return !m.entitled() || m.in.Burst.IsZero() || m.usedByAnother() })
	loses       = g("is outranked by the talker", func(m *Machine) bool { return !Outranks(m.asked(), m.hold.Holding, m.cfg.Home) })
)

// entitled reports whether the seat may have what it asks for (§6.3.5.4.4). A dispatcher's break-in that is on the air is carried over.
func (m *Machine) entitled() bool {
	s := m.seat
	switch {
	case s.ReceiveOnly:
		return false
	case m.in.Kind == Carry && s.Dispatcher:
		return true
	case s.Monitor:
		return false
	}
	return s.MayTalk || m.ask.emergency && s.MayEmergency
}

// usedByAnother reports whether somebody else talks, or waits, under the burst ID of the input.
func (m *Machine) usedByAnother() bool {
	if m.in.Burst.IsZero() {
		return false
	}
	return m.hold.seat != nil && m.hold.seat != m.seat && m.hold.Burst == m.in.Burst ||
		slices.ContainsFunc(m.queue, func(e entry) bool { return e.seat != m.seat && e.Burst == m.in.Burst })
}

func (m *Machine) talks() bool { return m.hold.seat == m.seat && m.hold.Seat == m.in.Seat }

// asksAgain reports a talker whose Release got lost: it asks for its next burst.
func (m *Machine) asksAgain() bool {
	return m.talks() && !m.in.Burst.IsZero() && m.in.Burst != m.hold.Burst && m.entitled() && !m.usedByAnother()
}

// goesOn reports a talker whose leg was lost with its node: the unit has come back by another one, and names the burst that it spoke.
func (m *Machine) goesOn() bool {
	h := &m.hold
	return !m.in.Resume.IsZero() && h.Burst == m.in.Resume && h.Unit == m.seat.Unit && h.Unit != 0 && h.Seat != m.in.Seat &&
		!m.in.Burst.IsZero() && m.in.Burst != h.Burst && m.entitled() && !m.usedByAnother()
}

// letsGo reports whether a Release is that of the talker: a late one of an earlier burst is not.
func (m *Machine) letsGo() bool {
	return m.talks() && (m.in.Burst.IsZero() || m.in.Burst == m.hold.Burst)
}

// withdraws finds the queued request that a Release takes back.
func (m *Machine) withdraws() int {
	i := m.queued(m.seat)
	if i >= 0 && m.queue[i].Seat == m.in.Seat && (m.in.Burst.IsZero() || m.in.Burst == m.queue[i].Burst) {
		return i
	}
	return -1
}

func (m *Machine) lastLeaves() bool { return len(m.seats) == 1 && len(m.seat.parts) == 1 }

// callParts reports whether a private call loses one of its two sides.
func (m *Machine) callParts() bool {
	if m.cfg.Kind != Private || m.seat.Monitor || len(m.seat.parts) > 1 {
		return false
	}
	for _, s := range m.seats {
		if s != m.seat && s.Unit == m.seat.Unit && s.Unit != 0 {
			return false // the same unit's other device stays
		}
	}
	return m.others(m.seat) == 1
}

func (m *Machine) legWaits() bool {
	i := m.queued(m.seat)
	return i >= 0 && m.queue[i].Seat == m.in.Seat
}

func (m *Machine) nextUrgent() bool {
	return len(m.queue) > 0 && m.queue[0].rank.emergency && !m.hold.rank.emergency
}

func deny(c DenyCause) serverAction {
	return act(fmt.Sprintf("deny #%d %v", uint8(c), c), func(m *Machine) {
		o := Output{Type: FloorDeny, To: m.in.Seat, Burst: m.in.Burst, Deny: c, Indicator: m.indicator(m.ask.emergency)}
		if c == RetryAfter {
			o.Retry = max(m.seat.retry.Sub(m.now), m.t3.Sub(m.now), m.settle.Sub(m.now))
		}
		m.say(o)
	}, FloorDeny)
}

// end closes the burst and lets its tail out.
func end(why EndCause) serverAction {
	return act("end burst: "+why.String(), func(m *Machine) { m.endBurst(why, false) }, BurstEnd)
}

// cut revokes without grace.
func cut(why RevokeCause, ended EndCause) serverAction {
	return act(fmt.Sprintf("revoke #%d at once, end burst: %v", uint8(why), ended), func(m *Machine) {
		m.tellRevoke(why, 0)
		m.endBurst(ended, true)
	}, FloorRevoke, BurstEnd)
}

// revoke begins the grace (T3).
func revoke(why RevokeCause, ended EndCause) serverAction {
	return act(fmt.Sprintf("revoke #%d with grace", uint8(why)), func(m *Machine) {
		m.tellRevoke(why, m.cfg.RevokeGrace)
		m.t2, m.warn, m.t3, m.ending = time.Time{}, time.Time{}, m.now.Add(m.cfg.RevokeGrace), ended
	}, FloorRevoke)
}

var (
	sit       = act("seat", func(m *Machine) { m.seat = m.sit(m.in.Who) })
	rise      = act("unseat", (*Machine).rise)
	sayIdle   = act("tell it Idle", func(m *Machine) { m.idle(m.seat, m.answerTo()) }, FloorIdle)
	sayTaken  = act("tell it Taken", func(m *Machine) { m.taken(m.seat, m.answerTo()) }, FloorTaken)
	allIdle   = act("tell all Idle; a broadcast ends", (*Machine).tellIdle, FloorIdle, CallEnd)
	allTaken  = act("tell all others Taken", (*Machine).tellTaken, FloorTaken)
	positions = act("tell changed positions", (*Machine).tellPositions, QueuePositionInfo)
	position  = act("tell its position", func(m *Machine) {
		if i := m.queued(m.seat); i >= 0 {
			m.queue[i].told = 0
		}
	})
	notQueued = act("tell it is not queued", func(m *Machine) {
		m.say(Output{Type: QueuePositionInfo, To: m.in.Seat, Waiting: len(m.queue), Indicator: m.indicator(false)})
	}, QueuePositionInfo)

	grant = act("grant", func(m *Machine) {
		m.declare()
		m.give(m.asked(), m.ask, m.seat)
	}, BurstStart, FloorGranted, FloorTaken)
	grantNext = act("grant the next", func(m *Machine) {
		e := m.queue[0]
		e.Since = m.now
		m.give(e.Holding, e.rank, e.seat)
	}, BurstStart, FloorGranted, FloorTaken)
	regrant = act("grant again, raise its rank", func(m *Machine) {
		m.raise()
		m.tellGranted()
	}, FloorTaken, FloorGranted)
	keep = act("take the revocation back", func(m *Machine) { m.t2, m.t3, m.warn, m.ending = time.Time{}, time.Time{}, time.Time{}, 0 })

	enqueue  = act("queue", (*Machine).put)
	displace = act("cancel the last, queue", func(m *Machine) {
		m.cancel(len(m.queue) - 1)
		m.put()
	}, QueueCancel)
	// A pre-emptor always finds a place: that of the last one if need be.
	enqueueFirst = act("queue; the last makes room", func(m *Machine) {
		if m.queued(m.seat) < 0 && m.full() && m.outranksLast() {
			m.cancel(len(m.queue) - 1)
		}
		m.put()
	}, QueueCancel)
	withdraw = act("take its request back", func(m *Machine) { m.drop(func(e *entry) bool { return e.seat == m.seat }) })
	cancelIt = act("cancel its request", func(m *Machine) { m.cancel(m.queued(m.seat)) }, QueueCancel)
	clearAll = act("cancel every request", (*Machine).cancelAll, QueueCancel)
	expire   = act("cancel who waited too long", func(m *Machine) {
		for i := len(m.queue) - 1; i >= 0; i-- {
			if !m.queue[i].Since.Add(m.cfg.QueueTimeout).After(m.now) {
				m.cancel(i)
			}
		}
	}, QueueCancel)

	endRevoked = act("end burst, as revoked", func(m *Machine) { m.endBurst(m.ending, false) }, BurstEnd)
	endCall    = act("end call", func(m *Machine) {
		m.cancelAll()
		m.stopAll()
		m.inCall = false
		m.tellEnd()
	}, QueueCancel, CallEnd)
	reset = act("stop every timer", func(m *Machine) {
		m.stopAll()
		m.queue, m.tail = m.queue[:0], tail{}
	})

	heard   = act("restart T1, start T2", (*Machine).heardTalker)
	heardT1 = act("restart T1", func(m *Machine) { m.t1 = m.after(m.cfg.EndOfMedia) })
	passOn  = act("it is the tail", func(m *Machine) { m.say(Output{Type: MediaTail, To: m.in.Seat, Burst: m.tail.burst}) }, MediaTail)
	scold   = act("discard; revoke #3 once per T8", (*Machine).scold, MediaDiscard, FloorRevoke)
	warning = act("warn it", func(m *Machine) {
		o := m.stream(TalkWarning)
		o.To, o.Left = m.hold.Seat, m.left()
		m.say(o)
	}, TalkWarning)
	extend  = act("start T2 again", (*Machine).startT2)
	raise   = act("note the emergency", (*Machine).declare)
	deprive = act("take its rights", func(m *Machine) {
		p := &m.seat.parts[m.seat.part(m.in.Seat)]
		p.MayTalk, p.MayEmergency, p.Dispatcher = false, false, false
		m.seat.sum()
	})

	adopt = act("take over the burst", func(m *Machine) {
		h := m.asked()
		if !m.in.Since.IsZero() && m.in.Since.Before(m.now) {
			h.Since = m.in.Since
		}
		m.install(h, m.ask, m.seat)
		if m.cfg.TalkLimit > 0 {
			m.t2 = h.Since.Add(m.cfg.TalkLimit)
		}
		m.tellGranted()
		m.tellTaken()
	}, FloorGranted, FloorTaken)
	reject = act("end the reported burst, revoke #4", func(m *Machine) {
		h := m.asked()
		if m.hold.seat == nil || m.hold.Seat != h.Seat {
			m.say(Output{Type: FloorRevoke, To: h.Seat, Burst: h.Burst, Revoked: BurstPreempted, Talker: h.Seat, Unit: h.Unit, Indicator: m.indicator(h.Emergency)})
		}
		m.say(Output{Type: BurstEnd, Burst: h.Burst, Talker: h.Seat, Unit: h.Unit, Group: h.Group,
			Precedence: h.Precedence, Emergency: h.Emergency, Ended: Superseded, Cut: true})
	}, FloorRevoke, BurstEnd)
)

// answerTo is the leg that the input came from.
func (m *Machine) answerTo() fusion.ID {
	if m.in.Kind == Join {
		return m.in.Who.ID
	}
	return m.in.Seat
}

func (m *Machine) heardTalker() {
	m.t1 = m.after(m.cfg.EndOfMedia)
	if m.t2.IsZero() {
		m.startT2()
	}
}

func (m *Machine) startT2() {
	m.t2, m.warn = m.after(m.cfg.TalkLimit), time.Time{}
	if w := m.cfg.TalkWarning; w > 0 && w < m.cfg.TalkLimit {
		m.warn = m.t2.Add(-w)
	}
}

// scold refuses a packet, and says so once in an interval (§6.3.5.7).
func (m *Machine) scold() {
	m.say(Output{Type: MediaDiscard, To: m.in.Seat})
	m.seat.strayed = m.now
	if !m.seat.scolded.IsZero() && m.now.Sub(m.seat.scolded) < m.cfg.RevokeEvery {
		return
	}
	m.seat.scolded = m.now
	m.say(Output{Type: FloorRevoke, To: m.in.Seat, Revoked: NoPermission, Indicator: m.indicator(false)})
}
