package fusion

import (
	"encoding/hex"
	"errors"
)

// ID names one object for ever: it is the 16-byte request ID under which the object was first accepted,
// and the only key of deduplication. The zero ID names nothing.
type ID [16]byte

// ErrBadID reports text that is not 32 hexadecimal digits.
var ErrBadID = errors.New("fusion: an ID is 32 hexadecimal digits")

// ParseID reads the form that String writes.
func ParseID(s string) (ID, error) {
	var id ID
	err := id.UnmarshalText([]byte(s))
	return id, err
}

// IsZero reports whether the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// String gives 32 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler; the zero ID is empty text.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return []byte{}, nil
	}
	return hex.AppendEncode(nil, id[:]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; empty text is the zero ID.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	if len(text) != 2*len(id) {
		return ErrBadID
	}
	var out ID
	if _, err := hex.Decode(out[:], text); err != nil {
		return ErrBadID
	}
	*id = out
	return nil
}
