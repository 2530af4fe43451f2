package fusion

import "strings"

// Talk names one conversation of the live plane: those who hear one another. It is a group, or a call
// (a private call, or a telephone call) that has no group. Groups that are patched keep their own Talk.
type Talk struct {
	Group Number // the talk group, or 0
	Call  ID     // the call, or zero
}

// GroupTalk names the conversation of a talk group.
func GroupTalk(group Number) Talk { return Talk{Group: group} }

// CallTalk names the conversation of a call.
func CallTalk(id ID) Talk { return Talk{Call: id} }

// IsZero reports whether t names nothing.
func (t Talk) IsZero() bool { return t == Talk{} }

// String gives the group's number, or "call:" and the call's ID.
func (t Talk) String() string {
	if t.Group != 0 {
		return t.Group.String()
	}
	if t.Call.IsZero() {
		return ""
	}
	return "call:" + t.Call.String()
}

// MarshalText writes the form of String.
func (t Talk) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the form of String.
func (t *Talk) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		*t = Talk{}
		return nil
	}
	if rest, ok := strings.CutPrefix(s, "call:"); ok {
		id, err := ParseID(rest)
		if err != nil {
			return err
		}
		*t = CallTalk(id)
		return nil
	}
	n, err := ParseNumber(s, 0)
	if err != nil || !n.Valid() {
		return ErrBadNumber
	}
	*t = GroupTalk(n)
	return nil
}
