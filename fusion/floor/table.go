package floor

import "slices"

// The server's table: the general floor control operation (TS 24.380 §6.3.4), with what it says towards each participant (§6.3.5).
// It is what Machine.fire runs. A guard is about the seat of the input, unless it says otherwise.

const (
	g6342  = "6.3.4.2"
	silent = "6.3.4.1" // no procedure: discarded
	ours   = "ours"
)

type (
	in = []State
	on = []Kind
	do = []serverAction
)

var asks = on{Request, BreakIn, EmergencyRaise}

func serverTable() []serverRow {
	return slices.Concat(joinRows(), leaveRows(), askRows(), releaseRows(), mediaRows(), powerRows(), takeoverRows(), timerRows(), impossibleRows())
}

func joinRows() []serverRow {
	return []serverRow{
		{in: in{StartStop}, on: on{Join}, do: do{sit, sayIdle}, to: Idle, clause: "6.3.4.2.2"},
		{in: in{Idle}, on: on{Join}, do: do{sit, sayIdle}, stays: true, clause: "6.3.5.2.2"},
		{in: in{Taken, PendingRevoke}, on: on{Join}, do: do{sit, sayTaken}, stays: true, clause: "6.3.5.2.2"},
		{in: in{Initialising}, on: on{Join}, do: do{sit}, stays: true, clause: "6.3.5.10"},
		{in: in{Releasing}, on: on{Join}, stays: true, clause: silent},
	}
}

func leaveRows() []serverRow {
	return []serverRow{
		{in: in{Idle, Initialising, Releasing}, on: on{Leave}, when: last, do: do{rise, reset}, to: StartStop, clause: "6.3.4.7"},
		{in: in{Idle, Initialising}, on: on{Leave}, when: parts, do: do{rise, endCall}, to: Releasing, clause: "6.3.4.6"},
		{in: in{Idle, Releasing}, on: on{Leave}, do: do{rise}, stays: true, clause: "6.3.5.8"},

		{in: in{Taken, PendingRevoke}, on: on{Leave}, when: mineLast, do: do{end(Left), rise, reset}, to: StartStop, clause: "6.3.4.7"},
		{in: in{Taken, PendingRevoke}, on: on{Leave}, when: mineParts, do: do{end(Left), rise, endCall}, to: Releasing, clause: "6.3.4.6"},
		{in: in{Taken, PendingRevoke}, on: on{Leave}, when: minePasses, do: do{end(Left), rise, grantNext, positions}, to: Taken, clause: "6.3.4.4.11"},
		{in: in{Taken, PendingRevoke}, on: on{Leave}, when: mine, do: do{end(Left), rise, allIdle}, to: Idle, clause: "6.3.4.4.11"},
		{in: in{Taken, PendingRevoke}, on: on{Leave}, when: parts, do: do{rise, end(CallEnded), endCall}, to: Releasing, clause: "6.3.4.6"},
		{in: in{Taken, PendingRevoke, Initialising}, on: on{Leave}, do: do{rise, positions}, stays: true, clause: "6.3.5.8"},
	}
}

