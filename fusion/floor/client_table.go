package floor

import (
	"slices"
	"time"
)

// The participant's table (TS 24.380 §6.2.4): what Client.fire runs.

type (
	clientRow    = row[Client, ClientState, ClientKind]
	clientGuard  = guard[Client]
	clientAction = action[Client]

	cIn = []ClientState
	cOn = []ClientKind
	cDo = []clientAction
)

var clientIndex = newIndex(clientStates, clientKinds, clientTable())

func cg(name string, holds func(*Client) bool) clientGuard { return clientGuard{name, holds} }

func cact(name string, do func(*Client)) clientAction { return clientAction{name: name, do: do} }

var (
	allowed   = cg("may request, or it is urgent", func(c *Client) bool { return c.may || c.press.Emergency || c.press.BreakIn })
	rises     = cg("for an emergency", func(c *Client) bool { return c.press.Emergency && !c.wish.Emergency })
	ofMine    = cg("of the burst asked for", func(c *Client) bool { return c.msg.Burst.IsZero() || c.msg.Burst == c.wish.Burst })
	withGrace = cg("of this burst, with grace", func(c *Client) bool { return c.msg.Burst == c.wish.Burst && c.msg.Grace > 0 })
	placed    = cg("there is a place", func(c *Client) bool { return c.msg.Position > 0 })
	ofOther   = cg("of another burst", func(c *Client) bool { return c.msg.Burst != c.wish.Burst })
	tries     = cg("counter below its limit", func(c *Client) bool { return c.said < c.cfg.Times })
)

var (
	wishes = cact("take the wish", func(c *Client) { c.wish = c.press })
	rise1  = cact("make it an emergency", func(c *Client) { c.wish.Emergency = true })
	ask    = cact("send Floor Request, start T101", func(c *Client) {
		c.said = 0
		c.repeatRequest()
	})
	askAgain = cact("send Floor Request again", (*Client).repeatRequest)
	askOnce  = cact("send Floor Request", func(c *Client) { c.order(SendRequest) })
	letGo    = cact("send Floor Release, start T100", func(c *Client) {
		c.quiet()
		c.said = 0
		c.repeatRelease()
	})
	letAgain = cact("send Floor Release again", (*Client).repeatRelease)
	disown   = cact("send Floor Release of it, start T100", func(c *Client) {
		c.quiet()
		c.wish, c.said = Wish{Burst: c.msg.Burst}, 0
		c.repeatRelease()
	})
	askPlace = cact("send Queue Position Request, start T104", func(c *Client) {
		c.said = 0
		c.repeatPosition()
	})
	placeAgain = cact("send Queue Position Request again", (*Client).repeatPosition)
	micOn      = cact("open the microphone", func(c *Client) { c.order(MicOn) })
	micOff     = cact("close the microphone", func(c *Client) { c.order(MicOff) })
	holds      = cact("note the talk time", func(c *Client) {
		c.quiet()
		c.talker, c.place, c.t103 = Output{}, 0, time.Time{}
		if c.until = (time.Time{}); c.msg.Left > 0 {
			c.until = c.now.Add(c.msg.Left)
		}
	})
	hush  = cact("stop T100, T101, T104", (*Client).quiet)
	notes = cact("note who talks, start T103", func(c *Client) {
		c.talker, c.may, c.t103 = c.msg, c.msg.MayRequest, c.after(c.cfg.EndOfMedia)
	})
	forgets = cact("nobody talks, stop T103", func(c *Client) {
		c.talker, c.may, c.t103 = Output{}, c.msg.MayRequest, time.Time{}
	})
	fades   = cact("nobody talks", func(c *Client) { c.talker = Output{} })
	hears   = cact("restart T103", func(c *Client) { c.t103 = c.after(c.cfg.EndOfMedia) })
	queues  = cact("note the place", func(c *Client) { c.quiet(); c.place = c.msg.Position })
	tell    = cact("tell the user", func(c *Client) { c.out = append(c.out, Order{Type: Notify, Wish: c.wish, About: c.msg}) })
	giveUp  = cact("tell the user: no answer", func(c *Client) { c.out = append(c.out, Order{Type: Notify, Wish: c.wish, Timeout: true}) })
	forbids = cact("tell the user: receive only", func(c *Client) {
		c.out = append(c.out, Order{Type: Notify, Wish: c.press, About: Output{Type: FloorDeny, Burst: c.press.Burst, Deny: ReceiveOnly}})
	})
	lingers = cact("start the grace", func(c *Client) { c.grace = c.after(c.msg.Grace) })
	still   = cact("stop every timer", func(c *Client) { c.quiet(); c.t103 = time.Time{} })
	hangUp  = cact("hang up", func(c *Client) { c.quiet(); c.t103 = time.Time{}; c.order(HangUp) })
	bye     = cact("send Floor Release", func(c *Client) { c.order(SendRelease) })
	forget  = cact("forget the call", func(c *Client) {
		*c = Client{cfg: c.cfg, state: c.state, may: true, now: c.now, out: c.out, trace: c.trace}
	})
)

