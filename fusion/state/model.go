package state

import "github.com/guantong-net/guantong/fusion"

// Times in this package are milliseconds since 1970-01-01 UTC, taken from the command that set them, never from
// the clock of the node that applies it.

// Millis is such a time.
type Millis int64

// GroupKind says how a group's floor works.
type GroupKind string

// The kinds of group.
const (
	TalkGroup      GroupKind = "talk"      // 通话组: half-duplex, members may talk
	BroadcastGroup GroupKind = "broadcast" // 广播组: only those marked as originators talk
	TemporaryGroup GroupKind = "temporary" // 临时组: made by a dispatcher, ends at Ends
)

// Group is a talk group (通话组).
type Group struct {
	Number     fusion.Number     `json:"number"`
	Name       string            `json:"name"`
	Kind       GroupKind         `json:"kind"`
	Priority   uint8             `json:"priority"`             // 0 (lowest) to 7
	Precedence fusion.Precedence `json:"precedence"`           // of an ordinary press
	TalkLimit  int               `json:"talk_limit,omitempty"` // seconds one may talk; 0 is the site's default
	Open       bool              `json:"open"`                 // every unit of the site may join, members or not
	Ends       Millis            `json:"ends,omitempty"`       // temporary groups only
	Revision   uint64            `json:"revision"`             // Seq of its last event; a change names the one it saw, 0 to make it
}

// Member is the right of a unit in a group.
type Member struct {
	Group    fusion.Number `json:"group"`
	Unit     fusion.Number `json:"unit"`
	Talk     bool          `json:"talk"`     // may talk; false is listen only
	Priority uint8         `json:"priority"` // 0 (lowest) to 7, within the group
}

// UnitKind says what a unit is.
type UnitKind string

// The kinds of unit.
const (
	PersonUnit   UnitKind = "person"
	PhoneUnit    UnitKind = "phone"
	TerminalUnit UnitKind = "terminal"
	GatewayUnit  UnitKind = "gateway"
)

// Unit is a person, terminal or gateway channel with an identity (终端 / 人员).
type Unit struct {
	Number   fusion.Number `json:"number"`
	Name     string        `json:"name"`
	Kind     UnitKind      `json:"kind"`
	Org      string        `json:"org,omitempty"`
	Revoked  bool          `json:"revoked,omitempty"`
	Revision uint64        `json:"revision"`
}

// User is a log-in. It acts as its unit.
type User struct {
	Name       string        `json:"name"` // the log-in name, lower case
	Unit       fusion.Number `json:"unit"`
	Roles      []fusion.Role `json:"roles"`
	Disabled   bool          `json:"disabled,omitempty"`
	MustChange bool          `json:"must_change,omitempty"` // the password, before anything else
	TOTP       bool          `json:"totp,omitempty"`        // a second factor is set up
	Epoch      uint64        `json:"-" cbor:"epoch"`        // raised to end all sessions of the user; set by Apply alone
	Revision   uint64        `json:"revision"`
}

// UserSecret is what proves a User. It never leaves the record plane.
type UserSecret struct {
	Name         string `json:"name"`
	Password     string `json:"password"`          // argon2id, PHC string form
	TOTP         []byte `json:"totp,omitempty"`    // RFC 6238 key
	PendingTOTP  []byte `json:"pending,omitempty"` // shown but not confirmed yet
	LastTOTPStep int64  `json:"step,omitempty"`    // the last step accepted: a code works once
}

// Extension is a telephone's account at our registrar. The dialled number is the unit's.
type Extension struct {
	Unit     fusion.Number `json:"unit"`
	Username string        `json:"username"` // SIP user part, usually the local number
	Class    string        `json:"class"`    // class of service; empty allows no outgoing trunk call
	VAD      bool          `json:"vad"`      // voice activation instead of * and #
	Revision uint64        `json:"revision"`
}

// ExtensionSecret holds the digests of an extension's password (RFC 7616): H(username:realm:password).
type ExtensionSecret struct {
	Unit   fusion.Number `json:"unit"`
	MD5    string        `json:"md5"`    // hex
	SHA256 string        `json:"sha256"` // hex
}

// MostPhones is how many telephones ring with one position.
const MostPhones = 16

