package state

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

// storedEvent is an Event as it lies in the store.
type storedEvent struct {
	At   Millis          `cbor:"1,keyasint"`
	Type string          `cbor:"2,keyasint"`
	Key  string          `cbor:"3,keyasint"`
	Data cbor.RawMessage `cbor:"4,keyasint,omitempty"` // absent when gone
}

func saveEvent(tx Tx, e Event) error {
	s := storedEvent{At: e.At, Type: e.Type, Key: e.Key}
	if !e.Gone {
		data, err := command.Marshal(e.Data)
		if err != nil {
			return fmt.Errorf("state: encode event %s: %w", e.Type, err)
		}
		s.Data = data
	}
	return save(tx, tEvent.seq(e.Seq), s)
}

func readEvent(k, data []byte) (Event, error) {
	var s storedEvent
	if err := decode(k, data, &s); err != nil {
		return Event{}, err
	}
	e := Event{Seq: lastU64(k), At: s.At, Type: s.Type, Key: s.Key, Gone: s.Data == nil}
	if e.Gone {
		return e, nil
	}
	var err error
	e.Data, err = readObject(k, s.Type, s.Data)
	return e, err
}

// readObject gives the object of an event as the value type that its Type names.
func readObject(k []byte, kind string, data []byte) (any, error) {
	switch kind {
	case "message":
		return object[Message](k, data)
	case "receipt":
		return object[Receipt](k, data)
	case "alert":
		return object[Alert](k, data)
	case "burst":
		return object[Burst](k, data)
	case "group":
		return object[Group](k, data)
	case "member":
		return object[Member](k, data)
	case "unit":
		return object[Unit](k, data)
	case "user":
		return object[User](k, data)
	case "extension":
		return object[Extension](k, data)
	case "position":
		return object[Position](k, data)
	case "handover":
		return object[Handover](k, data)
	case "patch":
		return object[Patch](k, data)
	case "call":
		return object[CallRecord](k, data)
	case "node":
		return object[Node](k, data)
	case "site":
		return object[Site](k, data)
	}
	return nil, fmt.Errorf("state: event of unknown type %q", kind)
}

func object[T any](k, data []byte) (any, error) {
	var v T
	err := decode(k, data, &v)
	return v, err
}

// trimEvents forgets events, but never the last one.
func (c *change) trimEvents(k SeqKey) error {
	if k.Seq >= c.n.Event {
		return fusion.E(fusion.BadRequest, "trim_too_far", "event %d is the last one and stays", c.n.Event)
	}
	last := min(k.Seq, c.n.Trimmed+maxWrites/2)
	for seq := c.n.Trimmed + 1; seq <= last; seq++ {
		if err := c.Delete(tEvent.seq(seq)); err != nil {
			return err
		}
	}
	c.n.Trimmed = max(c.n.Trimmed, last)
	return nil
}
