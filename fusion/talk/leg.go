package talk

import (
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/voice"
)

// Leg (支路) is one attachment of a unit to a conversation, as a transport implements it: it hears as a voice.Sink and is
// told what the floor says.
type Leg interface {
	voice.Sink
	// Unit says whose leg this is; 0 for a caller from outside.
	Unit() fusion.Number
	// Indicate hands over one floor message for this leg. It must not block.
	Indicate(Indication)
}

// Kind names an indication after the floor message of TS 24.380 that it carries.
type Kind string

// The kinds of indication.
const (
	Granted  Kind = "granted"  // you may talk; Limit says for how long
	Taken    Kind = "taken"    // somebody else talks: Talker, Name
	Denied   Kind = "denied"   // your request was refused: Cause
	Idle     Kind = "idle"     // nobody talks
	Revoked  Kind = "revoked"  // stop talking: Cause
	Queued   Kind = "queued"   // your request waits: Place
	Unqueued Kind = "unqueued" // your request no longer waits, without a grant
	Expiring Kind = "expiring" // your talk time ends soon: Limit says in how many seconds
	Ended    Kind = "ended"    // the conversation is over, or you were removed from it: Cause
)

// Indication is one floor message to one leg.
type Indication struct {
	Talk      fusion.Talk       `json:"talk"`
	Kind      Kind              `json:"kind"`
	Request   fusion.ID         `json:"request,omitzero"` // the request that it answers
	Burst     fusion.ID         `json:"burst,omitzero"`
	Talker    fusion.Number     `json:"talker,omitempty"`
	Name      string            `json:"name,omitempty"`
	Emergency bool              `json:"emergency,omitempty"`
	Prec      fusion.Precedence `json:"precedence"`
	Cause     string            `json:"cause,omitempty"` // in snake_case, as the floor names it
	Place     int               `json:"place,omitempty"` // in the queue, from 1
	Limit     int               `json:"limit,omitempty"` // seconds that one may talk
	Hearing   int               `json:"hearing"`         // with Granted: how many hear; 0 sounds a tone of its own
}

// Request asks for the floor.
type Request struct {
	ID         fusion.ID         // answers name it; also the ID of the burst that it leads to, so it is never used twice
	Precedence fusion.Precedence // who asks sets it: the zero value is FlashOverride
	Ordinary   bool              // who asks names no precedence: it is the group's, GroupConfig.Prec, or routine in a call
	Emergency  bool
	BreakIn    bool      // dispatcher's 强插
	Resume     fusion.ID // the burst that the unit spoke when it lost its node: it goes on before anybody else
	Press      fusion.ID // one press that asks in several conversations (多选): who is in two of them hears it once
}

// Seat is a leg's place in one conversation.
type Seat interface {
	// Request asks for the floor; the answer comes as an Indication.
	Request(Request)
	// Release gives the floor up, or takes the request back.
	Release()
	// Push hands in one packet of the leg's speech. It is heard only while the leg holds the floor, or in a full-duplex call.
	// It allocates nothing and does not block.
	Push(*voice.Packet)
	// Hold stops (true) or resumes what the leg hears, and releases the floor; in a full-duplex call it is not heard meanwhile either.
	Hold(bool)
	// Leave ends the seat. It may be called more than once.
	Leave()
}
