package floor

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Type says what an Output is: a message of TS 24.380, numbered as on the wire, or an order to the media plane.
type Type uint8

// The messages of TS 24.380 table 8.2.2.1-1. Request, Release and QueuePositionRequest come from a Client.
const (
	FloorRequest         Type = 0  // §8.2.4
	FloorGranted         Type = 1  // §8.2.5: Burst, Left
	FloorTaken           Type = 2  // §8.2.9: Talker, Unit, Burst, MayRequest, Seq
	FloorDeny            Type = 3  // §8.2.6: Deny, Retry
	FloorRelease         Type = 4  // §8.2.7
	FloorIdle            Type = 5  // §8.2.8: MayRequest, Seq
	FloorRevoke          Type = 6  // §8.2.10: Revoked, Grace, Burst
	QueuePositionRequest Type = 8  // §8.2.11
	QueuePositionInfo    Type = 9  // §8.2.12: Position, Waiting; Position 0 is not queued
	QueueCancel          Type = 14 // §8.2.15, cancel notification: the queued request is gone
)

// The orders. They are not on any wire; To is zero except for TalkWarning, MediaDiscard, MediaTail and CallEnd.
const (
	BurstStart   Type = 32 + iota // open the stream of Burst, spoken by Talker
	BurstEnd                      // close the stream of Burst: Ended says why; Cut: at once, else once its tail is out
	TalkWarning                   // To has Left until the talk limit
	MediaDiscard                  // the packet of To is not to be forwarded
	MediaTail                     // the packet of To still belongs to Burst, which has just ended: forward it if the stream is still open
	CallEnd                       // the call is over for To
)

// Output is one thing to do. Which fields count depends on Type.
type Output struct {
	Type       Type
	To         fusion.ID         // the seat that is told
	Burst      fusion.ID         // the talk burst meant
	Talker     fusion.ID         // the seat that talks
	Unit       fusion.Number     // the unit that talks, 0 when unknown
	Group      fusion.Number     // the group that it talks from
	Precedence fusion.Precedence // of the holding
	Emergency  bool              // the holding is an emergency
	Deny       DenyCause
	Revoked    RevokeCause
	Ended      EndCause
	Cut        bool          // BurstEnd: not even the tail goes out
	MayRequest bool          // Permission to Request the Floor (§8.2.3.7)
	Indicator  Indicator     // §8.2.3.15
	Epoch      uint64        // of the arbiter that says so; the higher one counts
	Seq        uint16        // Message Sequence Number (§8.2.3.10), of Taken and Idle
	Left       time.Duration // Granted, TalkWarning: talk time left; 0 is no limit
	Grace      time.Duration // Revoke: how long the tail still goes out
	Retry      time.Duration // Deny, Revoke: try again after
	Position   int           // 1 is next
	Waiting    int           // how many wait in all
}

// Indicator is the floor indicator, a bit map (§8.2.3.15, table 8.2.3.15-2).
type Indicator uint16

// The bits of the floor indicator that are used here.
const (
	NormalCall         Indicator = 0x8000
	BroadcastCall      Indicator = 0x4000
	EmergencyCall      Indicator = 0x1000
	QueueingSupported  Indicator = 0x0400
	TemporaryGroupCall Indicator = 0x0100
)

// Has reports whether every bit of b is set.
func (i Indicator) Has(b Indicator) bool { return i&b == b }
