package talk

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/voice"
)

// JoinOptions say what a leg may do in the conversation that it joins. Whoever joins a leg has checked its rights.
type JoinOptions struct {
	Name         string    // shown to the others
	Via          string    // "console", "phone", "outside", "terminal"
	Terminal     fusion.ID // the device, when it has several seats (a console in many groups): it hears nothing twice
	MayTalk      bool
	MayEmergency bool  // may take the floor in an emergency even without MayTalk
	Priority     uint8 // the unit's own in the group
	Dispatcher   bool  // may break in (强插)
	Monitor      bool  // hears unlisted (监听)
}

// State is who is in a conversation, who talks and who waits.
type State struct {
	Talk      fusion.Talk
	Patch     fusion.ID // the patch that the group is part of, if any
	Seats     []SeatState
	Talker    fusion.Number
	Name      string
	Burst     fusion.ID // zero when nobody talks
	Since     time.Time
	Emergency bool            // of who talks
	Alarms    []fusion.Number // units whose emergency call has not been ended; 0 is one without a number
	Queue     []SeatState     // next first
	Hearing   int             // how many can hear
	Deaf      []string        // names of those who are in it but cannot hear now
}

// SeatState is one participant as shown.
type SeatState struct {
	Unit fusion.Number
	Name string
	Via  string
	Talk bool // may talk
}

// GroupConfig is what the floor of a group must know.
type GroupConfig struct {
	Name      string
	Broadcast bool
	Temporary bool
	Priority  uint8
	Prec      fusion.Precedence // of an ordinary press
	TalkLimit time.Duration     // 0: the default
}

// Listener is what a Leg may implement besides: the sink that hears for it, when that is not the leg itself. Outlets know their own sinks only, so a leg that
// merely passes the calls of another sink on would be delivered nothing.
type Listener interface {
	Sink() voice.Sink
}

// Hearer is what a Leg may implement besides: it says whether speech would reach it now. A leg that does not is taken to hear.
type Hearer interface {
	// Hears is false while the leg's media is not up, or it is on hold.
	Hears() bool
}
