package bundle

import (
	"bytes"
	"cmp"
	"slices"
)

// Hold bounds what a Reassembler keeps. Zero values mean the defaults.
type Hold struct {
	Payload uint64 // octets of one reassembled payload; default 16 MiB
	Octets  int    // of everything held; default 64 MiB
	Source  int    // octets held for one source; default a quarter of Octets
	Bundles int    // incomplete ones; default 1024
	Parts   int    // pieces of one that do not touch; default 4096
	WaitMS  uint64 // for the missing fragments, whatever the lifetime; default 72 h
}

// partCost is what one piece costs besides its octets.
const partCost = 64

func (h Hold) withDefaults() Hold {
	set := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	if h.Payload == 0 {
		h.Payload = defaultOctets
	}
	if h.WaitMS == 0 {
		h.WaitMS = 72 * 3600 * 1000
	}
	set(&h.Octets, 64<<20)
	set(&h.Source, h.Octets/4)
	set(&h.Bundles, 1024)
	set(&h.Parts, 4096)
	h.Parts = min(h.Parts, maxParts)
	return h
}

// Reassembler puts fragments together (RFC 9171 §5.9). It copies what it keeps. It does not know which bundles are complete already: the
// caller refuses their fragments by ID.
type Reassembler struct {
	hold    Hold
	open    map[Primary]*assembly
	sources map[EID]int // octets held for each
	octets  int
}

// assembly is the fragments of one bundle.
type assembly struct {
	whole    Primary
	first    []Block // of the fragment with offset 0, payload without data; nil until it has come
	kept     int     // octets of first
	parts    []part  // in order, not overlapping
	have     uint64  // octets of payload
	deadline DTNTime
}

type part struct {
	at   uint64
	data []byte
}

func (p part) end() uint64 { return p.at + uint64(len(p.data)) }

// NewReassembler makes a Reassembler.
func NewReassembler(h Hold) *Reassembler {
	return &Reassembler{hold: h.withDefaults(), open: map[Primary]*assembly{}, sources: map[EID]int{}}
}

// Octets and Bundles tell what is held.
func (a *Reassembler) Octets() int { return a.octets }

// Bundles tells how many incomplete bundles are held.
func (a *Reassembler) Bundles() int { return len(a.open) }

// key is the whole's primary block, by which fragments belong together. The CRC is left out: who cuts may choose it.
func (b *Bundle) key() Primary {
	k := b.Primary
	k.Flags &^= IsFragment
	k.CRC, k.Offset = NoCRC, 0
	return k
}

