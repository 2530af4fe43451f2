package desk

import (
	"context"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
)

// Caller says who is at the other end of a line.
type Caller struct {
	Unit   fusion.Number // the extension that proved itself, or 0
	Name   string        // the display name; a claim when Unit is 0
	Digits string        // the caller ID; a claim when Unit is 0 (shown as 未鉴权)
	Trunk  string        // the trunk that the call came by, or empty
	Addr   string        // network address, for the audit
}

// Cause says why a line ends or is refused; transports translate it (for SIP: 200 BYE, 486, 480, 403, 404, 488, 503, 603).
type Cause string

// The causes.
const (
	Normal     Cause = "normal"
	BusyHere   Cause = "busy"
	NoAnswer   Cause = "no_answer"
	NotAllowed Cause = "not_allowed"
	NotFound   Cause = "not_found"
	Refused    Cause = "refused"
	Overloaded Cause = "overloaded"
	Failed     Cause = "failed"
)

// Tone is what a line is played while no conversation is heard.
type Tone string

// The tones and spoken prompts.
const (
	Silence     Tone = ""
	RingBack    Tone = "ring_back"
	Waiting     Tone = "waiting"      // 您好，请稍候，正在为您转接值班席位
	OnHold      Tone = "on_hold"      // 通话已保持，请稍候
	NotInGroup  Tone = "not_in_group" // 您无权加入该通话组
	GroupJoined Tone = "group_joined" // 已加入通话组，按星号键讲话，按井号键释放
)

// Line is one telephone call leg, as a transport implements it. Its talk.Leg plays grant, deny and queue tones by
// itself on Indicate. Methods are safe from any goroutine and do not block unless they take a context.
type Line interface {
	talk.Leg
	ID() fusion.ID
	Caller() Caller
	// Ringing tells the far end that it rings here (180).
	Ringing()
	// Answer takes the call (200 OK). An error says that the caller has gone.
	Answer(ctx context.Context) error
	// Play plays a tone until the next Play or until a stream begins.
	Play(Tone)
	// Sit gives the line the seat that its keys (* and #, voice activation) and speech go to; nil takes it away. Full
	// duplex says that speech goes in without a key.
	Sit(seat talk.Seat, fullDuplex bool)
	// Hang ends the call.
	Hang(Cause)
}

// LineEvents is how a line tells the switchboard what the far end does.
type LineEvents interface {
	// Answered: an outgoing line was taken. Early says that it only rings yet (180, 183).
	Answered(line Line, early bool)
	// Held: the far end put us on hold (true), or took us back.
	Held(line Line, held bool)
	// Transfer: the far end asks to be replaced by these digits (REFER).
	Transfer(line Line, digits string)
	// Ended: the line is gone, whoever ended it. It comes exactly once for each line that was handed over.
	Ended(line Line, cause Cause)
}

// Dialler places calls. An error is a *fusion.Error.
type Dialler interface {
	// Dial calls an extension (by its unit's number) or digits by a trunk. The line is returned while it still rings; what happens next comes
	// by LineEvents.
	Dial(ctx context.Context, to Target) (Line, error)
	// Registered reports whether the extension can be reached now.
	Registered(unit fusion.Number) bool
}

// Target is whom to dial: a Unit, or Digits by a Trunk.
type Target struct {
	Unit   fusion.Number
	Digits string
	Trunk  string
	From   string // caller ID to show
}

// Incoming is what a transport hands every new call to. It must not block. A refusal is by line.Hang.
type Incoming interface {
	Incoming(line Line, digits string)
}
