package bundle

// BlockType says what a block is (RFC 9171 §9.1).
type BlockType uint64

// The block types that are known here.
const (
	PayloadBlock         BlockType = 1
	PreviousNodeBlock    BlockType = 6
	AgeBlock             BlockType = 7
	HopCountBlock        BlockType = 10
	IntegrityBlock       BlockType = 11  // RFC 9172
	ConfidentialityBlock BlockType = 12  // RFC 9172
	QoSBlock             BlockType = 193 // ION's class of service, from the private range
	PrecedenceBlock      BlockType = 214 // ours, from the private range
)

// Known reports whether the package knows the type.
func (t BlockType) Known() bool {
	switch t {
	case PayloadBlock, IntegrityBlock, ConfidentialityBlock:
		return true
	}
	return t.single()
}

// single tells the types of which a bundle has one at most.
func (t BlockType) single() bool {
	switch t {
	case PayloadBlock, PreviousNodeBlock, AgeBlock, HopCountBlock, QoSBlock, PrecedenceBlock:
		return true
	}
	return false
}

// BlockFlags are the block processing control flags (RFC 9171 §4.2.4). Unknown ones are kept.
type BlockFlags uint64

// The block processing control flags.
const (
	Replicate        BlockFlags = 1 << 0 // in every fragment
	ReportIfUnknown  BlockFlags = 1 << 1
	DeleteIfUnknown  BlockFlags = 1 << 2 // the bundle
	DiscardIfUnknown BlockFlags = 1 << 4 // the block

	knownBlockFlags = Replicate | ReportIfUnknown | DeleteIfUnknown | DiscardIfUnknown
)

// Block numbers that are fixed.
const (
	PrimaryNumber = 0 // the primary block's, as a target of security
	PayloadNumber = 1
)

// Block is a canonical block (RFC 9171 §4.3.2).
type Block struct {
	Type   BlockType
	Number uint64 // unique in its bundle; the payload's is 1
	Flags  BlockFlags
	CRC    CRCType
	Data   []byte // block-type-specific
}

// block reads a canonical block.
func (r *reader) block() Block {
	from := r.at
	l := r.array()
	b := Block{Type: BlockType(r.next(&l).uint()), Number: r.next(&l).uint()}
	b.Flags = BlockFlags(r.next(&l).uint())
	b.CRC = r.next(&l).crcType()
	b.Data = r.next(&l).bytes()
	r.crc(b.CRC, &l, from)
	return b
}

// append writes the block.
func (b *Block) append(dst []byte) []byte {
	from := len(dst)
	fields := 5
	if b.CRC != NoCRC {
		fields++
	}
	dst = appendUint(appendUint(appendArray(dst, fields), uint64(b.Type)), b.Number)
	dst = appendUint(appendUint(dst, uint64(b.Flags)), uint64(b.CRC))
	return b.CRC.appendCRC(appendBytes(dst, b.Data), from)
}

// size is how many octets append writes.
func (b *Block) size() int { return b.overhead() + headSize(uint64(len(b.Data))) + len(b.Data) }

// overhead is size without the data and its head.
func (b *Block) overhead() int {
	n := 2 + headSize(uint64(b.Type)) + headSize(b.Number) + headSize(uint64(b.Flags))
	if b.CRC != NoCRC {
		n += 1 + b.CRC.size()
	}
	return n
}

// appendHeader writes what signatures cover of a block besides its data; unknown flags count as 0 (RFC 9172 §4, RFC 9173 §3.7).
func (b *Block) appendHeader(dst []byte) []byte {
	return appendUint(appendUint(appendUint(dst, uint64(b.Type)), b.Number), uint64(b.Flags&knownBlockFlags))
}