// askRows answers Floor Request and what goes like one: break-in, and an emergency with a burst ID.
func askRows() []serverRow {
	open := in{Idle, Taken, PendingRevoke, Initialising}
	return []serverRow{
		{in: in{Taken}, on: asks, when: moves, do: do{end(Left), grant, positions}, to: Taken, clause: ours},
		{in: in{Taken}, on: asks, when: again, do: do{end(Released), grant}, to: Taken, clause: ours},
		{in: in{Taken}, on: asks, when: againWaits, do: do{end(Released), enqueue, grantNext, positions}, to: Taken, clause: ours},
		{in: in{Taken}, on: asks, when: holder, do: do{regrant}, stays: true, clause: "6.3.4.4.8"},
		{in: in{PendingRevoke}, on: asks, when: againRival, do: do{endRevoked, grant, positions}, to: Taken, clause: ours},
		{in: in{PendingRevoke}, on: asks, when: holderRival, do: do{keep, regrant, positions}, to: Taken, clause: ours},
		{in: in{PendingRevoke}, on: asks, when: holder, do: do{deny(RetryAfter)}, stays: true, clause: "6.3.5.6"},

		{in: open, on: on{Request, EmergencyRaise}, when: barred, do: do{deny(ReceiveOnly)}, stays: true, clause: "6.3.5.4.4"},
		{in: open, on: on{BreakIn}, when: noBreakIn, do: do{deny(DenyOther)}, stays: true, clause: ours},
		{in: open, on: on{EmergencyRaise}, when: noBurst, do: do{raise}, stays: true, clause: ours},
		{in: open, on: on{Request, BreakIn}, when: noBurst, do: do{deny(InternalError)}, stays: true, clause: ours},
		{in: in{Taken, PendingRevoke, Initialising}, on: asks, when: dupBurst, do: do{deny(InternalError)}, stays: true, clause: ours},
		{in: open, on: on{Request}, when: tooSoon, do: do{deny(RetryAfter)}, stays: true, clause: "8.2.6.2"},

		{in: in{Idle}, on: on{Request, BreakIn}, when: alone, do: do{deny(OnlyOneParticipant)}, stays: true, clause: "6.3.4.3.3"},
		{in: in{Idle}, on: asks, do: do{grant}, to: Taken, clause: "6.3.4.3.3"},

		{in: in{Taken}, on: asks, when: cutsIn, do: do{cut(BurstPreempted, Preempted), grant, positions}, to: Taken, clause: "6.3.4.4.7"},
		{in: in{PendingRevoke}, on: asks, when: firstAlarm, do: do{cut(BurstPreempted, Preempted), grant, positions}, to: Taken, clause: "6.3.4.4.7"},
		{in: in{Taken, PendingRevoke}, on: asks, when: ownOther, do: do{deny(AnotherHasPermission)}, stays: true, clause: ours},
		{in: in{Initialising}, on: asks, when: urgent, do: do{grant, positions}, to: Taken, clause: ours},
		{in: in{Taken, PendingRevoke}, on: on{Request}, when: listens, do: do{deny(ReceiveOnly)}, stays: true, clause: "6.3.5.4.4"},
		{in: in{Taken}, on: on{Request, BreakIn}, when: preempting, do: do{enqueueFirst, revoke(BurstPreempted, Preempted), positions}, to: PendingRevoke, clause: "6.3.4.4.7"},

		{in: in{Taken, PendingRevoke}, on: asks, when: waits, do: do{enqueue, position, positions}, stays: true, clause: "6.3.5.4.4"},
		{in: in{Initialising}, on: on{Request, BreakIn}, when: waits, do: do{enqueue, position, positions}, stays: true, clause: ours},
		{in: in{Taken, PendingRevoke}, on: asks, when: displaces, do: do{displace, positions}, stays: true, clause: ours},
		{in: in{Initialising}, on: on{Request, BreakIn}, when: displaces, do: do{displace, positions}, stays: true, clause: ours},
		{in: in{Taken, PendingRevoke}, on: on{Request, BreakIn}, when: noQueue, do: do{deny(AnotherHasPermission)}, stays: true, clause: "6.3.5.4.4"},
		{in: in{Initialising}, on: on{Request, BreakIn}, when: noQueue, do: do{deny(RetryAfter)}, stays: true, clause: ours},
		{in: in{Taken, PendingRevoke, Initialising}, on: on{Request, BreakIn}, when: noRoom, do: do{deny(QueueFull)}, stays: true, clause: "6.3.5.4.4"},
		{in: in{Taken, PendingRevoke}, on: asks, do: do{enqueue, positions}, stays: true, clause: "6.3.5.4.4"},
		{in: in{Initialising}, on: on{Request, BreakIn}, do: do{enqueue, positions}, stays: true, clause: ours},
		{in: in{Initialising}, on: on{EmergencyRaise}, stays: true, clause: ours, never: true},

		{in: in{Releasing}, on: asks, do: do{deny(DenyOther)}, stays: true, clause: "6.3.4.7"},
	}
}

func releaseRows() []serverRow {
	return []serverRow{
		{in: in{Taken}, on: on{Release}, when: passes, do: do{end(Released), grantNext, positions}, to: Taken, clause: "6.3.4.4.6"},
		{in: in{Taken}, on: on{Release}, when: lets, do: do{end(Released), allIdle}, to: Idle, clause: "6.3.4.4.6"},
		{in: in{PendingRevoke}, on: on{Release}, when: passes, do: do{endRevoked, grantNext, positions}, to: Taken, clause: "6.3.4.5.4"},
		{in: in{PendingRevoke}, on: on{Release}, when: lets, do: do{endRevoked, allIdle}, to: Idle, clause: "6.3.4.5.4"},
		{in: in{Taken, PendingRevoke}, on: on{Release}, when: gives, do: do{withdraw, sayTaken, positions}, stays: true, clause: "6.3.5.4.5"},
		{in: in{Taken, PendingRevoke}, on: on{Release}, do: do{sayTaken}, stays: true, clause: "6.3.5.4.5"},
		{in: in{Idle}, on: on{Release}, do: do{sayIdle}, stays: true, clause: "6.3.5.3.7"},
		{in: in{Initialising}, on: on{Release}, when: gives, do: do{withdraw, sayIdle, positions}, stays: true, clause: ours},
		{in: in{Initialising}, on: on{Release}, do: do{sayIdle}, stays: true, clause: ours},
		{in: in{Releasing}, on: on{Release}, stays: true, clause: silent},

		{in: in{Taken, PendingRevoke, Initialising}, on: on{QueuePosition}, when: waits, do: do{position, positions}, stays: true, clause: "6.3.5.4.7"},
		{in: in{Idle, Taken, PendingRevoke, Initialising}, on: on{QueuePosition}, do: do{notQueued}, stays: true, clause: "6.3.5.4.7"},
		{in: in{Releasing}, on: on{QueuePosition}, stays: true, clause: silent},
	}
}

