package bundle

import (
	"crypto/aes"
	"crypto/cipher"
	"slices"
)

// Parameters and results of BCB-AES-GCM (RFC 9173 §4.3, §4.4), and its variants.
const (
	gcmIV      = 1
	gcmVariant = 2
	gcmWrapped = 3
	gcmScope   = 4
	gcmTag     = 1

	aes128 = 1
	aes256 = 3

	tagSize = 16
)

// NonceSize is the length of a nonce, in octets.
const NonceSize = 12

// Confidentiality is how to seal: BCB-AES-GCM of RFC 9173. Source, Key and Nonce are needed, the rest may be zero.
type Confidentiality struct {
	Source  EID             // the security source: our node ID
	Key     []byte          // 32 octets for AES-256, 16 for AES-128
	Nonce   [NonceSize]byte // never twice with the same key
	Omit    Scope           // what to leave unauthenticated
	Wrapped []byte          // the key, wrapped for who accepts; nil: it is known there
	Number  uint64          // of the block; zero: the lowest that is free
	CRC     CRCType         // of the block
}

// Seal encrypts one block in place and adds the block that says how. The target's CRC is taken off (RFC 9173 §4.8.1). There is one target to a block, for
// all the targets of one would share its nonce.
func (c Confidentiality) Seal(b *Bundle, target uint64) error {
	variant := uint64(aes256)
	if len(c.Key) == 16 {
		variant = aes128
	}
	aead, err := gcm(c.Key, variant, NonceSize)
	if err != nil {
		return err
	}
	targets := []uint64{target}
	if err := b.canSecure(ConfidentialityBlock, c.Number, targets); err != nil {
		return err
	}
	scope := scopeAll &^ c.Omit
	s := &security{targets: targets, context: contextGCM, source: c.Source}
	s.params = []field{bytesField(gcmIV, c.Nonce[:]), uintField(gcmVariant, variant)}
	if c.Wrapped != nil {
		s.params = append(s.params, bytesField(gcmWrapped, c.Wrapped))
	}
	s.params = append(s.params, uintField(gcmScope, uint64(scope)))
	var flags BlockFlags
	if target == PayloadNumber {
		flags = Replicate // RFC 9172 §3.8
	}
	b.dropCRCs(targets)
	by := b.Block(b.Add(Block{Type: ConfidentialityBlock, Number: c.Number, Flags: flags, CRC: c.CRC}))
	to := b.Block(target)
	out := aead.Seal(nil, c.Nonce[:], to.Data, b.covered(nil, scope, target, by))
	n := len(out) - tagSize
	to.Data = out[:n:n]
	s.results = [][]field{{bytesField(gcmTag, out[n:])}}
	by.Data = s.append(nil)
	return nil
}

// gcm makes the cipher of a variant.
func gcm(key []byte, variant uint64, nonce int) (cipher.AEAD, error) {
	size := 32
	if variant == aes128 {
		size = 16
	}
	if len(key) != size {
		return nil, refuse(ErrKey, "AES variant %d with a key of %d octets", variant, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, refuse(ErrKey, "%v", err)
	}
	aead, err := cipher.NewGCMWithNonceSize(block, nonce)
	if err != nil {
		return nil, refuse(ErrKey, "%v", err)
	}
	return aead, nil
}

// open decrypts one target in place.
func (b *Bundle) open(g guard, i int, keys Keys) Outcome {
	o := Outcome{Operation: Operation{Block: g.block, Service: ConfidentialityBlock, Target: g.targets[i], Source: g.source}}
	if g.context != contextGCM {
		o.Result = Unsupported
		return o
	}
	nonce, err := octets(g.params, gcmIV)
	variant, err2 := number(g.params, gcmVariant, aes256)
	wrapped, err3 := octets(g.params, gcmWrapped)
	scope, err4 := g.scope(gcmScope)
	tag, err5 := octets(g.results[i], gcmTag)
	o.Wrapped = wrapped
	target := b.Block(o.Target)
	switch {
	case err != nil || err2 != nil || err3 != nil || err4 != nil || err5 != nil:
		o.Result = Malformed
	case variant != aes128 && variant != aes256:
		o.Result = Unsupported
	case len(nonce) < 8 || len(nonce) > 16 || tag != nil && len(tag) != tagSize: // RFC 9173 §4.3.1, §4.4.1
		o.Result = Malformed
	case target == nil:
		o.Result = Missing
	default:
		sealed := append(slices.Clip(target.Data), tag...) // without a result the tag is at the end of the ciphertext
		o.Result = b.tryOpen(o.Operation, target, variant, nonce, sealed, scope, keys(o.Operation))
	}
	return o
}

func (b *Bundle) tryOpen(op Operation, target *Block, variant uint64, nonce, sealed []byte, scope Scope, keys [][]byte) Result {
	aad := b.covered(nil, scope, op.Target, b.Block(op.Block))
	result := NoKey
	for _, key := range keys {
		aead, err := gcm(key, variant, len(nonce))
		if err != nil {
			continue
		}
		if plain, err := aead.Open([]byte{}, nonce, sealed, aad); err == nil {
			target.Data = plain
			return Passed
		}
		result = Forged
	}
	return result
}

// Accept decrypts what it can, checks the signatures that it can, and takes off the operations that passed: for the destination (RFC 9172 §5.1). A block
// other than the payload whose operation is forged is taken out. ErrForged: the payload or the primary block is not what was signed or sealed, and the
// bundle must be thrown away. Operations without a key stay, and are listed as such.
func (b *Bundle) Accept(keys Keys) ([]Outcome, error) {
	if b.Primary.Is(IsFragment) {
		return nil, refuse(ErrFragment, "no security on fragments")
	}
	opened, err := b.accept(ConfidentialityBlock, keys)
	if err != nil {
		return opened, err
	}
	checked, err := b.accept(IntegrityBlock, keys)
	return append(opened, checked...), err
}

func (b *Bundle) accept(kind BlockType, keys Keys) ([]Outcome, error) {
	all, err := b.guards()
	if err != nil {
		return nil, err
	}
	hidden := b.hidden()
	var outcomes []Outcome
	for _, g := range all {
		if g.kind != kind {
			continue
		}
		for i, t := range g.targets {
			var o Outcome
			switch {
			case kind == ConfidentialityBlock:
				o = b.open(g, i, keys)
			case hidden[t]:
				o = Outcome{Operation{Block: g.block, Service: kind, Target: t, Source: g.source}, Hidden}
			default:
				o = b.verify(g, i, keys)
			}
			outcomes = append(outcomes, o)
			if o.fatal() {
				return outcomes, refuse(ErrForged, "block %d, said to be by %s", t, g.source)
			}
		}
	}
	b.settle(outcomes)
	return outcomes, nil
}

// settle takes off what passed, and takes out what is forged.
func (b *Bundle) settle(outcomes []Outcome) {
	for _, o := range outcomes {
		switch o.Result {
		case Passed:
			if c := b.Block(o.Block); c != nil {
				if s, err := parseSecurity(c.Data); err == nil && s.drop(o.Target) {
					b.update(c, s)
				}
			}
		case Forged:
			b.Remove(o.Target)
		}
	}
}