func (c *Client) order(t OrderType) { c.out = append(c.out, Order{Type: t, Wish: c.wish}) }

func (c *Client) repeatRequest() {
	c.said++
	c.order(SendRequest)
	c.t101 = c.after(c.cfg.Retry)
}

func (c *Client) repeatRelease() {
	c.said++
	c.order(SendRelease)
	c.t100 = c.after(c.cfg.Retry)
}

func (c *Client) repeatPosition() {
	c.said++
	c.order(SendPosition)
	c.t104 = c.after(c.cfg.Retry)
}

// quiet stops what is waiting for an answer.
func (c *Client) quiet() {
	c.t100, c.t101, c.t104, c.grace = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	c.place = 0
}

func (c *Client) after(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return c.now.Add(d)
}

func clientTable() []clientRow {
	rows := slices.Concat(callRows(), noPermissionRows(), requestRows(), permissionRows(), releasingRows(), queuedRows())
	return append(rows, clientRest(rows)...)
}

func callRows() []clientRow {
	inCall := cIn{HasNoPermission, PendingRequest, PendingRelease, ClientQueued}
	return []clientRow{
		{in: cIn{ClientStartStop}, on: cOn{Begin}, do: cDo{tell}, to: HasNoPermission, clause: "6.2.4.2.2"},
		{in: cIn{HasPermission}, on: cOn{Stop}, do: cDo{micOff, bye, still, tell}, to: ClientReleasing, clause: "6.2.4.7"},
		{in: cIn{PendingRequest, ClientQueued}, on: cOn{Stop}, do: cDo{bye, still, tell}, to: ClientReleasing, clause: "6.2.4.7"},
		{in: cIn{HasNoPermission, PendingRelease}, on: cOn{Stop}, do: cDo{still, tell}, to: ClientReleasing, clause: "6.2.4.7"},
		{in: cIn{HasPermission}, on: cOn{HeardCallEnd}, do: cDo{micOff, hangUp, tell}, to: ClientReleasing, clause: "6.2.4.7"},
		{in: inCall, on: cOn{HeardCallEnd}, do: cDo{hangUp, tell}, to: ClientReleasing, clause: "6.2.4.7"},
		{in: cIn{HasPermission}, on: cOn{Ended}, do: cDo{micOff, forget, tell}, to: ClientStartStop, clause: "6.2.4.8"},
		{in: inCall, on: cOn{Ended}, do: cDo{forget, tell}, to: ClientStartStop, clause: "6.2.4.8"},
		{in: cIn{ClientReleasing}, on: cOn{Ended}, do: cDo{forget, tell}, to: ClientStartStop, clause: "6.2.4.8"},
	}
}

