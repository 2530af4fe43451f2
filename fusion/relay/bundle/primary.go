package bundle

// version is the Bundle Protocol's.
const version = 7

// BundleFlags are the bundle processing control flags (RFC 9171 §4.2.3). Unknown ones are kept.
type BundleFlags uint64

// The bundle processing control flags.
const (
	IsFragment       BundleFlags = 1 << 0
	AdminRecord      BundleFlags = 1 << 1 // the payload is one, such as a status report
	MustNotFragment  BundleFlags = 1 << 2
	AckWanted        BundleFlags = 1 << 5 // by the application
	StatusTime       BundleFlags = 1 << 6 // wanted in reports
	ReportReception  BundleFlags = 1 << 14
	ReportForwarding BundleFlags = 1 << 16
	ReportDelivery   BundleFlags = 1 << 17
	ReportDeletion   BundleFlags = 1 << 18
)

// Primary is the primary block (RFC 9171 §4.3.1): immutable from the source to the destination.
type Primary struct {
	Flags       BundleFlags
	CRC         CRCType
	Destination EID
	Source      EID
	ReportTo    EID
	Created     Timestamp
	Lifetime    uint64 // ms from Created
	Offset      uint64 // of the payload in the whole one; of a fragment only
	Total       uint64 // octets of the whole payload; of a fragment only

	odd uint8 // which endpoint IDs came in the form of RFC 9758 that we would not write
}

// Bits of odd.
const (
	oddDestination = 1 << iota
	oddSource
	oddReportTo
)

// Is reports whether all of the flags are set.
func (p *Primary) Is(f BundleFlags) bool { return p.Flags&f == f }

// ID is what tells a bundle from every other one. Of fragments the offset and length belong to it; ID is of the whole.
type ID struct {
	Source  EID
	Created Timestamp
}

// ID gives the identity of the bundle, or of the whole that a fragment is of (RFC 9171 §4.2.7): what must be remembered until the lifetime is
// over so that nothing is taken twice.
func (p *Primary) ID() ID { return ID{p.Source, p.Created} }

// primary reads a primary block.
func (r *reader) primary(p *Primary) {
	from := r.at
	l := r.array()
	if v := r.next(&l).uint(); r.err == nil && v != version {
		r.fail(ErrNotBundle, "version %d", v)
	}
	p.Flags = BundleFlags(r.next(&l).uint())
	p.CRC = r.next(&l).crcType()
	p.Destination = r.next(&l).primaryEID(p, oddDestination)
	p.Source = r.next(&l).primaryEID(p, oddSource)
	p.ReportTo = r.next(&l).primaryEID(p, oddReportTo)
	p.Created = r.next(&l).timestamp()
	p.Lifetime = r.next(&l).uint()
	if p.Is(IsFragment) {
		p.Offset, p.Total = r.next(&l).uint(), r.next(&l).uint()
	}
	r.crc(p.CRC, &l, from)
}

func (r *reader) primaryEID(p *Primary, bit uint8) EID {
	e, odd := r.eid()
	if odd {
		p.odd |= bit
	}
	return e
}

func (r *reader) crcType() CRCType {
	n := r.uint()
	if n > uint64(CRC32C) {
		r.fail(ErrMalformed, "CRC type %d", n)
		return NoCRC
	}
	return CRCType(n)
}

func (r *reader) timestamp() Timestamp {
	l := r.array()
	t := Timestamp{DTNTime(r.next(&l).uint()), r.next(&l).uint()}
	r.end(&l)
	return t
}

func appendTimestamp(dst []byte, t Timestamp) []byte {
	return appendUint(appendUint(appendArray(dst, 2), uint64(t.Time)), t.Seq)
}

// fields is how many elements the block's array has.
func (p *Primary) fields() int {
	n := 8
	if p.Is(IsFragment) {
		n += 2
	}
	if p.CRC != NoCRC {
		n++
	}
	return n
}

// append writes the block.
func (p *Primary) append(dst []byte) []byte {
	from := len(dst)
	dst = appendUint(appendArray(dst, p.fields()), version)
	dst = appendUint(appendUint(dst, uint64(p.Flags)), uint64(p.CRC))
	dst = appendEID(dst, p.Destination, p.odd&oddDestination != 0)
	dst = appendEID(dst, p.Source, p.odd&oddSource != 0)
	dst = appendEID(dst, p.ReportTo, p.odd&oddReportTo != 0)
	dst = appendUint(appendTimestamp(dst, p.Created), p.Lifetime)
	if p.Is(IsFragment) {
		dst = appendUint(appendUint(dst, p.Offset), p.Total)
	}
	return p.CRC.appendCRC(dst, from)
}

// size is how many octets append writes.
func (p *Primary) size() int {
	n := 3 + headSize(uint64(p.Flags)) // the array's head, version, CRC type
	n += eidSize(p.Destination, p.odd&oddDestination != 0) + eidSize(p.Source, p.odd&oddSource != 0) + eidSize(p.ReportTo, p.odd&oddReportTo != 0)
	n += 1 + headSize(uint64(p.Created.Time)) + headSize(p.Created.Seq) + headSize(p.Lifetime)
	if p.Is(IsFragment) {
		n += headSize(p.Offset) + headSize(p.Total)
	}
	if p.CRC != NoCRC {
		n += 1 + p.CRC.size()
	}
	return n
}

// check refuses what is no primary block, whoever made it.
func (p *Primary) check() error {
	for _, e := range [...]EID{p.Destination, p.Source, p.ReportTo} {
		if err := e.check(); err != nil {
			return err
		}
	}
	switch {
	case p.CRC > CRC32C:
		return refuse(ErrMalformed, "CRC type %d", p.CRC)
	case p.Is(IsFragment) && p.Source.IsNone():
		return refuse(ErrMalformed, "a fragment from nobody")
	case p.Is(IsFragment | MustNotFragment):
		return refuse(ErrMalformed, "a fragment that must not be one")
	case !p.Is(IsFragment) && (p.Offset != 0 || p.Total != 0):
		return refuse(ErrMalformed, "an offset, but no fragment")
	}
	return nil
}