func mediaRows() []serverRow {
	return []serverRow{
		{in: in{Taken}, on: on{Media}, when: mine, do: do{heard}, stays: true, clause: "6.3.4.4.5"},
		{in: in{PendingRevoke}, on: on{Media}, when: mine, do: do{heardT1}, stays: true, clause: "6.3.4.5.3"},
		{in: in{Idle, Taken, PendingRevoke, Releasing}, on: on{Media}, when: late, do: do{passOn}, stays: true, clause: ours},
		{in: in{Idle, Taken, PendingRevoke, Releasing}, on: on{Media}, do: do{scold}, stays: true, clause: "6.3.5.7"},
		{in: in{Initialising}, on: on{Media}, stays: true, clause: ours},
	}
}

// powerRows are the dispatcher's powers, rights that change, and the end of the call.
func powerRows() []serverRow {
	return []serverRow{
		{in: in{Taken, PendingRevoke}, on: on{ForceClear}, do: do{clearAll, cut(RevokedByAnother, Forced), allIdle}, to: Idle, clause: "6.3.4.4.16"},
		{in: in{Initialising}, on: on{ForceClear}, do: do{clearAll}, stays: true, clause: ours},
		{in: in{StartStop, Idle, Releasing}, on: on{ForceClear}, stays: true, clause: silent},

		{in: in{Taken, PendingRevoke}, on: on{EmergencyClear}, when: nextCuts, do: do{cut(BurstPreempted, Preempted), grantNext, positions}, to: Taken, clause: ours},
		{in: in{Taken}, on: on{EmergencyClear}, when: nextTakes, do: do{revoke(BurstPreempted, Preempted), positions}, to: PendingRevoke, clause: ours},
		{in: in{Taken, PendingRevoke}, on: on{EmergencyClear}, do: do{allTaken, positions}, stays: true, clause: ours},
		{in: in{Initialising}, on: on{EmergencyClear}, do: do{positions}, stays: true, clause: ours},
		{in: in{StartStop, Idle, Releasing}, on: on{EmergencyClear}, stays: true, clause: ours},

		{in: in{Taken, PendingRevoke}, on: on{Revoke}, when: minePasses, do: do{deprive, cut(NoPermission, Withdrawn), grantNext, positions}, to: Taken, clause: ours},
		{in: in{Taken, PendingRevoke}, on: on{Revoke}, when: mine, do: do{deprive, cut(NoPermission, Withdrawn), allIdle}, to: Idle, clause: ours},
		{in: in{Taken, PendingRevoke, Initialising}, on: on{Revoke}, when: waitsHere, do: do{deprive, cancelIt, positions}, stays: true, clause: ours},
		{in: in{Idle, Taken, PendingRevoke, Initialising, Releasing}, on: on{Revoke}, do: do{deprive}, stays: true, clause: ours},

		{in: in{Taken, PendingRevoke}, on: on{Close}, do: do{end(CallEnded), endCall}, to: Releasing, clause: "6.3.4.6"},
		{in: in{Initialising}, on: on{Close}, when: nobody, do: do{reset}, to: StartStop, clause: "6.3.4.7"},
		{in: in{Idle, Initialising}, on: on{Close}, do: do{endCall}, to: Releasing, clause: "6.3.4.6"},
		{in: in{StartStop, Releasing}, on: on{Close}, stays: true, clause: silent},
	}
}

