package state

import "fmt"

var receiptNames = [...]string{Accepted: "accepted", Delivered: "delivered", Read: "read", Signed: "signed"}

// Valid reports whether s is one of the four states.
func (s ReceiptState) Valid() bool { return s >= Accepted && s <= Signed }

// String gives the state's name.
func (s ReceiptState) String() string {
	if !s.Valid() {
		return fmt.Sprintf("receipt(%d)", uint8(s))
	}
	return receiptNames[s]
}

// MarshalText writes the state's name.
func (s ReceiptState) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("state: no receipt state %d", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads the state's name.
func (s *ReceiptState) UnmarshalText(text []byte) error {
	for i, name := range receiptNames {
		if i > 0 && name == string(text) {
			*s = ReceiptState(i)
			return nil
		}
	}
	return fmt.Errorf("state: no receipt state %q", text)
}
