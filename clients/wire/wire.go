package wire

import (
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// LoginRequest is the body of POST /login.
type LoginRequest struct {
	User     string `json:"user"`
	Password string `json:"password"`
	TOTP     string `json:"totp,omitempty"`
}

// LoginReply answers a log-in.
type LoginReply struct {
	Token     string       `json:"token,omitempty"` // absent while a second factor is missing
	Expires   state.Millis `json:"expires,omitempty"`
	NeedsTOTP bool         `json:"needs_totp,omitempty"`
	Me        *Me          `json:"me,omitempty"`
	Nodes     []NodeInfo   `json:"nodes,omitempty"` // to go to when this one dies, this one first
}

// TokenReply gives a page the token of its own session, so that it can go on at another node.
type TokenReply struct {
	Token string `json:"token"`
}

// Me is who is logged in and what it may do.
type Me struct {
	User     state.User      `json:"user"`
	Unit     state.Unit      `json:"unit"`
	Rights   []string        `json:"rights"` // as identity names them: "talk_anywhere", "break_in", "force_clear", "monitor", "patch", "admit_call", "dial_out", "replay_all", "export", "admin_objects", "admin_users", "read_audit", "see_status", "exercise"
	Position *state.Position `json:"position,omitempty"`
}

// SiteInfo is the site as a client must know it.
type SiteInfo struct {
	Number   fusion.Site `json:"number"`
	Name     string      `json:"name"`
	Exercise string      `json:"exercise,omitempty"`
	Version  string      `json:"version"`
	Node     string      `json:"node"`
	Nodes    []NodeInfo  `json:"nodes"` // to go to when this one dies, this one first
	Trunks   []string    `json:"trunks,omitempty"`
	// Incarnation tells histories apart: events of the same one go on at every node, under the same numbers.
	Incarnation uint64 `json:"incarnation"`
}

// NodeInfo is a node of the site as a client must know it that may have to go there.
type NodeInfo struct {
	Node  string   `json:"node,omitempty"`
	URL   string   `json:"url"`             // https://host:port
	Media []string `json:"media,omitempty"` // host:port of its voice to and from browsers
}

// NodeState is how a node of the site is, as the node that is asked knows it.
type NodeState struct {
	Node      string       `json:"node"`
	URL       string       `json:"url,omitempty"`
	Media     []string     `json:"media,omitempty"`
	Address   string       `json:"address,omitempty"` // of its node port
	Role      string       `json:"role,omitempty"`    // joining, learner, voter, removed; absent for a site of one node
	Wish      string       `json:"wish,omitempty"`    // drain, remove
	Why       string       `json:"why,omitempty"`     // why it does not vote
	State     string       `json:"state"`             // serving, behind, island, faulty, unreachable, joining, draining, removed
	Here      bool         `json:"here,omitempty"`    // the node that answers
	Leader    bool         `json:"leader,omitempty"`
	Reachable bool         `json:"reachable"`        // by the node that answers
	Via       string       `json:"via,omitempty"`    // reached by this third node, since the path between the two is cut
	Since     state.Millis `json:"since,omitempty"`  // when it joined
	Heard     state.Millis `json:"heard,omitempty"`  // when it last told how it is
	Lag       *uint64      `json:"lag,omitempty"`    // log entries that it has still to apply
	Held      int          `json:"held,omitempty"`   // messages accepted there without a quorum
	Fault     string       `json:"fault,omitempty"`  // why it cannot write
	Status    *Status      `json:"status,omitempty"` // as it told last
}

// Person says which unit a user is: what is said to be done "by" somebody names the user.
type Person struct {
	User string        `json:"user"`
	Unit fusion.Number `json:"unit"`
}

// MessagePage is the answer of GET /messages.
type MessagePage struct {
	Items    []state.Message `json:"items"`
	Next     string          `json:"next,omitempty"`
	Receipts []state.Receipt `json:"receipts,omitempty"` // with receipts=1: the caller's own, and all of what the caller sent
}

// MessageRequest is the body of POST /messages. The request ID (Idempotency-Key) becomes the message's ID.
type MessageRequest struct {
	To          []fusion.Number    `json:"to"`
	Text        string             `json:"text"`
	Attachments []state.Attachment `json:"attachments,omitempty"`
	Precedence  fusion.Precedence  `json:"precedence"`
	Lifetime    int                `json:"lifetime,omitempty"` // seconds
	Sign        bool               `json:"sign,omitempty"`
}

// AlertRequest is the body of POST /alerts.
type AlertRequest struct {
	Group fusion.Number `json:"group,omitempty"`
	Text  string        `json:"text,omitempty"`
	Lat   *float64      `json:"lat,omitempty"`
	Lon   *float64      `json:"lon,omitempty"`
}

// Upload is the state of a resumable upload.
type Upload struct {
	ID     fusion.ID         `json:"id"`
	Offset int64             `json:"offset"`
	Size   int64             `json:"size"`
	Done   bool              `json:"done"`           // stored and synced; Attachment can be sent in a message
	File   *state.Attachment `json:"file,omitempty"` // when done
}

// TalkState is who is in a talk, who talks, who waits.
type TalkState struct {
	Talk      fusion.Talk     `json:"talk"`
	Patch     fusion.ID       `json:"patch,omitzero"` // the patch that the group is part of
	Seats     []SeatInfo      `json:"seats"`
	Talker    fusion.Number   `json:"talker,omitempty"`
	Name      string          `json:"name,omitempty"`
	Burst     fusion.ID       `json:"burst,omitzero"`
	Since     state.Millis    `json:"since,omitempty"`
	Emergency bool            `json:"emergency,omitempty"` // of who talks
	Alarms    []fusion.Number `json:"alarms,omitempty"`    // units whose emergency call has not been ended
	Queue     []SeatInfo      `json:"queue,omitempty"`     // in order
	Hearing   int             `json:"hearing"`             // how many can hear
	Deaf      []string        `json:"deaf,omitempty"`      // names of those in the talk who cannot
}

// SeatInfo is one participant as shown.
type SeatInfo struct {
	Unit fusion.Number `json:"unit,omitempty"`
	Name string        `json:"name"`
	Via  string        `json:"via"` // "console", "phone", "outside"
	Talk bool          `json:"talk"`
}

// CallInfo is one live call as shown.
type CallInfo struct {
	ID       fusion.ID     `json:"id"`
	State    string        `json:"state"` // ringing, queued, dialling, answered, held, in_group, ended
	From     fusion.Number `json:"from,omitempty"`
	FromName string        `json:"from_name,omitempty"`
	Digits   string        `json:"digits,omitempty"`  // caller ID or dialled digits
	Outside  bool          `json:"outside,omitempty"` // 未鉴权
	To       fusion.Number `json:"to,omitempty"`
	Position fusion.Number `json:"position,omitempty"` // whose queue it is in
	Group    fusion.Number `json:"group,omitempty"`    // the group it was let into
	By       string        `json:"by,omitempty"`       // who serves it
	ByUnit   fusion.Number `json:"by_unit,omitempty"`  // its unit; the same as from when a console placed the call
	Talk     fusion.Talk   `json:"talk,omitzero"`      // to join to hear it
	Floor    bool          `json:"floor,omitempty"`    // half-duplex: press to talk
	Since    state.Millis  `json:"since"`
	Cause    string        `json:"cause,omitempty"` // when ended
}

// Presence says whether a unit can be reached now.
type Presence struct {
	Unit   fusion.Number `json:"unit"`
	Online bool          `json:"online"`
	Via    string        `json:"via,omitempty"`  // console, phone
	Node   string        `json:"node,omitempty"` // the other node where it is; absent: at this one
	Since  state.Millis  `json:"since"`
}

// Status is what the server is doing, at a glance.
type Status struct {
	Node       string       `json:"node"`
	Version    string       `json:"version"`
	Uptime     int64        `json:"uptime_s"`
	Time       state.Millis `json:"time"`
	Leader     bool         `json:"leader"`
	Quorum     bool         `json:"quorum"`
	Degraded   []string     `json:"degraded"` // reasons: "disk_low", "disk_reserve", "no_quorum", "clock_untrusted", "recorder_failed", "on_battery", "battery_low", "ups_unknown"; empty: all is well
	DiskFree   int64        `json:"disk_free"`
	DiskTotal  int64        `json:"disk_total"`
	Consoles   int          `json:"consoles"`
	Phones     int          `json:"phones"` // registered
	Calls      int          `json:"calls"`
	Talking    int          `json:"talking"` // groups with a talker now
	RSS        int64        `json:"rss"`
	ClockError int64        `json:"clock_error_ms"`
	Nodes      []NodeInfo   `json:"nodes,omitempty"` // to go to when this one dies, this one first

	FilesLacking int    `json:"files_lacking,omitempty"` // recordings and attachments that the record names and this node has not fetched yet
	Power        *Power `json:"power,omitempty"`         // absent: no UPS is named
}

// Held answers what was accepted at a node without a quorum: it is on that node's disk, and will be committed under its ID when there is one.
type Held struct {
	ID   fusion.ID `json:"id"`
	Held bool      `json:"held"` // always true
}

// Power is what the UPS of a node says.
type Power struct {
	UPS       string       `json:"ups"`                  // name@host:port
	Known     bool         `json:"known"`                // false: it is not heard; fault says why
	OnBattery bool         `json:"on_battery,omitempty"` // mains has failed
	Low       bool         `json:"low,omitempty"`        // the battery is nearly empty
	Replace   bool         `json:"replace,omitempty"`    // the battery is worn out
	Charge    *int         `json:"charge,omitempty"`     // %
	Runtime   *int64       `json:"runtime_s,omitempty"`  // how long the battery lasts
	Since     state.Millis `json:"since,omitempty"`      // on battery since
	Text      string       `json:"text,omitempty"`       // ups.status as it is
	Fault     string       `json:"fault,omitempty"`
}
