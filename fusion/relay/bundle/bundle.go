package bundle

import (
	"bytes"
	"slices"
)

// Limits bound what Decode takes. Zero values mean the defaults.
type Limits struct {
	Octets int // of a bundle; default 16 MiB
	Blocks int // of a bundle, without the primary block; default 32, at most 256
}

const (
	defaultOctets = 16 << 20
	defaultBlocks = 32
	maxBlocks     = 256
)

func (l Limits) octets() int {
	if l.Octets <= 0 {
		return defaultOctets
	}
	return l.Octets
}

func (l Limits) blocks() int {
	if l.Blocks <= 0 {
		return defaultBlocks
	}
	return min(l.Blocks, maxBlocks)
}

// Bundle is a bundle or a fragment of one. Its payload block is its last.
type Bundle struct {
	Primary Primary
	Blocks  []Block
}

// New makes a bundle. The payload's block has the same type of CRC as the primary block.
func New(p Primary, payload []byte) *Bundle {
	return &Bundle{Primary: p, Blocks: []Block{{Type: PayloadBlock, Number: PayloadNumber, CRC: p.CRC, Data: payload}}}
}

// Decode reads one bundle, which is all that raw holds. What it gives refers to raw.
func Decode(raw []byte, limits Limits) (*Bundle, error) {
	b := &Bundle{Blocks: make([]Block, 0, 4)}
	if err := b.Decode(raw, limits); err != nil {
		return nil, err
	}
	return b, nil
}

// Decode reads one bundle in place of what b was, and uses its room again. After an error b is not to be used.
func (b *Bundle) Decode(raw []byte, limits Limits) error {
	if len(raw) > limits.octets() {
		return refuse(ErrTooLarge, "bundle of %d octets", len(raw))
	}
	if len(raw) == 0 {
		return refuse(ErrTruncated, "bundle of no octets")
	}
	if raw[0] != openArray {
		return refuse(ErrNotBundle, "bundle begins with %#x", raw[0])
	}
	*b = Bundle{Blocks: b.Blocks[:0]}
	r := reader{buf: raw, at: 1}
	r.primary(&b.Primary)
	for l := (list{open: true}); r.more(&l); {
		if len(b.Blocks) == limits.blocks() {
			r.fail(ErrTooLarge, "over %d blocks", limits.blocks())
			break
		}
		b.Blocks = append(b.Blocks, r.block())
	}
	if err := r.done(); err != nil {
		return err
	}
	return b.check()
}

// check refuses what is no bundle, whoever made it.
func (b *Bundle) check() error {
	if err := b.Primary.check(); err != nil {
		return err
	}
	last := len(b.Blocks) - 1
	if last < 0 || b.Blocks[last].Type != PayloadBlock {
		return refuse(ErrMalformed, "payload is not last")
	}
	for i := range b.Blocks {
		if err := b.checkBlock(i); err != nil {
			return err
		}
	}
	p, length := &b.Primary, uint64(len(b.Blocks[last].Data))
	if p.Is(IsFragment) && (p.Offset > p.Total || length > p.Total-p.Offset) {
		return refuse(ErrMalformed, "fragment of %d at %d of %d", length, p.Offset, p.Total)
	}
	return nil
}

func (b *Bundle) checkBlock(i int) error {
	c := &b.Blocks[i]
	switch {
	case c.Number == PrimaryNumber || (c.Type == PayloadBlock) != (c.Number == PayloadNumber):
		return refuse(ErrMalformed, "block of type %d with number %d", c.Type, c.Number)
	case c.Type == 0 || c.CRC > CRC32C:
		return refuse(ErrMalformed, "block of type %d with CRC type %d", c.Type, c.CRC)
	}
	for j := range b.Blocks[:i] {
		d := &b.Blocks[j]
		if d.Number == c.Number || d.Type == c.Type && c.Type.single() {
			return refuse(ErrDuplicate, "block of type %d with number %d", c.Type, c.Number)
		}
	}
	return nil
}

