package bundle

import (
	"math"

	"github.com/guantong-net/guantong/fusion"
)

// The blocks in this file change on the way. Each is read only when asked for: one that is sealed is not to be understood by everybody.

// read parses the data of the block of a type; found is false when there is none.
func (b *Bundle) read(t BlockType, parse func(r *reader)) (found bool, err error) {
	c := b.First(t)
	if c == nil {
		return false, nil
	}
	r := reader{buf: c.Data}
	parse(&r)
	if err := r.done(); err != nil {
		return true, refuse(ErrMalformed, "block of type %d: %v", t, err)
	}
	return true, nil
}

// set puts data into the block of a type, which is made with flags when there is none.
func (b *Bundle) set(t BlockType, flags BlockFlags, data []byte) {
	if c := b.First(t); c != nil {
		c.Data = data
		return
	}
	b.Add(Block{Type: t, Flags: flags, Data: data})
}

// PreviousNode gives the node that forwarded the bundle (RFC 9171 §4.4.1). It is a claim.
func (b *Bundle) PreviousNode() (node EID, found bool, err error) {
	found, err = b.read(PreviousNodeBlock, func(r *reader) { node, _ = r.eid() })
	return node, found, err
}

// SetPreviousNode says that node forwards the bundle.
func (b *Bundle) SetPreviousNode(node EID) { b.set(PreviousNodeBlock, 0, appendEID(nil, node, false)) }

// Age gives how old the bundle was when it was last sent, in milliseconds (RFC 9171 §4.4.2).
func (b *Bundle) Age() (ms uint64, found bool, err error) {
	found, err = b.read(AgeBlock, func(r *reader) { ms = r.uint() })
	return ms, found, err
}

// SetAge says how old the bundle is, in milliseconds. Every fragment carries it.
func (b *Bundle) SetAge(ms uint64) { b.set(AgeBlock, Replicate, appendUint(nil, ms)) }

// Grow adds to the age, when there is an age block: call it with the time that the bundle was here, before it goes on.
func (b *Bundle) Grow(ms uint64) error {
	age, found, err := b.Age()
	if found && err == nil {
		b.SetAge(age + min(ms, math.MaxUint64-age))
	}
	return err
}

// maxHops is the highest hop limit (RFC 9171 §4.4.3).
const maxHops = 255

// Hops gives how many hops the bundle may take and how many it has taken (RFC 9171 §4.4.3).
func (b *Bundle) Hops() (limit, count uint64, found bool, err error) {
	found, err = b.read(HopCountBlock, func(r *reader) {
		l := r.array()
		limit, count = r.next(&l).uint(), r.next(&l).uint()
		r.end(&l)
		if r.err == nil && (limit == 0 || limit > maxHops) {
			r.fail(ErrMalformed, "hop limit %d", limit)
		}
	})
	return limit, count, found, err
}

// SetHops gives the bundle a hop limit, 1 to 255, and the number of hops taken. Every fragment carries it.
func (b *Bundle) SetHops(limit uint8, count uint64) {
	b.set(HopCountBlock, Replicate, appendUint(appendUint(appendArray(nil, 2), uint64(max(limit, 1))), count))
}

// Hop counts one more hop, when there is a hop count: call it before the bundle goes on. ErrHopLimit means that it must not.
func (b *Bundle) Hop() error {
	limit, count, found, err := b.Hops()
	if err != nil || !found {
		return err
	}
	if count >= limit {
		return refuse(ErrHopLimit, "%d of %d", count, limit)
	}
	b.SetHops(uint8(limit), count+1)
	return nil
}

// Precedence gives what the bundle claims: routine when it claims nothing, or nothing that can be read.
func (b *Bundle) Precedence() fusion.Precedence {
	p := uint64(fusion.Routine)
	found, err := b.read(PrecedenceBlock, func(r *reader) { p = r.uint() })
	if !found || err != nil || p > uint64(fusion.Routine) {
		return fusion.Routine
	}
	return fusion.Precedence(p)
}

// SetPrecedence marks the bundle. Routine has no mark. Every fragment carries it.
func (b *Bundle) SetPrecedence(p fusion.Precedence) {
	if c := b.First(PrecedenceBlock); c != nil && p >= fusion.Routine {
		b.Remove(c.Number)
		return
	}
	if p < fusion.Routine {
		b.set(PrecedenceBlock, Replicate, appendUint(nil, uint64(p)))
	}
}

// QoS is ION's class of service, formerly ECOS: its block type 193, [flags, class, ordinal, label].
type QoS struct {
	Flags   QoSFlags
	Class   uint64 // 0 bulk, 1 standard, 2 expedited
	Ordinal uint64 // among the expedited, 0 to 254, the highest first
	Label   uint64 // of a flow; 0 is none
}

// QoSFlags say how a bundle is to be carried.
type QoSFlags uint64

// ION's flags.
const (
	QoSAllRoutes  QoSFlags = 1 // "critical": on all routes at once
	QoSBestEffort QoSFlags = 2 // an unreliable bearer will do
	QoSReliable   QoSFlags = 8 // a reliable bearer
)

// ION's classes.
const (
	qosBulk = iota
	qosStandard
	qosExpedited
)

// QoS gives ION's class of service. It is a claim, of a foreign node.
func (b *Bundle) QoS() (q QoS, found bool, err error) {
	found, err = b.read(QoSBlock, func(r *reader) {
		l := r.array()
		q = QoS{QoSFlags(r.next(&l).uint()), r.next(&l).uint(), r.next(&l).uint(), r.next(&l).uint()}
		r.end(&l)
	})
	return q, found, err
}

// SetQoS adds or replaces ION's class of service: for bundles that leave toward ION.
func (b *Bundle) SetQoS(q QoS) {
	data := appendUint(appendUint(appendArray(nil, 4), uint64(q.Flags)), q.Class)
	b.set(QoSBlock, Replicate, appendUint(appendUint(data, q.Ordinal), q.Label))
}

// QoSOf maps a precedence to ION: routine is bulk, priority is standard, the rest is expedited in steps that leave room between them. Flash
// and above go on all routes.
func QoSOf(p fusion.Precedence) QoS {
	switch p {
	case fusion.FlashOverride:
		return QoS{Flags: QoSAllRoutes, Class: qosExpedited, Ordinal: 240}
	case fusion.Flash:
		return QoS{Flags: QoSAllRoutes, Class: qosExpedited, Ordinal: 160}
	case fusion.Immediate:
		return QoS{Class: qosExpedited}
	case fusion.Priority:
		return QoS{Class: qosStandard}
	}
	return QoS{Class: qosBulk}
}

// Precedence maps back, so that the order is kept whatever ordinals others use.
func (q QoS) Precedence() fusion.Precedence {
	switch {
	case q.Class >= qosExpedited && q.Ordinal >= 240:
		return fusion.FlashOverride
	case q.Class >= qosExpedited && q.Ordinal >= 160:
		return fusion.Flash
	case q.Class >= qosExpedited:
		return fusion.Immediate
	case q.Class == qosStandard:
		return fusion.Priority
	}
	return fusion.Routine
}
