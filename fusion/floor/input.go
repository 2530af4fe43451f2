package floor

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Kind says what happened.
type Kind uint8

// What a caller reports. Those after Close come from the machine itself: its timers, and Merge and Part.
const (
	Join           Kind = iota // Who takes a seat; again with the same ID changes its rights, but takes no floor away: that is Revoke
	Leave                      // Seat is given up, for whatever reason
	Request                    // Floor Request from Seat, with Burst, Precedence, Emergency (§6.3.4.3.3); repeated under the same Burst it is answered again
	Release                    // Floor Release from Seat; with a Burst, only of that burst (§6.3.4.4.6)
	Media                      // a packet from Seat arrived (§6.3.4.4.5); see Machine.Forwards
	BreakIn                    // 强插: a Request that goes before everything but an emergency
	ForceClear                 // 强拆: the floor and the queue are emptied; Seat is not looked at
	EmergencyRaise             // the unit of Seat is in an emergency; with a Burst it takes the floor at once (the talker gives its own to go on in it)
	EmergencyClear             // the emergency of Unit (or of Seat) is over; neither: of everybody
	Revoke                     // the right of Seat to talk is withdrawn, now
	QueuePosition              // Floor Queue Position Request from Seat (§6.3.5.4.7)
	Carry                      // a node reports a Burst of Seat that is on the air: takeover, or two grants that met
	Close                      // the call is over (§6.3.4.6)

	EndOfMedia       // T1 ran out (§6.3.4.4.3)
	TalkWarn         // shortly before T2
	StopTalking      // T2 ran out (§6.3.4.4.4)
	StopTalkingGrace // T3 ran out (§6.3.4.5.5)
	Inactive         // T4 ran out (§6.3.4.3.5)
	Settled          // a new arbiter has heard from everybody, or waited long enough
	QueueExpired     // somebody has waited too long

	Regrouped // groups were patched or parted (Merge, Part)
	kinds     = iota
)

// Input is one thing that happened. Which fields count depends on Kind.
type Input struct {
	Kind       Kind
	Seat       fusion.ID         // whose doing it is
	Who        Participant       // Join
	Unit       fusion.Number     // EmergencyClear
	Burst      fusion.ID         // Request, BreakIn, EmergencyRaise, Carry: the ID that the talk burst (话音段) will have; Release: which one
	Precedence fusion.Precedence // Request, BreakIn, EmergencyRaise, Carry; mind that the zero value is FlashOverride
	Emergency  bool              // Request, Carry
	Since      time.Time         // Carry: when that burst began, zero when unknown
	Resume     fusion.ID         // Request, BreakIn, EmergencyRaise, Carry: the burst that the unit spoke by another leg, which its node took with it
}
