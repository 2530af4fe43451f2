package command

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/guantong-net/guantong/fusion"
)

// The limits of an encoded command. What exceeds them is refused in both directions.
const (
	MaxSize    = 1 << 20 // octets, with the envelope
	MaxNesting = 8       // levels, in the envelope and in a payload each
	maxItems   = 1 << 16 // elements of one array or pairs of one map
	maxText    = 256     // octets of By and of From
)

// What is wrong with an encoded command.
var (
	ErrTooLarge = errors.New("command: larger than 1 MiB")
	ErrVersion  = errors.New("command: unknown envelope version")
	ErrInvalid  = errors.New("command: malformed")
)

// Encode writes a command as deterministic CBOR (RFC 8949 §4.2.1).
func Encode(c Command) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	data, err := Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	if len(data) > MaxSize {
		return nil, ErrTooLarge
	}
	return data, nil
}

// Decode reads what Encode wrote. It takes input from outside: anything malformed, oversized, duplicated or of another
// version is an error, never a panic.
func Decode(data []byte) (Command, error) {
	if len(data) > MaxSize {
		return Command{}, ErrTooLarge
	}
	var c Command
	if err := Unmarshal(data, &c); err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := c.check(); err != nil {
		return Command{}, err
	}
	return c, nil
}

func (c *Command) check() error {
	switch {
	case c.Version != Version:
		return fmt.Errorf("%w %d", ErrVersion, c.Version)
	case c.Type == 0:
		return fmt.Errorf("%w: no type", ErrInvalid)
	case c.ID.IsZero():
		return fmt.Errorf("%w: no request ID", ErrInvalid)
	case len(c.By) > maxText || len(c.From) > maxText:
		return fmt.Errorf("%w: a name is longer than %d octets", ErrInvalid, maxText)
	case len(c.Payload) > MaxSize:
		return ErrTooLarge
	}
	return nil
}

// New makes a command of a payload that its type names. At is in milliseconds UTC. It fails only on a payload that CBOR
// cannot carry.
func New(t Type, id fusion.ID, hlc uint64, at int64, by string, payload any) (Command, error) {
	data, err := Marshal(payload)
	if err != nil {
		return Command{}, fmt.Errorf("encode payload of command %d: %w", t, err)
	}
	return Command{Version: Version, Type: t, ID: id, HLC: hlc, At: at, By: by, Payload: data}, nil
}

// ErrUnknownField reports a payload with a field that this program does not know: written by a newer version.
var ErrUnknownField = errors.New("command: payload has a field that this version does not know")

// The modes are immutable; making them fails only on options that contradict one another, which a test would show.
var (
	encoding, errEncoding = cbor.CoreDetEncOptions().EncMode()
	decoding, errDecoding = cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   MaxNesting,
		MaxArrayElements:  maxItems,
		MaxMapPairs:       maxItems,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode()
	loose, errLoose = cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  MaxNesting,
		MaxArrayElements: maxItems,
		MaxMapPairs:      maxItems,
	}.DecMode()
)

// Marshal writes a value as deterministic CBOR: the form of payloads, of records in the store, and of what is hashed.
func Marshal(v any) ([]byte, error) {
	if errEncoding != nil {
		return nil, errEncoding
	}
	return encoding.Marshal(v)
}

// Unmarshal reads what Marshal wrote, within the limits of this package. A field that v does not have is ErrUnknownField.
func Unmarshal(data []byte, v any) error {
	if errDecoding != nil {
		return errDecoding
	}
	err := decoding.Unmarshal(data, v)
	var unknown *cbor.UnknownFieldError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%w: %w", ErrUnknownField, err)
	}
	return err
}

// UnmarshalLoose is Unmarshal for what nodes of different versions tell one another and nobody keeps: fields that v does not have are
// passed over.
func UnmarshalLoose(data []byte, v any) error {
	if errLoose != nil {
		return errLoose
	}
	return loose.Unmarshal(data, v)
}
