package bundle

// Cut makes the fragment of b that begins at an offset into b's payload, at most size octets when written out, and gives the offset at which the next one
// begins: the payload's length when this was the last. What it gives shares b's octets. A bundle that is sent whole (offset 0 and it fits) comes back itself.
//
// The first fragment has all blocks, the others those that are to be in every one (RFC 9171 §5.8). A fragment can be cut again.
func (b *Bundle) Cut(offset uint64, size int) (part *Bundle, next uint64, err error) {
	payload := b.Payload()
	length := uint64(len(payload))
	switch {
	case offset == 0 && b.Size() <= size:
		return b, length, nil
	case b.Primary.Is(MustNotFragment) || b.Primary.Source.IsNone():
		return nil, 0, refuse(ErrFragment, "bundle must not be cut")
	case offset >= length:
		return nil, 0, refuse(ErrFragment, "offset %d of %d", offset, length)
	}
	f := b.fragmentAt(offset)
	room := size - f.Size() - 8 // the head of the data grows by 8 at most
	for room < size && f.payloadSize(room+1) <= size {
		room++
	}
	if room < 1 {
		return nil, 0, refuse(ErrTooSmall, "%d octets", size)
	}
	end := offset + min(uint64(room), length-offset)
	f.Blocks[len(f.Blocks)-1].Data = payload[offset:end:end]
	return f, end, nil
}

// payloadSize is what f's size would be with n octets of payload, of which it has none.
func (b *Bundle) payloadSize(n int) int {
	return b.Size() - headSize(0) + headSize(uint64(max(n, 0))) + max(n, 0)
}

// fragmentAt is a fragment of b without payload.
func (b *Bundle) fragmentAt(offset uint64) *Bundle {
	f := &Bundle{Primary: b.Primary, Blocks: make([]Block, 0, len(b.Blocks))}
	p := &f.Primary
	if !p.Is(IsFragment) {
		p.Flags |= IsFragment
		p.Offset, p.Total = 0, uint64(len(b.Payload()))
	}
	p.Offset += offset
	for _, c := range b.Blocks {
		if c.Type == PayloadBlock {
			c.Data = nil
		}
		if c.Type == PayloadBlock || offset == 0 || c.Flags&Replicate != 0 {
			f.Blocks = append(f.Blocks, c)
		}
	}
	return f
}

// maxParts bounds how many fragments one bundle is cut into at once, and reassembled from.
const maxParts = 1 << 16

// Fragments cuts the whole bundle into fragments of at most size octets each.
func (b *Bundle) Fragments(size int) ([]*Bundle, error) {
	var all []*Bundle
	for offset := uint64(0); ; {
		part, next, err := b.Cut(offset, size)
		if err != nil {
			return nil, err
		}
		if all = append(all, part); len(all) > maxParts {
			return nil, refuse(ErrTooSmall, "over %d fragments", maxParts)
		}
		if offset = next; offset >= uint64(len(b.Payload())) {
			return all, nil
		}
	}
}
