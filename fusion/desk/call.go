package desk

import (
	"time"
	"unicode/utf8"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
)

// Status says how far a call is.
type Status string

// The states of a call.
const (
	StatusRinging  Status = "ringing"  // a unit is being called
	StatusQueued   Status = "queued"   // it waits at a position
	StatusDialling Status = "dialling" // we are calling out
	StatusAnswered Status = "answered"
	StatusHeld     Status = "held"
	StatusInGroup  Status = "in_group" // its line sits in a talk group
	StatusEnded    Status = "ended"
)

// Call is one live call as clients see it.
type Call struct {
	ID       fusion.ID
	Status   Status
	From     Caller
	To       fusion.Number // unit, extension or group that was called, or 0
	Digits   string        // what was dialled outward
	Position fusion.Number // whose queue it is in, or was
	Group    fusion.Number // the group that it sits in
	By       string        // the user who placed or serves it
	ByUnit   fusion.Number
	Talk     fusion.Talk // to join to speak with it; zero while nobody has answered and in a group
	Floor    bool        // half-duplex: one presses to talk (单呼)
	Since    time.Time   // of its status
	Started  time.Time
	Answered time.Time // zero: never
	Cause    Cause     // once it has ended
}

// Outside reports whether the caller has not proved who it is (未鉴权).
func (c Call) Outside() bool { return c.From.Unit == 0 && c.From.Digits != "" }

// record is what stays of the call.
func (c Call) record(now time.Time) state.CallRecord {
	r := state.CallRecord{
		ID: c.ID, From: c.From.Unit, FromName: c.From.Name, Outside: c.Outside(), To: c.To, ToDigits: c.Digits, Position: c.Position,
		By: c.By, Start: millis(c.Started), Answered: millis(c.Answered), End: millis(now), Result: "answered",
	}
	if r.FromName == "" {
		r.FromName = c.From.Digits
	} else if c.Outside() {
		digits := " <" + c.From.Digits + ">"
		r.FromName = short(r.FromName, max(0, state.MaxName-len(digits))) + digits
	}
	r.FromName = short(r.FromName, state.MaxName)
	switch {
	case !c.Answered.IsZero():
	case c.Cause == BusyHere:
		r.Result = "busy"
	case c.Cause == Failed || c.Cause == NotFound || c.Cause == Overloaded:
		r.Result = "failed"
	case c.Cause == Refused || c.Cause == NotAllowed:
		r.Result = "refused"
	default:
		r.Result = "missed"
	}
	return r
}

// short cuts a claim to so many octets, between two letters.
func short(s string, octets int) string {
	if len(s) <= octets {
		return s
	}
	for octets > 0 && !utf8.RuneStart(s[octets]) {
		octets--
	}
	return s[:octets]
}

func millis(t time.Time) state.Millis {
	if t.IsZero() {
		return 0
	}
	return state.Millis(t.UnixMilli())
}

// live is a call with what serves it. The switchboard's lock guards it.
type live struct {
	Call
	a, b  *party        // who called, and who was called when that is a line too
	rings []*party      // lines that ring for it besides b: the duty phone
	timer *time.Timer   // what happens when nobody answers
	guard *time.Timer   // looks whether the console that serves it is still there
	class string        // the class of service whose place it takes
	back  fusion.Number // the position that it comes back to when nobody takes a transfer
	phase int           // counts where it has gone: what was dialled for an earlier phase comes too late
	alone bool          // its console was not there when the guard looked last
}

// party is one line of a call.
type party struct {
	line Line
	call *live
	seat talk.Seat
	up   bool // answered
	gone bool
}

// parties lists the lines that are still there.
func (c *live) parties() (list []*party) {
	for _, p := range append([]*party{c.a, c.b}, c.rings...) {
		if p != nil && !p.gone {
			list = append(list, p)
		}
	}
	return list
}

// rung reports whether a telephone rings for the call.
func (c *live) rung(unit fusion.Number) bool {
	for _, p := range c.rings {
		if !p.gone && p.line.Unit() == unit {
			return true
		}
	}
	return false
}