func noPermissionRows() []clientRow {
	s := cIn{HasNoPermission}
	return []clientRow{
		{in: s, on: cOn{Press}, when: allowed, do: cDo{wishes, ask}, to: PendingRequest, clause: "6.2.4.3.5"},
		{in: s, on: cOn{Press}, do: cDo{forbids}, stays: true, clause: "8.2.3.7"},
		{in: s, on: cOn{Heard}, do: cDo{hears}, stays: true, clause: "6.2.4.3.4"},
		{in: s, on: cOn{HeardTaken}, do: cDo{notes, tell}, stays: true, clause: "6.2.4.3.3"},
		{in: s, on: cOn{HeardIdle}, do: cDo{forgets, tell}, stays: true, clause: "6.2.4.3.2"},
		{in: s, on: cOn{HeardGranted}, do: cDo{disown}, to: PendingRelease, clause: ours},
		{in: s, on: cOn{HeardPosition}, when: placed, do: cDo{disown}, to: PendingRelease, clause: ours},
		{in: s, on: cOn{HeardRevoke}, do: cDo{micOff, tell}, stays: true, clause: ours},
		{in: s, on: cOn{SpeechOver}, do: cDo{fades, tell}, stays: true, clause: "6.2.4.3.6"},
	}
}

func requestRows() []clientRow {
	s := cIn{PendingRequest}
	return []clientRow{
		{in: s, on: cOn{HeardGranted}, when: ofMine, do: cDo{holds, micOn, tell}, to: HasPermission, clause: "6.2.4.4.2"},
		{in: s, on: cOn{HeardDeny}, when: ofMine, do: cDo{hush, tell}, to: HasNoPermission, clause: "6.2.4.4.4"},
		{in: s, on: cOn{HeardCancel}, when: ofMine, do: cDo{hush, tell}, to: HasNoPermission, clause: "6.2.4.9.15"},
		{in: s, on: cOn{HeardPosition}, when: placed, do: cDo{queues, tell}, to: ClientQueued, clause: "6.2.4.4.9"},
		{in: s, on: cOn{HeardTaken}, do: cDo{notes, tell}, stays: true, clause: "6.2.4.4.11"},
		{in: s, on: cOn{HeardIdle}, do: cDo{forgets, tell}, stays: true, clause: ours},
		{in: s, on: cOn{Heard}, do: cDo{hears}, stays: true, clause: "6.2.4.4.7"},
		{in: s, on: cOn{SpeechOver}, do: cDo{fades, tell}, stays: true, clause: "6.2.4.3.6"},
		{in: s, on: cOn{Press}, when: rises, do: cDo{rise1, ask}, stays: true, clause: ours},
		{in: s, on: cOn{LetGo}, do: cDo{letGo}, to: PendingRelease, clause: "6.2.4.4.8"},
		{in: s, on: cOn{NoRequestAnswer}, when: tries, do: cDo{askAgain}, stays: true, clause: "6.2.4.4.5"},
		{in: s, on: cOn{NoRequestAnswer}, do: cDo{hush, giveUp}, to: HasNoPermission, clause: "6.2.4.4.6"},
	}
}

func permissionRows() []clientRow {
	s := cIn{HasPermission}
	return []clientRow{
		{in: s, on: cOn{LetGo}, do: cDo{micOff, letGo}, to: PendingRelease, clause: "6.2.4.5.3"},
		{in: s, on: cOn{Press}, when: rises, do: cDo{rise1, askOnce}, stays: true, clause: ours},
		{in: s, on: cOn{HeardGranted}, when: ofMine, do: cDo{holds, tell}, stays: true, clause: "6.2.4.5.5"},
		{in: s, on: cOn{HeardRevoke}, when: withGrace, do: cDo{lingers, tell}, stays: true, clause: "6.2.4.5.4"},
		{in: s, on: cOn{HeardRevoke}, when: ofMine, do: cDo{micOff, tell, letGo}, to: PendingRelease, clause: "6.2.4.5.4"},
		{in: s, on: cOn{GraceOver}, do: cDo{micOff, letGo}, to: PendingRelease, clause: "6.2.4.5.4"},
		{in: s, on: cOn{HeardTaken}, when: ofOther, do: cDo{micOff, hush, notes, tell}, to: HasNoPermission, clause: ours},
		{in: s, on: cOn{HeardWarning}, do: cDo{tell}, stays: true, clause: ours},
	}
}