// Add takes a fragment, and gives the whole bundle when it was the last one missing, else nil. Now is any clock in milliseconds that only runs forward; left is
// what CheckTime gave. ErrOverlap means that it contradicts an earlier one, ErrFull that there is no room: in both cases it is not kept.
//
// The whole has the blocks of the fragment with offset 0; its age, if it has one, is of when that fragment came.
func (a *Reassembler) Add(f *Bundle, now DTNTime, left uint64) (*Bundle, error) {
	p := &f.Primary
	switch {
	case !p.Is(IsFragment):
		return nil, refuse(ErrFragment, "a whole bundle")
	case p.Total > a.hold.Payload:
		return nil, refuse(ErrTooLarge, "payload of %d octets", p.Total)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	key := f.key()
	s := a.open[key]
	if s == nil {
		if len(a.open) >= a.hold.Bundles {
			return nil, refuse(ErrFull, "%d bundles", len(a.open))
		}
		whole := key
		whole.CRC, whole.Total = p.CRC, 0
		s = &assembly{whole: whole, deadline: later(now, min(left, a.hold.WaitMS))}
	}
	if err := a.put(s, f); err != nil {
		return nil, err
	}
	a.open[key] = s
	if s.have < p.Total || s.first == nil {
		return nil, nil
	}
	a.drop(key)
	return s.bundle(p.Total), nil
}

// later adds without running over.
func later(t DTNTime, ms uint64) DTNTime { return t + DTNTime(min(ms, ^uint64(t))) }

// put keeps what is new in a fragment: all of it or nothing.
func (a *Reassembler) put(s *assembly, f *Bundle) error {
	at, data := f.Primary.Offset, f.Payload()
	gaps, err := s.gaps(at, data)
	if err != nil {
		return err
	}
	var first []Block
	cost := 0
	if s.kept == 0 {
		cost = 4 * partCost
	}
	if at == 0 && s.first == nil {
		first = f.Clone().Blocks
		first[len(first)-1].Data = nil
		for i := range first {
			cost += partCost + len(first[i].Data)
		}
	}
	// Every gap but the first begins where a piece ends, and becomes part of it.
	if len(gaps) > 0 && len(s.parts) >= a.hold.Parts {
		if _, touches := s.before(gaps[0].at); !touches {
			return refuse(ErrFull, "%d pieces", len(s.parts))
		}
	}
	for _, g := range gaps {
		cost += partCost + len(g.data)
	}
	source := f.Primary.Source.NodeID()
	if cost > a.hold.Octets-a.octets || cost > a.hold.Source-a.sources[source] {
		return refuse(ErrFull, "%d octets held, %d of them for %s", a.octets, a.sources[source], source)
	}
	if first != nil {
		s.first, s.whole.CRC = first, f.Primary.CRC
	}
	for _, g := range gaps {
		s.insert(g)
	}
	s.kept += cost
	a.octets += cost
	if cost > 0 {
		a.sources[source] += cost
	}
	return nil
}

// before finds the place of a piece that begins at an offset, and whether it touches the one before.
func (s *assembly) before(at uint64) (i int, touches bool) {
	i, _ = slices.BinarySearchFunc(s.parts, at, func(p part, at uint64) int { return cmp.Compare(p.at, at) })
	return i, i > 0 && s.parts[i-1].end() == at
}

// insert keeps a copy of a piece. It goes on the end of the one before when they touch, so that fragments in order are one piece; the one behind is
// not joined, since fragments in reverse order would then be copied over and over.
func (s *assembly) insert(g part) {
	s.have += uint64(len(g.data))
	i, touches := s.before(g.at)
	if touches {
		s.parts[i-1].data = append(s.parts[i-1].data, g.data...)
		return
	}
	s.parts = slices.Insert(s.parts, i, part{g.at, bytes.Clone(g.data)})
}

// gaps gives the pieces of data that are not there yet. Where it is there it must be the same.
func (s *assembly) gaps(at uint64, data []byte) ([]part, error) {
	var gaps []part
	end := at + uint64(len(data))
	i, _ := slices.BinarySearchFunc(s.parts, at, func(p part, at uint64) int { return cmp.Compare(p.end(), at) })
	for pos := at; pos < end; i++ {
		if i == len(s.parts) || s.parts[i].at >= end {
			return append(gaps, part{pos, data[pos-at:]}), nil
		}
		p := s.parts[i]
		if p.at > pos {
			gaps = append(gaps, part{pos, data[pos-at : p.at-at]})
			pos = p.at
		}
		upto := min(p.end(), end)
		if upto > pos && !bytes.Equal(p.data[pos-p.at:upto-p.at], data[pos-at:upto-at]) {
			return nil, refuse(ErrOverlap, "octets %d to %d", pos, upto)
		}
		pos = max(pos, upto)
	}
	return gaps, nil
}

// bundle joins the parts, which are complete.
func (s *assembly) bundle(total uint64) *Bundle {
	payload := make([]byte, 0, total)
	for _, p := range s.parts {
		payload = append(payload, p.data...)
	}
	b := &Bundle{Primary: s.whole, Blocks: s.first}
	b.Blocks[len(b.Blocks)-1].Data = payload
	return b
}

// drop forgets an assembly.
func (a *Reassembler) drop(key Primary) {
	s := a.open[key]
	delete(a.open, key)
	a.octets -= s.kept
	source := key.Source.NodeID()
	if a.sources[source] -= s.kept; a.sources[source] <= 0 {
		delete(a.sources, source)
	}
}

// Expire drops what has waited too long, and gives the primary blocks of what would have been: their sources may want a report.
func (a *Reassembler) Expire(now DTNTime) []Primary {
	var gone []Primary
	for key, s := range a.open {
		if s.deadline <= now {
			gone = append(gone, s.whole)
			a.drop(key)
		}
	}
	slices.SortFunc(gone, func(p, q Primary) int {
		return cmp.Or(cmp.Compare(p.Created.Time, q.Created.Time), cmp.Compare(p.Created.Seq, q.Created.Seq),
			cmp.Compare(p.Source.String(), q.Source.String()), cmp.Compare(p.Destination.String(), q.Destination.String()))
	})
	return gone
}

// Range is a piece of a payload, from an offset up to another one.
type Range struct{ From, To uint64 }

// Missing gives what is still missing of the bundle that a fragment belongs to, at most limit pieces: to ask for it again.
func (a *Reassembler) Missing(f *Bundle, limit int) []Range {
	s := a.open[f.key()]
	if s == nil {
		return []Range{{0, f.Primary.Total}}
	}
	var missing []Range
	pos := uint64(0)
	for _, p := range s.parts {
		if p.at > pos {
			missing = append(missing, Range{pos, p.at})
		}
		if pos = p.end(); len(missing) >= limit {
			return missing[:limit]
		}
	}
	if pos < f.Primary.Total {
		missing = append(missing, Range{pos, f.Primary.Total})
	}
	return missing[:min(limit, len(missing))]
}
