package state

import (
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

// Site is what a node must know of the site it belongs to.
type Site struct {
	Number      fusion.Site `json:"number"`
	Name        string      `json:"name"`
	Realm       string      `json:"realm"`              // of SIP digests: they are bound to it
	Exercise    string      `json:"exercise,omitempty"` // the exercise under way, if any
	Incarnation uint64      `json:"incarnation"`
	Trial       bool        `json:"trial,omitempty"` // one person may hold several administrations; set at first, never later
}

// NumberKey names a group, unit, extension or position.
type NumberKey struct {
	Number   fusion.Number `json:"number"`
	Revision uint64        `json:"revision,omitempty"` // when not 0: the revision that the caller saw
}

// NameKey names a user.
type NameKey struct {
	Name string `json:"name"`
}

// IDKey names an object by its ID.
type IDKey struct {
	ID fusion.ID `json:"id"`
}

// SeqKey names a place in a sequence.
type SeqKey struct {
	Seq uint64 `json:"seq"`
}

// UserChange makes or changes a user; Secret is present when the user is made, or when an administrator resets the password.
type UserChange struct {
	User   User        `json:"user"`
	Secret *UserSecret `json:"secret,omitempty"`
}

// UserSecretChange replaces a user's secret.
type UserSecretChange struct {
	Secret     UserSecret `json:"secret"`
	MustChange bool       `json:"must_change"`
	TOTP       bool       `json:"totp"`
}

// ExtensionChange makes or changes an extension; Secret is present when its password is set.
type ExtensionChange struct {
	Extension Extension        `json:"extension"`
	Secret    *ExtensionSecret `json:"secret,omitempty"`
}

// HandoverChange sits a user down at a position (To), or lets it be left (To empty).
type HandoverChange struct {
	Position fusion.Number `json:"position"`
	To       string        `json:"to"`
	Note     string        `json:"note,omitempty"`
}

// ReceiptChange moves a receipt on. An earlier state than the one it has changes nothing.
type ReceiptChange struct {
	Message   fusion.ID     `json:"message"`
	Recipient fusion.Number `json:"recipient"`
	State     ReceiptState  `json:"state"`
}

// AlertChange acknowledges, clears or escalates an alert.
type AlertChange struct {
	ID       fusion.ID     `json:"id"`
	Position fusion.Number `json:"position,omitempty"`
	Stage    uint8         `json:"stage,omitempty"`
}

// KeepChange flags a message or a burst, so that retention passes it over, or takes the flag off.
type KeepChange struct {
	ID   fusion.ID `json:"id"`
	Keep bool      `json:"keep"`
}

// ExpireChange carries out retention: what is older than the given times goes, but flagged objects.
type ExpireChange struct {
	Now        Millis `json:"now"` // lifetimes that ended by now
	Messages   Millis `json:"messages"`
	Recordings Millis `json:"recordings"`
	Audit      Millis `json:"audit"`
	Limit      int    `json:"limit"` // objects at the most
}

// BatchChange applies several commands as one. Inner commands keep their own IDs.
type BatchChange struct {
	Commands []command.Command `json:"commands"`
}

// Result is what a command came to. A command that is applied again gives the Result of the first time.
type Result struct {
	Seq    uint64 `json:"seq"`    // of the last event that it made; 0 when it changed nothing
	Fault  uint8  `json:"fault"`  // of fusion.Fault, meaningful when Reason is set
	Reason string `json:"reason"` // empty: done
	Detail string `json:"detail"`
}

// Err gives the refusal as an error, or nil.
func (r Result) Err() error {
	if r.Reason == "" {
		return nil
	}
	return &fusion.Error{Fault: fusion.Fault(r.Fault), Reason: r.Reason, Detail: r.Detail}
}