func releasingRows() []clientRow {
	s := cIn{PendingRelease}
	return []clientRow{
		{in: s, on: cOn{NoReleaseAnswer}, when: tries, do: cDo{letAgain}, stays: true, clause: "6.2.4.6.2"},
		{in: s, on: cOn{NoReleaseAnswer}, do: cDo{hush, giveUp}, to: HasNoPermission, clause: "6.2.4.6.3"},
		{in: s, on: cOn{HeardIdle}, do: cDo{hush, forgets, tell}, to: HasNoPermission, clause: "6.2.4.6.4"},
		{in: s, on: cOn{HeardTaken}, do: cDo{hush, notes, tell}, to: HasNoPermission, clause: "6.2.4.6.5"},
		{in: s, on: cOn{Heard}, do: cDo{hush, hears}, to: HasNoPermission, clause: "6.2.4.6.6"},
		{in: s, on: cOn{HeardRevoke}, do: cDo{tell}, stays: true, clause: "6.2.4.6.7"},
		{in: s, on: cOn{HeardGranted}, stays: true, clause: "6.2.4.6.8"},
		{in: s, on: cOn{Press}, when: allowed, do: cDo{hush, wishes, ask}, to: PendingRequest, clause: ours},
		{in: s, on: cOn{Press}, do: cDo{forbids}, stays: true, clause: "8.2.3.7"},
		{in: s, on: cOn{SpeechOver}, do: cDo{fades}, stays: true, clause: "6.2.4.3.6"},
	}
}

func queuedRows() []clientRow {
	s := cIn{ClientQueued}
	return []clientRow{
		{in: s, on: cOn{HeardGranted}, when: ofMine, do: cDo{holds, micOn, tell}, to: HasPermission, clause: "6.2.4.9.4"},
		{in: s, on: cOn{HeardDeny}, when: ofMine, do: cDo{hush, tell}, to: HasNoPermission, clause: "6.2.4.9.5"},
		{in: s, on: cOn{HeardCancel}, when: ofMine, do: cDo{hush, tell}, to: HasNoPermission, clause: "6.2.4.9.15"},
		{in: s, on: cOn{HeardPosition}, when: placed, do: cDo{queues, tell}, stays: true, clause: "6.2.4.9.7"},
		{in: s, on: cOn{HeardPosition}, do: cDo{hush, tell}, to: HasNoPermission, clause: ours},
		{in: s, on: cOn{HeardIdle}, do: cDo{hush, forgets, tell}, to: HasNoPermission, clause: "6.2.4.9.8"},
		{in: s, on: cOn{HeardTaken}, do: cDo{notes, tell}, stays: true, clause: "6.2.4.9.3"},
		{in: s, on: cOn{Heard}, do: cDo{hears}, stays: true, clause: "6.2.4.9.2"},
		{in: s, on: cOn{SpeechOver}, do: cDo{fades, tell}, stays: true, clause: "6.2.4.3.6"},
		{in: s, on: cOn{LetGo}, do: cDo{letGo}, to: PendingRelease, clause: "6.2.4.9.6"},
		{in: s, on: cOn{Press}, when: rises, do: cDo{rise1, ask}, to: PendingRequest, clause: ours},
		{in: s, on: cOn{Ask}, do: cDo{askPlace}, stays: true, clause: "6.2.4.9.9"},
		{in: s, on: cOn{NoPositionAnswer}, when: tries, do: cDo{placeAgain}, stays: true, clause: "6.2.4.9.10"},
		{in: s, on: cOn{NoPositionAnswer}, do: cDo{giveUp, letGo}, to: PendingRelease, clause: "6.2.4.9.11"},
	}
}

// clientRest closes the table: what has no procedure is discarded (§6.2.4.1), and timers run only where they are started.
func clientRest(rows []clientRow) (rest []clientRow) {
	closed := func(s ClientState, k ClientKind) bool {
		return slices.ContainsFunc(rows, func(r clientRow) bool { return r.when.holds == nil && r.is(s, k) })
	}
	for s := range ClientState(clientStates) {
		for k := range ClientKind(clientKinds) {
			if !closed(s, k) {
				rest = append(rest, clientRow{in: cIn{s}, on: cOn{k}, stays: true, clause: "6.2.4.1", never: k >= NoReleaseAnswer})
			}
		}
	}
	return rest
}
