package bundle

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"slices"
)

// HMAC is a variant of BIB-HMAC-SHA2 (RFC 9173 §3.3.1).
type HMAC uint8

// The variants. We write the first one; the default of the RFC, for a block that does not say, is the second.
const (
	HMAC256 HMAC = 5
	HMAC384 HMAC = 6
	HMAC512 HMAC = 7
)

// Parameters and results of BIB-HMAC-SHA2 (RFC 9173 §3.3, §3.4).
const (
	hmacVariant = 1
	hmacWrapped = 2
	hmacScope   = 3
	hmacResult  = 1
)

// hash gives the variant's hash, or nil for an unknown variant, and the size of its result.
func (v HMAC) hash() (func() hash.Hash, int) {
	switch v {
	case HMAC256:
		return sha256.New, sha256.Size
	case HMAC384:
		return sha512.New384, sha512.Size384
	case HMAC512:
		return sha512.New, sha512.Size
	}
	return nil, 0
}

// Integrity is how to sign: BIB-HMAC-SHA2 of RFC 9173. Source and Key are needed, the rest may be zero.
type Integrity struct {
	Source  EID        // the security source: our node ID
	Key     []byte     // as long as the hash: 32 octets for HMAC256
	Variant HMAC       // zero: HMAC256
	Omit    Scope      // what to leave uncovered
	Wrapped []byte     // the key, wrapped for who accepts; nil: it is known there
	Number  uint64     // of the block; zero: the lowest that is free
	Flags   BlockFlags // of the block
	CRC     CRCType    // of the block
	Quoted  bool       // the primary block as a target is covered as a byte string, as RFC 9173 Appendix A.3 and HDTN have it

	anyKey bool // the RFC's examples have keys that the RFC forbids
}

// Sign adds one block with a signature over each target: block numbers, PrimaryNumber among them. The targets' CRCs are taken off (RFC 9173 §3.8.1).
func (c Integrity) Sign(b *Bundle, targets ...uint64) error {
	if c.Variant == 0 {
		c.Variant = HMAC256
	}
	newHash, size := c.Variant.hash()
	if newHash == nil || len(c.Key) != size && !c.anyKey {
		return refuse(ErrKey, "HMAC variant %d with a key of %d octets", c.Variant, len(c.Key))
	}
	if err := b.canSecure(IntegrityBlock, c.Number, targets); err != nil {
		return err
	}
	s := &security{targets: slices.Clone(targets), context: contextHMAC, source: c.Source}
	s.params = append(s.params, uintField(hmacVariant, uint64(c.Variant)))
	if c.Wrapped != nil {
		s.params = append(s.params, bytesField(hmacWrapped, c.Wrapped))
	}
	scope := scopeAll &^ c.Omit
	s.params = append(s.params, uintField(hmacScope, uint64(scope)))
	b.dropCRCs(targets)
	number := b.Add(Block{Type: IntegrityBlock, Number: c.Number, Flags: c.Flags, CRC: c.CRC})
	by := b.Block(number)
	for _, t := range targets {
		sum := b.mac(hmac.New(newHash, c.Key), scope, t, by, c.Quoted)
		s.results = append(s.results, []field{bytesField(hmacResult, sum)})
	}
	by.Data = s.append(nil)
	return nil
}

func uintField(id, n uint64) field { return field{id, appendUint(nil, n)} }

func bytesField(id uint64, b []byte) field { return field{id, appendBytes(nil, b)} }

// canSecure checks what RFC 9172 asks before an operation is added (§3.7–3.9, §5.2).
func (b *Bundle) canSecure(kind BlockType, number uint64, targets []uint64) error {
	if b.Primary.Is(IsFragment) {
		return refuse(ErrFragment, "no security on fragments")
	}
	if number == PayloadNumber || number != 0 && b.Block(number) != nil {
		return refuse(ErrUnencodable, "block number %d is taken", number)
	}
	if len(targets) == 0 || len(targets) > maxOperations {
		return refuse(ErrUnencodable, "%d targets", len(targets))
	}
	all, err := b.guards()
	if err != nil {
		return err
	}
	hidden := b.hidden()
	for i, t := range targets {
		if !b.canTarget(kind, t) || hidden[t] || slices.Contains(targets[:i], t) {
			return refuse(ErrConflictingOperation, "block %d", t)
		}
		for _, g := range all {
			if g.kind == IntegrityBlock && slices.Contains(g.targets, t) {
				return refuse(ErrConflictingOperation, "block %d is signed already", t)
			}
		}
		if t == PrimaryNumber && b.Primary.CRC != NoCRC && len(all) > 0 {
			return ErrOrder
		}
	}
	return nil
}

