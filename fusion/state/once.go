package state

import (
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

// How long the request ID of a command that made no object is remembered, and of one whose object is gone. It is counted
// by the hybrid logical clock, which unlike a node's wall clock never goes back.
const forgetAfter Millis = 30 * 24 * 3600 * 1000

// counters is the one record that every command reads and writes.
type counters struct {
	Event   uint64 `cbor:"1,keyasint"`           // last event
	Trimmed uint64 `cbor:"2,keyasint,omitempty"` // events up to this one are forgotten
	Message uint64 `cbor:"3,keyasint,omitempty"` // last message
	Audit   uint64 `cbor:"4,keyasint,omitempty"` // last audit entry
	Head    []byte `cbor:"5,keyasint,omitempty"` // its hash
	Oldest  uint64 `cbor:"6,keyasint,omitempty"` // first audit entry that is still kept
	Horizon Millis `cbor:"7,keyasint,omitempty"` // request IDs of commands stamped until then may have been forgotten
	HLC     uint64 `cbor:"8,keyasint,omitempty"` // latest stamp of a command
}

// outcome is what a request ID came to.
type outcome struct {
	Result Result       `cbor:"1,keyasint"`
	Type   command.Type `cbor:"2,keyasint"`
	Object bool         `cbor:"3,keyasint,omitempty"` // remembered as long as the object or its tombstone
}

// recall finds the result of an earlier application of the command. A command so old that its ID may have been forgotten
// is refused: it could have been applied already.
func recall(r Reader, n counters, cmd command.Command) (Result, bool, error) {
	o, ok, err := load[outcome](r, tDone.ofID(cmd.ID))
	if err != nil || ok {
		return o.Result, ok, err
	}
	if n.Horizon > 0 && stamped(cmd) <= n.Horizon {
		return Result{Fault: uint8(fusion.Conflict), Reason: "request_too_old",
			Detail: "a request this old may have been applied and forgotten; make it again with a new ID"}, true, nil
	}
	return Result{}, false, nil
}

// remember writes the outcome under the request ID.
func (c *change) remember(res Result) error {
	object := c.object && res.Reason == ""
	if err := save(c, tDone.ofID(c.cmd.ID), outcome{Result: res, Type: c.cmd.Type, Object: object}); err != nil || object {
		return err
	}
	return c.Set(tDoneTime.at(stamped(c.cmd), c.cmd.ID), present)
}

// bury leaves a tombstone of an object that is gone, so that its request ID is remembered for as long as any other.
func (c *change) bury(id fusion.ID) error {
	ok, err := has(c, tDone.ofID(id))
	if err != nil || !ok {
		return err
	}
	return c.Set(tDoneTime.at(stamped(c.cmd), id), present)
}

// forget removes request IDs whose time is over, and moves the horizon before which commands are refused.
func (c *change) forget(limit *int) error {
	until := stamped(c.cmd) - forgetAfter
	old, err := keysUntil(c, tDoneTime, until, *limit, none)
	if err != nil {
		return err
	}
	for _, k := range old {
		if err := c.Delete(tDone.ofID(lastID(k))); err != nil {
			return err
		}
		if err := c.Delete(k); err != nil {
			return err
		}
		c.n.Horizon = max(c.n.Horizon, Millis(lastU64(k[:9])))
	}
	*limit -= len(old)
	return nil
}

// stamped is the physical part of the command's stamp.
func stamped(cmd command.Command) Millis { return Millis(cmd.HLC >> 16) }