// Append writes the bundle behind dst. It refuses one that could not be read again, as ErrUnencodable.
func (b *Bundle) Append(dst []byte) ([]byte, error) {
	if len(b.Blocks) > maxBlocks {
		return dst, refuse(ErrUnencodable, "%d blocks", len(b.Blocks))
	}
	if err := b.check(); err != nil {
		return dst, refuse(ErrUnencodable, "%v", err)
	}
	dst = b.Primary.append(append(slices.Grow(dst, b.Size()), openArray))
	for i := range b.Blocks {
		dst = b.Blocks[i].append(dst)
	}
	return append(dst, breakCode), nil
}

// Size is how many octets Append writes.
func (b *Bundle) Size() int {
	n := 2 + b.Primary.size()
	for i := range b.Blocks {
		n += b.Blocks[i].size()
	}
	return n
}

// Clone copies the bundle and all that it refers to.
func (b *Bundle) Clone() *Bundle {
	c := &Bundle{Primary: b.Primary, Blocks: make([]Block, len(b.Blocks))}
	copy(c.Blocks, b.Blocks)
	for i := range c.Blocks {
		c.Blocks[i].Data = bytes.Clone(c.Blocks[i].Data)
	}
	return c
}

// Payload gives the payload, or nil when b has none yet.
func (b *Bundle) Payload() []byte {
	if p := b.Block(PayloadNumber); p != nil {
		return p.Data
	}
	return nil
}

// Block gives the block of that number, or nil. It is good until blocks are added or removed.
func (b *Bundle) Block(number uint64) *Block {
	for i := range b.Blocks {
		if b.Blocks[i].Number == number {
			return &b.Blocks[i]
		}
	}
	return nil
}

// First gives the first block of that type, or nil. It is good until blocks are added or removed.
func (b *Bundle) First(t BlockType) *Block {
	for i := range b.Blocks {
		if b.Blocks[i].Type == t {
			return &b.Blocks[i]
		}
	}
	return nil
}

// Add puts a block before all others and gives its number: the one that it has, or the lowest that is free when it has none.
func (b *Bundle) Add(c Block) uint64 {
	if c.Number == 0 {
		for c.Number = 2; b.Block(c.Number) != nil; {
			c.Number++
		}
	}
	b.Blocks = append(b.Blocks, Block{})
	copy(b.Blocks[1:], b.Blocks)
	b.Blocks[0] = c
	return c.Number
}

// Remove takes a block out, with the security operations on it (RFC 9172 §3.4). It reports whether it was there.
func (b *Bundle) Remove(number uint64) bool {
	for i := range b.Blocks {
		if b.Blocks[i].Number == number {
			b.Blocks = append(b.Blocks[:i], b.Blocks[i+1:]...)
			b.dropOperations(number)
			return true
		}
	}
	return false
}

// Unknown is what the flags of unknown blocks ask for.
type Unknown struct {
	Report    bool // that a block was not understood: ReasonBlockUnsupported
	Delete    bool // the bundle
	Discarded int  // blocks that were taken out
}

// ProcessUnknown obeys the flags of the blocks that known does not know (RFC 9171 §5.6, step 4): it takes out those that are to be discarded, and
// says what else is asked for. All others stay, to be forwarded as they are. Known may be nil: BlockType.Known.
func (b *Bundle) ProcessUnknown(known func(BlockType) bool) Unknown {
	if known == nil {
		known = BlockType.Known
	}
	var u Unknown
	for i := 0; i < len(b.Blocks); i++ {
		c := b.Blocks[i]
		if c.Type == PayloadBlock || known(c.Type) {
			continue
		}
		u.Report = u.Report || c.Flags&ReportIfUnknown != 0
		u.Delete = u.Delete || c.Flags&DeleteIfUnknown != 0
		if c.Flags&DiscardIfUnknown != 0 {
			u.Discarded++
			b.Remove(c.Number)
			i = -1 // a security block may have gone with it
		}
	}
	u.Report = u.Report && b.reportable()
	return u
}

// reportable tells bundles that may be reported on: no reports, nothing from nobody, and somebody to report to (RFC 9171 §4.2.3).
func (b *Bundle) reportable() bool {
	return !b.Primary.Is(AdminRecord) && !b.Primary.Source.IsNone() && !b.Primary.ReportTo.IsNone()
}