// takeoverRows are for arbiters that change and grants that meet.
func takeoverRows() []serverRow {
	return []serverRow{
		{in: in{Taken, PendingRevoke}, on: on{Carry}, when: known, stays: true, clause: ours},
		{in: in{Taken}, on: on{Carry}, when: moves, do: do{end(Left), adopt, positions}, to: Taken, clause: ours},
		{in: in{Idle, Taken, PendingRevoke, Initialising}, on: on{Carry}, when: refused, do: do{reject}, stays: true, clause: ours},
		{in: in{Taken, PendingRevoke}, on: on{Carry}, when: loses, do: do{reject}, stays: true, clause: ours},
		{in: in{Taken, PendingRevoke}, on: on{Carry}, do: do{cut(BurstPreempted, Superseded), adopt, positions}, to: Taken, clause: ours},
		{in: in{Idle, Initialising}, on: on{Carry}, do: do{adopt, positions}, to: Taken, clause: ours},
		{in: in{Releasing}, on: on{Carry}, do: do{reject}, stays: true, clause: ours},

		{in: in{Taken}, on: on{Regrouped}, when: nextTakes, do: do{allTaken, revoke(BurstPreempted, Preempted), positions}, to: PendingRevoke, clause: ours},
		{in: in{Taken, PendingRevoke}, on: on{Regrouped}, do: do{allTaken, positions}, stays: true, clause: ours},
		{in: in{Idle}, on: on{Regrouped}, when: someone, do: do{grantNext, positions}, to: Taken, clause: ours},
		{in: in{Idle}, on: on{Regrouped}, do: do{allIdle}, stays: true, clause: ours},
		{in: in{Initialising}, on: on{Regrouped}, do: do{positions}, stays: true, clause: ours},
		{in: in{StartStop}, on: on{Regrouped}, stays: true, clause: ours},
	}
}

func timerRows() []serverRow {
	return []serverRow{
		{in: in{Taken}, on: on{EndOfMedia}, when: someone, do: do{cut(RevokeOther, Silent), grantNext, positions}, to: Taken, clause: "6.3.4.4.3"},
		{in: in{Taken}, on: on{EndOfMedia}, do: do{cut(RevokeOther, Silent), allIdle}, to: Idle, clause: "6.3.4.4.3"},
		{in: in{PendingRevoke}, on: on{EndOfMedia, StopTalkingGrace}, when: someone, do: do{endRevoked, grantNext, positions}, to: Taken, clause: "6.3.4.5.5-6"},
		{in: in{PendingRevoke}, on: on{EndOfMedia, StopTalkingGrace}, do: do{endRevoked, allIdle}, to: Idle, clause: "6.3.4.5.5-6"},
		{in: in{Taken}, on: on{TalkWarn}, do: do{warning}, stays: true, clause: ours},
		{in: in{Taken}, on: on{StopTalking}, when: stillAlarm, do: do{extend}, stays: true, clause: ours},
		{in: in{Taken}, on: on{StopTalking}, do: do{revoke(BurstTooLong, TooLong)}, to: PendingRevoke, clause: "6.3.4.4.4"},
		{in: in{Idle}, on: on{Inactive}, do: do{endCall}, to: Releasing, clause: "6.3.4.3.5"},
		{in: in{Initialising}, on: on{Settled}, when: nobody, do: do{reset}, to: StartStop, clause: ours},
		{in: in{Initialising}, on: on{Settled}, when: someone, do: do{grantNext, positions}, to: Taken, clause: "6.3.4.8"},
		{in: in{Initialising}, on: on{Settled}, do: do{allIdle}, to: Idle, clause: "6.3.4.8"},
		{in: in{Taken, PendingRevoke, Initialising}, on: on{QueueExpired}, do: do{expire, positions}, stays: true, clause: ours},
	}
}

// impossibleRows close the table: the machine's own bookkeeping excludes them, and a test proves that they do not occur.
func impossibleRows() []serverRow {
	not := func(k Kind, states ...State) serverRow {
		return serverRow{in: states, on: on{k}, stays: true, clause: silent, never: true}
	}
	return []serverRow{
		{in: in{StartStop}, on: on{Leave, Request, BreakIn, EmergencyRaise, Release, Media, Revoke, QueuePosition, Carry}, stays: true, clause: g6342, never: true},
		not(EndOfMedia, StartStop, Idle, Releasing, Initialising),
		not(TalkWarn, StartStop, Idle, PendingRevoke, Releasing, Initialising),
		not(StopTalking, StartStop, Idle, PendingRevoke, Releasing, Initialising),
		not(StopTalkingGrace, StartStop, Idle, Taken, Releasing, Initialising),
		not(Inactive, StartStop, Taken, PendingRevoke, Releasing, Initialising),
		not(Settled, StartStop, Idle, Taken, PendingRevoke, Releasing),
		not(QueueExpired, StartStop, Idle, Releasing),
		not(Regrouped, Releasing),
	}
}
