package state

import (
	"strings"
	"unicode/utf8"

	"github.com/guantong-net/guantong/fusion"
)

// The limits of what a command may carry, in octets unless said otherwise.
const (
	MaxName       = 128
	MaxText       = 8192 // of a message, an alert, a note
	MaxMembers    = 2000 // members of a group
	MaxRecipients = 64   // entries in Message.To
	MaxFiles      = 16   // attachments of a message
	MaxFileSize   = 50 << 20
	MaxPatched    = 32 // groups in a patch
	MaxPeaks      = 64
	maxSecret     = 512
	maxPriority   = 7
	maxTalkLimit  = 3600            // seconds
	maxUrgentLife = 72 * 3600       // seconds: the longest lifetime of flash and above
	maxLifetime   = 366 * 24 * 3600 // seconds
)

func bad(reason, detail string, args ...any) error {
	return fusion.E(fusion.BadRequest, reason, detail, args...)
}

func missing(reason, detail string, args ...any) error {
	return fusion.E(fusion.NotFound, reason, detail, args...)
}

func conflict(reason, detail string, args ...any) error {
	return fusion.E(fusion.Conflict, reason, detail, args...)
}

// checkName takes a name for people: printable text that is not blank.
func checkName(what, s string) error {
	if strings.TrimSpace(s) == "" || !printable(s, MaxName) {
		return bad("bad_name", "the %s is empty, longer than %d octets, or not printable text", what, MaxName)
	}
	return nil
}

// checkLabel takes a short text that may be empty.
func checkLabel(what, s string) error {
	if !printable(s, MaxName) {
		return bad("bad_name", "the %s is longer than %d octets or not printable text", what, MaxName)
	}
	return nil
}

func printable(s string, limit int) bool {
	if len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, control)
}

// checkText takes running text: UTF-8 with line breaks and tabs but no other control characters.
func checkText(s string) error {
	if len(s) > MaxText || !utf8.ValidString(s) {
		return bad("bad_text", "the text is longer than %d octets or not UTF-8", MaxText)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return control(r) && r != '\n' && r != '\r' && r != '\t' }) {
		return bad("bad_text", "the text holds control characters")
	}
	return nil
}

// control reports the control characters C0 and C1.
func control(r rune) bool { return r < 0x20 || r >= 0x7F && r < 0xA0 }

// checkLogin takes a log-in or SIP user name: 1 to 64 octets of a–z, 0–9, dot, dash, underscore and Chinese
// characters. It asks no Unicode table, which differ between versions of Go and so between nodes.
func checkLogin(s string) error {
	if s == "" || len(s) > 64 {
		return bad("bad_user_name", "a user name is 1 to 64 octets long")
	}
	for _, r := range s {
		ok := r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) || r >= 0x4E00 && r <= 0x9FFF
		if !ok {
			return bad("bad_user_name", "a user name holds lower-case letters, digits, dots, dashes, underscores and Chinese characters")
		}
	}
	return nil
}

func checkNumber(n fusion.Number) error {
	if !n.Valid() || n.Local() == 0 {
		return bad("bad_number", "%d is no number of any site", n)
	}
	return nil
}

func checkPriority(p uint8) error {
	if p > maxPriority {
		return bad("bad_priority", "a priority is 0 to %d", maxPriority)
	}
	return nil
}

func checkPrecedence(p fusion.Precedence) error {
	if !p.Valid() {
		return bad("bad_precedence", "no precedence %d", uint8(p))
	}
	return nil
}

// checkHash takes the name of a stored file: "sha256:" and 64 lower-case hexadecimal digits.
func checkHash(h string) error {
	digits, ok := strings.CutPrefix(h, "sha256:")
	if !ok || len(digits) != 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return bad("bad_hash", "a file is named by sha256: and 64 hexadecimal digits")
	}
	return nil
}

// checkRevision holds a change against what is there: 0 makes a new object, anything else is the revision that the caller saw.
func checkRevision(there bool, is, saw uint64, what string) error {
	switch {
	case saw == 0 && there:
		return conflict("already_exists", "the %s exists already", what)
	case saw != 0 && !there:
		return conflict("gone", "the %s is no more", what)
	case saw != is:
		return conflict("revision_conflict", "the %s was changed by somebody else: revision %d, you saw %d", what, is, saw)
	}
	return nil
}

// kindOf says what a number belongs to: "group", "unit", "position", or "" when it is free.
func kindOf(r Reader, n fusion.Number) (string, error) {
	for _, k := range []struct {
		t    table
		kind string
	}{{tUnit, "unit"}, {tGroup, "group"}, {tPosition, "position"}} {
		if ok, err := has(r, k.t.of(n)); err != nil || ok {
			return k.kind, err
		}
	}
	return "", nil
}

// claim checks that a number is well-formed and free for, or already of, the given kind.
func claim(r Reader, n fusion.Number, kind string) error {
	if err := checkNumber(n); err != nil {
		return err
	}
	is, err := kindOf(r, n)
	if err != nil {
		return err
	}
	if is != "" && is != kind {
		return conflict("number_taken", "number %s is a %s", n, is)
	}
	return nil
}
