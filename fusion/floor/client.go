package floor

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// ClientState is a state of the floor participant (TS 24.380 §6.2.4).
type ClientState uint8

// The states of a participant.
const (
	ClientStartStop ClientState = iota // 'Start-stop' §6.2.4.2
	HasNoPermission                    // 'U: has no permission' §6.2.4.3
	PendingRequest                     // 'U: pending Request' §6.2.4.4
	HasPermission                      // 'U: has permission' §6.2.4.5
	PendingRelease                     // 'U: pending Release' §6.2.4.6
	ClientReleasing                    // 'Releasing' §6.2.4.8
	ClientQueued                       // 'U: queued' §6.2.4.9
	clientStates    = iota
)

// ClientKind says what happened at a participant.
type ClientKind uint8

// What a participant meets. Begin to Ended are for Client.Handle, Heard… come by Client.Receive, the timers by Client.Tick.
const (
	Begin ClientKind = iota // the call is up (§6.2.4.2.2)
	Press                   // the user presses PTT: Burst, Precedence, Emergency, BreakIn
	LetGo                   // the user lets go
	Ask                     // the user asks for its place in the queue
	Heard                   // speech of somebody else arrives
	Stop                    // the user leaves the call (§6.2.4.7)
	Ended                   // the call is down (§6.2.4.8)

	HeardGranted
	HeardTaken
	HeardDeny
	HeardIdle
	HeardRevoke
	HeardPosition
	HeardCancel
	HeardCallEnd
	HeardWarning

	NoReleaseAnswer  // T100 ran out
	NoRequestAnswer  // T101 ran out
	SpeechOver       // T103 ran out
	NoPositionAnswer // T104 ran out
	GraceOver        // the grace of a revocation is over

	clientKinds = iota
)

// ClientConfig holds the participant's timers and counters (§11.1.1, §11.2.1).
type ClientConfig struct {
	Retry      time.Duration // T100, T101, T104: say it again after so long
	Times      int           // C100, C101, C104: so often in all
	EndOfMedia time.Duration // T103: the talker is silent for so long, so the floor is free
}

// DefaultClientConfig is for an ordinary link. Over a satellite Retry is to be above the round trip.
func DefaultClientConfig() ClientConfig {
	return ClientConfig{Retry: time.Second, Times: 3, EndOfMedia: 4 * time.Second}
}

// Wish is what a user asks for by pressing PTT.
type Wish struct {
	Burst      fusion.ID // the talk burst that it shall be
	Precedence fusion.Precedence
	Emergency  bool
	BreakIn    bool
}

// OrderType says what a participant is to do.
type OrderType uint8

// The orders to whoever carries a Client.
const (
	SendRequest  OrderType = iota // Floor Request with the Wish
	SendRelease                   // Floor Release of Wish.Burst
	SendPosition                  // Floor Queue Position Request
	MicOn                         // send speech
	MicOff                        // stop
	Notify                        // the user is to know: Client.State, and About, the message that changed it
	HangUp                        // the call is over: take it down, then report Ended
)

// Order is one thing that a participant is to do.
type Order struct {
	Type    OrderType
	Wish    Wish
	About   Output // Notify: the server's message, zero when a timer or the user was the reason
	Timeout bool   // Notify: the server does not answer
}

// Client is the floor participant: it asks, waits, opens the microphone and closes it. See the package comment.
type Client struct {
	cfg   ClientConfig
	state ClientState

	press   Wish      // what was last pressed for
	wish    Wish      // what is asked for, or held
	talker  Output    // who talks, zero when nobody does
	place   int       // in the queue
	said    int       // how often the same was sent
	epoch   uint64    // of the last Taken or Idle
	seq     uint16    // likewise
	heardIt bool      // seq counts
	may     bool      // Permission to Request the Floor
	until   time.Time // end of the talk time, zero when there is no limit

	t100, t101, t103, t104, grace time.Time

	now time.Time
	msg Output
	out []Order

	trace func(from ClientState, on ClientKind, r *clientRow)
}

// NewClient makes a participant that is in no call.
func NewClient(cfg ClientConfig) *Client { return &Client{cfg: cfg, may: true} }