// dropCRCs takes the check values off targets: the signature does better, and a CRC of a plaintext would tell about it.
func (b *Bundle) dropCRCs(targets []uint64) {
	for _, t := range targets {
		if t == PrimaryNumber {
			b.Primary.CRC = NoCRC
		} else {
			b.Block(t).CRC = NoCRC
		}
	}
}

// mac computes the signature over a target (RFC 9173 §3.7).
func (b *Bundle) mac(h hash.Hash, scope Scope, target uint64, by *Block, quoted bool) []byte {
	var room [256]byte
	text := b.covered(room[:0], scope, target, by)
	if target == PrimaryNumber {
		if quoted {
			text = appendHead(text, majorBytes, uint64(b.Primary.size()))
		}
		h.Write(b.Primary.append(text))
		return h.Sum(nil)
	}
	data := b.Block(target).Data
	h.Write(appendHead(text, majorBytes, uint64(len(data))))
	h.Write(data)
	return h.Sum(nil)
}

// verify checks one signature.
func (b *Bundle) verify(g guard, i int, keys Keys) Outcome {
	o := Outcome{Operation: Operation{Block: g.block, Service: IntegrityBlock, Target: g.targets[i], Source: g.source}}
	if g.context != contextHMAC {
		o.Result = Unsupported
		return o
	}
	variant, err := number(g.params, hmacVariant, uint64(HMAC384))
	wrapped, err2 := octets(g.params, hmacWrapped)
	scope, err3 := g.scope(hmacScope)
	want, err4 := octets(g.results[i], hmacResult)
	o.Wrapped = wrapped
	newHash, size := HMAC(min(variant, 255)).hash()
	switch {
	case err != nil || err2 != nil || err3 != nil || err4 != nil:
		o.Result = Malformed
	case newHash == nil:
		o.Result = Unsupported
	case len(want) != size:
		o.Result = Malformed
	case o.Target != PrimaryNumber && b.Block(o.Target) == nil:
		o.Result = Missing
	default:
		o.Result = b.tryMAC(o.Operation, newHash, scope, want, keys(o.Operation))
	}
	return o
}

func (b *Bundle) tryMAC(op Operation, newHash func() hash.Hash, scope Scope, want []byte, keys [][]byte) Result {
	if len(keys) == 0 {
		return NoKey
	}
	by := b.Block(op.Block)
	for _, key := range keys {
		if hmac.Equal(want, b.mac(hmac.New(newHash, key), scope, op.Target, by, false)) {
			return Passed
		}
		if op.Target == PrimaryNumber && hmac.Equal(want, b.mac(hmac.New(newHash, key), scope, op.Target, by, true)) {
			return Passed
		}
	}
	return Forged
}

// Verify checks the signatures that can be checked here and changes nothing: for a node on the way (RFC 9172 §5.1.2). Signatures that are
// encrypted are not listed. ErrForged: the payload or the primary block is not what was signed, and the bundle must go no further.
func (b *Bundle) Verify(keys Keys) ([]Outcome, error) {
	if b.Primary.Is(IsFragment) {
		return nil, refuse(ErrFragment, "no security on fragments")
	}
	all, err := b.guards()
	if err != nil {
		return nil, err
	}
	var outcomes []Outcome
	hidden := b.hidden()
	for _, g := range all {
		if g.kind != IntegrityBlock {
			continue
		}
		for i, t := range g.targets {
			if hidden[t] {
				outcomes = append(outcomes, Outcome{Operation{Block: g.block, Service: g.kind, Target: t, Source: g.source}, Hidden})
				continue
			}
			o := b.verify(g, i, keys)
			outcomes = append(outcomes, o)
			if o.fatal() {
				err = refuse(ErrForged, "block %d, said to be signed by %s", t, g.source)
			}
		}
	}
	return outcomes, err
}

// fatal outcomes leave nothing worth keeping.
func (o Outcome) fatal() bool { return o.Result == Forged && o.Target <= PayloadNumber }