// Position is a desk (席位) that is called and addressed whoever sits there.
type Position struct {
	Number    fusion.Number   `json:"number"`
	Name      string          `json:"name"`
	DutyPhone fusion.Number   `json:"duty_phone,omitempty"` // rings when nobody answers
	Overflow  fusion.Number   `json:"overflow,omitempty"`   // next position when the queue is not served
	Occupant  string          `json:"occupant,omitempty"`   // user name, empty when nobody sits there
	Since     Millis          `json:"since,omitempty"`      // when the occupant sat down
	Revision  uint64          `json:"revision"`
	Phones    []fusion.Number `json:"phones,omitempty"` // ring with every call to the position, besides the occupant's own; at most MostPhones
}

// Handover is one shift change (交接班) at a position, with what was open at that moment.
type Handover struct {
	ID       fusion.ID     `json:"id"`
	Position fusion.Number `json:"position"`
	From     string        `json:"from"` // user names; empty: nobody sat there
	To       string        `json:"to"`
	At       Millis        `json:"at"`
	Note     string        `json:"note,omitempty"`
	Alerts   []fusion.ID   `json:"alerts,omitempty"`   // open alerts
	Patches  []fusion.ID   `json:"patches,omitempty"`  // standing patches
	Unsigned []fusion.ID   `json:"unsigned,omitempty"` // messages to the position not yet signed for
}

// Patch joins groups under one floor (派接). A group is in at most one patch.
type Patch struct {
	ID     fusion.ID       `json:"id"`
	Name   string          `json:"name"`
	Groups []fusion.Number `json:"groups"`
	By     string          `json:"by"`
	At     Millis          `json:"at"`
}

// Attachment (附件) is a file that a message carries; its content is stored by hash.
type Attachment struct {
	Hash string `json:"hash"` // "sha256:" and 64 hexadecimal digits
	Name string `json:"name"`
	Type string `json:"type"` // media type
	Size int64  `json:"size"` // octets
}

// Message (消息). Its ID is the request ID under which it was first accepted.
type Message struct {
	ID          fusion.ID         `json:"id"`
	From        fusion.Number     `json:"from"`
	By          string            `json:"by,omitempty"`            // user name
	Position    fusion.Number     `json:"from_position,omitempty"` // the desk it was written at
	To          []fusion.Number   `json:"to"`                      // groups, units, positions
	Text        string            `json:"text"`
	Attachments []Attachment      `json:"attachments,omitempty"`
	Precedence  fusion.Precedence `json:"precedence"`
	Lifetime    int               `json:"lifetime,omitempty"` // seconds; 0: until retention
	Sign        bool              `json:"sign,omitempty"`     // must be signed for (签收)
	Exercise    string            `json:"exercise,omitempty"`
	HLC         uint64            `json:"hlc"`
	At          Millis            `json:"at"`
	Seq         uint64            `json:"seq"` // place in the site's order of acceptance
	Expired     bool              `json:"expired,omitempty"`
	Keep        bool              `json:"keep,omitempty"` // flagged: retention passes it over
}

// ReceiptState grows only.
type ReceiptState uint8

// The states of a receipt (回执).
const (
	Accepted ReceiptState = iota + 1
	Delivered
	Read
	Signed // 签收
)

// Receipt is the furthest state of one message at one recipient, with when and by whom each step was made.
type Receipt struct {
	Message   fusion.ID     `json:"message"`
	Recipient fusion.Number `json:"recipient"` // unit or position
	State     ReceiptState  `json:"state"`     // as text: accepted, delivered, read, signed
	Steps     []ReceiptStep `json:"steps"`
}

// ReceiptStep is one step of a receipt.
type ReceiptStep struct {
	State ReceiptState `json:"state"`
	At    Millis       `json:"at"`
	By    string       `json:"by,omitempty"` // the person; with a position both are named
}

// AlertState grows raised < acknowledged < cleared, per raise.
type AlertState string

// The states of an alert.
const (
	AlertRaised       AlertState = "raised"
	AlertAcknowledged AlertState = "acknowledged"
	AlertCleared      AlertState = "cleared"
)