// Handle takes what the user or the call did. Wish counts for Press only. The slice is valid until the next call.
func (c *Client) Handle(now time.Time, k ClientKind, w Wish) []Order {
	c.begin(now)
	c.serve()
	if k > Ended {
		return c.out
	}
	c.msg = Output{}
	if k == Press {
		c.press = w
	}
	c.fire(k)
	return c.out
}

// Receive takes a message of the server. The slice is valid until the next call.
func (c *Client) Receive(now time.Time, msg Output) []Order {
	c.begin(now)
	c.serve()
	k, ok := heardKind(msg.Type)
	if !ok || c.stale(msg) {
		return c.out
	}
	c.msg = msg
	c.fire(k)
	return c.out
}

func heardKind(t Type) (ClientKind, bool) {
	switch t {
	case FloorGranted:
		return HeardGranted, true
	case FloorTaken:
		return HeardTaken, true
	case FloorDeny:
		return HeardDeny, true
	case FloorIdle:
		return HeardIdle, true
	case FloorRevoke:
		return HeardRevoke, true
	case QueuePositionInfo:
		return HeardPosition, true
	case QueueCancel:
		return HeardCancel, true
	case CallEnd:
		return HeardCallEnd, true
	case TalkWarning:
		return HeardWarning, true
	}
	return 0, false
}

// stale reports a Taken or Idle that was overtaken by a newer one (§8.2.3.10); half the number space is the past.
func (c *Client) stale(msg Output) bool {
	if msg.Type != FloorTaken && msg.Type != FloorIdle {
		return false
	}
	if msg.Epoch < c.epoch || msg.Epoch == c.epoch && c.heardIt && int16(msg.Seq-c.seq) < 0 {
		return true
	}
	c.epoch, c.seq, c.heardIt = msg.Epoch, msg.Seq, true
	return false
}

// Tick serves the timers that are due. The slice is valid until the next call.
func (c *Client) Tick(now time.Time) []Order {
	c.begin(now)
	c.serve()
	return c.out
}

// Deadline is when Tick must be called next; zero when nothing is pending.
func (c *Client) Deadline() time.Time {
	_, at := c.next()
	return at
}

// State is the participant's state (§6.2.4).
func (c *Client) State() ClientState { return c.state }

// MayTalk reports whether the microphone is to be open.
func (c *Client) MayTalk() bool { return c.state == HasPermission }

// MayRequest is the Permission to Request the Floor, as last heard.
func (c *Client) MayRequest() bool { return c.may }

// Talker is the message that said who talks; ok is false when nobody does, or the user itself.
func (c *Client) Talker() (taken Output, ok bool) { return c.talker, !c.talker.Talker.IsZero() }

// Wish is what the user asked for last.
func (c *Client) Wish() Wish { return c.wish }

// Place is the place in the queue, 0 when not queued.
func (c *Client) Place() int { return c.place }

// Left is the talk time that remains at the time now; limited is false when there is no limit, or no permission.
func (c *Client) Left(now time.Time) (left time.Duration, limited bool) {
	if c.state != HasPermission || c.until.IsZero() {
		return 0, false
	}
	return max(0, c.until.Sub(now)), true
}

func (c *Client) begin(now time.Time) {
	if now.After(c.now) {
		c.now = now
	}
	c.out = c.out[:0]
}

func (c *Client) fire(on ClientKind) {
	from := c.state
	r := clientIndex.find(c, from, on)
	if r == nil || r.never {
		return
	}
	for i := range r.do {
		r.do[i].do(c)
	}
	if !r.stays {
		c.state = r.to
	}
	if c.trace != nil {
		c.trace(from, on, r)
	}
}

func (c *Client) serve() {
	for {
		k, at := c.next()
		if at.IsZero() || at.After(c.now) {
			return
		}
		c.msg = Output{}
		*c.timer(k) = time.Time{}
		c.fire(k)
	}
}

func (c *Client) timer(k ClientKind) *time.Time {
	switch k {
	case NoReleaseAnswer:
		return &c.t100
	case NoRequestAnswer:
		return &c.t101
	case SpeechOver:
		return &c.t103
	case NoPositionAnswer:
		return &c.t104
	}
	return &c.grace
}

func (c *Client) next() (k ClientKind, at time.Time) {
	for timer := NoReleaseAnswer; timer <= GraceOver; timer++ {
		if t := *c.timer(timer); !t.IsZero() && (at.IsZero() || t.Before(at)) {
			k, at = timer, t
		}
	}
	return k, at
}
