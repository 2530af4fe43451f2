package state

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/guantong-net/guantong/fusion"
)

// Events lists the durable changes after a sequence number, at most limit of them (0: DefaultLimit). When some of
// them are forgotten already the error is Conflict, events_trimmed: who asks starts over from the state.
func (v *View) Events(after uint64, limit int) ([]Event, error) {
	n, _, err := load[counters](v.r, tCounters.key())
	if err != nil {
		return nil, err
	}
	if after < n.Trimmed {
		return nil, fusion.E(fusion.Conflict, "events_trimmed", "events up to %d are forgotten", n.Trimmed)
	}
	if after > n.Event {
		return nil, fusion.E(fusion.Conflict, "events_ahead", "the last event is %d", n.Event)
	}
	var out []Event
	err = v.r.Scan(tEvent.key(), tEvent.seq(after+1), false, func(k, data []byte) (bool, error) {
		e, err := readEvent(k, data)
		out = append(out, e)
		return len(out) < clampLimit(limit), err
	})
	return out, err
}

// LastEvent is the sequence number of the last event, 0 before the first.
func (v *View) LastEvent() (uint64, error) {
	n, _, err := load[counters](v.r, tCounters.key())
	return n.Event, err
}

// LastHLC is the latest stamp of all commands that were applied: the high-water mark of a clock that goes on from here.
func (v *View) LastHLC() (uint64, error) {
	n, _, err := load[counters](v.r, tCounters.key())
	return n.HLC, err
}

// Trimmed is the sequence number up to which events are forgotten.
func (v *View) Trimmed() (uint64, error) {
	n, _, err := load[counters](v.r, tCounters.key())
	return n.Trimmed, err
}

// EventTime is when an event came about; 0 when it is not kept.
func (v *View) EventTime(seq uint64) (Millis, error) {
	s, _, err := load[storedEvent](v.r, tEvent.seq(seq))
	return s.At, err
}

// Audit lists audit entries from a sequence number on, at most limit of them (0: DefaultLimit).
func (v *View) Audit(from uint64, limit int) ([]Audit, error) {
	var out []Audit
	err := v.r.Scan(tAudit.key(), tAudit.seq(from), false, func(k, data []byte) (bool, error) {
		var a Audit
		err := decode(k, data, &a)
		out = append(out, a)
		return len(out) < clampLimit(limit), err
	})
	return out, err
}

// AuditHead is the last entry's sequence number and hash, by which a checkpoint says how far the chain went.
func (v *View) AuditHead() (seq uint64, head []byte, err error) {
	n, _, err := load[counters](v.r, tCounters.key())
	return n.Audit, n.Head, err
}

// Hash is over every record of the state: nodes that applied the same log have the same.
func Hash(r Reader) ([]byte, error) { return hashOf(r, nil) }

// HashDefinitions is over the definitions alone (site, groups, members, units, users, extensions, positions), which
// come out the same in whatever order unrelated changes were applied, their revisions aside.
func HashDefinitions(r Reader) ([]byte, error) {
	h := sha256.New()
	v := NewView(r)
	for _, t := range []table{tSite, tMember, tMembership, tMemberCount, tUserSecret, tUserOfUnit, tExtensionName, tExtensionSecret} {
		if err := hashInto(h, r, t.key()); err != nil {
			return nil, err
		}
	}
	if err := v.hashRevised(h); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

func hashOf(r Reader, prefix key) ([]byte, error) {
	h := sha256.New()
	if err := hashInto(h, r, prefix); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

func hashInto(h hash.Hash, r Reader, prefix key) error {
	return r.Scan(prefix, nil, false, func(k, v []byte) (bool, error) {
		for _, part := range [][]byte{k, v} {
			h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
			h.Write(part)
		}
		return true, nil
	})
}

// hashRevised hashes the records that carry a revision, without it.
func (v *View) hashRevised(h hash.Hash) error {
	plain := newOverlay(v.r)
	if err := rewrite(plain, tGroup, func(g *Group) { g.Revision = 0 }); err != nil {
		return err
	}
	if err := rewrite(plain, tUnit, func(u *Unit) { u.Revision = 0 }); err != nil {
		return err
	}
	if err := rewrite(plain, tUser, func(u *User) { u.Revision = 0 }); err != nil {
		return err
	}
	if err := rewrite(plain, tExtension, func(e *Extension) { e.Revision = 0 }); err != nil {
		return err
	}
	if err := rewrite(plain, tPosition, func(p *Position) { p.Revision = 0 }); err != nil {
		return err
	}
	for _, t := range []table{tGroup, tUnit, tUser, tExtension, tPosition} {
		if err := hashInto(h, plain, t.key()); err != nil {
			return err
		}
	}
	return nil
}

func rewrite[T any](o *overlay, t table, f func(*T)) error {
	found, err := keys(o, t.key(), 0)
	if err != nil {
		return err
	}
	for _, k := range found {
		rec, _, err := load[T](o, k)
		if err != nil {
			return err
		}
		f(&rec)
		if err := save(o, k, rec); err != nil {
			return err
		}
	}
	return nil
}