// Alert is an emergency alert (紧急告警).
type Alert struct {
	ID        fusion.ID     `json:"id"`
	Unit      fusion.Number `json:"unit"`
	By        string        `json:"by,omitempty"`
	Group     fusion.Number `json:"group,omitempty"` // where the emergency call goes
	Text      string        `json:"text,omitempty"`
	Lat       *float64      `json:"lat,omitempty"` // WGS 84 degrees
	Lon       *float64      `json:"lon,omitempty"`
	State     AlertState    `json:"state"`
	Raised    Millis        `json:"raised"`
	AckedAt   Millis        `json:"acked_at,omitempty"`
	AckedBy   string        `json:"acked_by,omitempty"`
	AckedPos  fusion.Number `json:"acked_position,omitempty"`
	ClearedAt Millis        `json:"cleared_at,omitempty"`
	ClearedBy string        `json:"cleared_by,omitempty"`
	Exercise  string        `json:"exercise,omitempty"`
	Stage     uint8         `json:"stage"` // escalation reached: 0, 1 consoles sound, 2 duty phone, 3 parent site
}

// Burst is the index entry of one recorded talk burst (话音段).
type Burst struct {
	ID         fusion.ID         `json:"id"`
	Groups     []fusion.Number   `json:"groups,omitempty"` // all groups that heard it (several when patched)
	Call       fusion.ID         `json:"call,omitempty"`   // when spoken in a call
	Talker     fusion.Number     `json:"talker"`
	Name       string            `json:"name"`
	Start      Millis            `json:"start"`
	Duration   int64             `json:"duration_ms"`
	Heard      int64             `json:"heard_ms,omitempty"` // how much of it was heard: without what was lost on the way
	Codec      string            `json:"codec"`
	File       string            `json:"file"` // "sha256:…" of the stored recording
	Size       int64             `json:"size"`
	Peaks      []byte            `json:"peaks,omitempty"` // waveform, 0–255, at most 64 values
	Precedence fusion.Precedence `json:"precedence"`
	Emergency  bool              `json:"emergency,omitempty"`
	EndCause   string            `json:"end_cause"` // released, revoked, limit, cleared, left, interrupted
	Exercise   string            `json:"exercise,omitempty"`
	Seq        uint64            `json:"seq"`            // of the event that indexed it, or replaced it by a fuller recording
	Keep       bool              `json:"keep,omitempty"` // flagged: retention passes it over
}

// CallRecord is what stays of a telephone or private call.
type CallRecord struct {
	ID       fusion.ID     `json:"id"`
	From     fusion.Number `json:"from,omitempty"`
	FromName string        `json:"from_name"` // caller ID of an outside call: a claim, shown as 未鉴权
	Outside  bool          `json:"outside,omitempty"`
	To       fusion.Number `json:"to,omitempty"`
	ToDigits string        `json:"to_digits,omitempty"` // what was dialled outward
	Position fusion.Number `json:"position,omitempty"`
	By       string        `json:"by,omitempty"` // who answered or placed it
	Start    Millis        `json:"start"`
	Answered Millis        `json:"answered,omitempty"`
	End      Millis        `json:"end"`
	Result   string        `json:"result"`             // answered, missed, busy, refused, failed
	Returned bool          `json:"returned,omitempty"` // a missed call that was called back
}

// Audit is one entry of the audit chain.
type Audit struct {
	Seq    uint64 `json:"seq"` // dense from 1
	At     Millis `json:"at"`
	By     string `json:"by"`     // user name, or "system"
	Action string `json:"action"` // "login", "group.set", "break_in", …
	Target string `json:"target,omitempty"`
	Result string `json:"result"` // ok, or the reason of refusal
	From   string `json:"from,omitempty"`
	Detail string `json:"detail,omitempty"`
	Alg    string `json:"alg"`  // of Hash: "sha256"
	Prev   []byte `json:"prev"` // hash of the entry before
	Hash   []byte `json:"hash"` // over the entry's canonical form with Alg and Prev
}

// Event is one durable change, in the site's order. Seq is dense from 1.
type Event struct {
	Seq  uint64 `json:"seq"`
	At   Millis `json:"at"`
	Type string `json:"type"` // "message", "receipt", "alert", "burst", "group", "member", "unit", "user", "extension", "position", "handover", "patch", "call", "site"
	Key  string `json:"key"`  // the object's key: number, ID, "group/unit"
	Gone bool   `json:"gone,omitempty"`
	Data any    `json:"data,omitempty"` // the object itself as of this change; absent when Gone
}
