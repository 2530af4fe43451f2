package floor

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// FloorKind says what sort of conversation shares the floor.
type FloorKind uint8

// The kinds of floor.
const (
	Group     FloorKind = iota // a talk group (通话组) or a patch of several (派接)
	Broadcast                  // only those with MayTalk may request, one holding is one call, nobody queues (广播, TS 24.379 §4.12)
	Private                    // two units (单呼); it ends when fewer than two are left
	Temporary                  // a group made for the occasion (临时组); ordinary rules, marked in the floor indicator
)

// Level is a criterion by which one request goes before another, from the strongest to the weakest.
type Level uint8

// The levels of rank. Order of arrival comes after all of them.
const (
	ByEmergency  Level = iota // 紧急呼叫
	ByBreakIn                 // 强插
	ByPrecedence              // 紧急程度
	ByUser                    // the participant's own priority
	ByGroup                   // its group's priority
)

// Config is how one floor behaves. It is taken as it stands: begin with DefaultConfig.
type Config struct {
	Kind  FloorKind
	Group fusion.Number // the group whose floor this is; 0 for a call or a patch
	Home  fusion.Site   // the group's home site: its units win when two grants meet (design.md, who talks)

	TalkLimit   time.Duration // T2 (stop talking), counted from the first packet; 0 is no limit
	TalkWarning time.Duration // how long before the limit the talker is warned; 0 is never
	RevokeGrace time.Duration // T3 (stop talking grace): how long a revoked talker's tail still goes out; 0 cuts at once
	EndOfMedia  time.Duration // T1 (end of RTP media): a talker silent for so long has lost the floor; 0 is never
	Tail        time.Duration // packets that come so long after a release still belong to the burst
	RetryAfter  time.Duration // T9: after being stopped for length or by force, no ordinary request for so long
	Inactivity  time.Duration // T4: an idle floor ends the call; 0 is never
	Settle      time.Duration // a new arbiter grants emergencies only for so long (Resume)
	RevokeEvery time.Duration // T8: one who sends without permission is told once in this interval

	QueueDepth   int           // how many may wait; 0 turns queueing off
	QueueTimeout time.Duration // a request that has waited for so long is cancelled; 0 is never

	GroupPriority uint8 // of participants that bring none of their own; higher goes first
	DenyAlone     bool  // deny #3 to who is alone (§6.3.4.3.3). Off by default: a burst is recorded and heard later

	PreemptBy   Level             // the weakest level that takes the floor from a talker; weaker ones only order the queue
	PreemptFrom fusion.Precedence // by precedence, only this one and more urgent ones pre-empt
}

// DefaultConfig is an ordinary talk group.
func DefaultConfig() Config {
	return Config{
		TalkLimit:   60 * time.Second,
		TalkWarning: 10 * time.Second,
		RevokeGrace: 500 * time.Millisecond,
		EndOfMedia:  4 * time.Second,
		Tail:        300 * time.Millisecond,
		RetryAfter:  2 * time.Second,
		Settle:      200 * time.Millisecond,
		RevokeEvery: time.Second,

		QueueDepth:   16,
		QueueTimeout: 60 * time.Second,

		PreemptBy:   ByPrecedence,
		PreemptFrom: fusion.Flash,
	}
}

// Participant is one seat at the floor: one leg (支路) of a unit, with what it may do there.
type Participant struct {
	ID       fusion.ID     // the seat; a unit with two devices has two
	Unit     fusion.Number // who it is, 0 when unknown (a call from outside)
	Terminal fusion.ID     // the device behind the seat, zero when each device has one seat; seats of one device in a patch are one participant
	Group    fusion.Number // the group it came from; matters in a patch

	Priority      uint8 // the user's own, 0 to 255, higher goes first (§8.2.3.2)
	GroupPriority uint8 // of the group it came from; 0 takes the floor's

	MayTalk      bool // has the right to request the floor
	MayEmergency bool // may take it for an emergency even without MayTalk (a listener of a broadcast group)
	ReceiveOnly  bool // has no way to talk, whatever its rights
	Dispatcher   bool // may break in (强插)
	Monitor      bool // hears without being listed, and is granted nothing unless it breaks in (监听)
}
