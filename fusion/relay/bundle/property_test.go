package bundle_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/relay/bundle"
	"pgregory.net/rapid"
)

// number prefers the values at which encodings grow.
func number() *rapid.Generator[uint64] {
	return rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, math.MaxUint64}), rapid.Uint64())
}

func anyEID() *rapid.Generator[bundle.EID] {
	return rapid.Custom(func(t *rapid.T) bundle.EID {
		node := rapid.Uint32Max(math.MaxUint32-1).Draw(t, "node")
		switch rapid.IntRange(0, 3).Draw(t, "scheme") {
		case 0:
			return bundle.EID{}
		case 1:
			e, err := bundle.ParseEID("dtn://" + rapid.StringMatching(`[!-~]{0,300}`).Draw(t, "name"))
			if err != nil {
				t.Fatal(err)
			}
			return e
		case 2:
			return bundle.IPNAt(rapid.Uint32().Draw(t, "allocator"), node, number().Draw(t, "service"))
		}
		return bundle.IPN(node, number().Draw(t, "service"))
	})
}

func anyCRC() *rapid.Generator[bundle.CRCType] {
	return rapid.SampledFrom([]bundle.CRCType{bundle.NoCRC, bundle.CRC16, bundle.CRC32C})
}

// anyBundle has a source, so that it can be cut, and any blocks.
func anyBundle(most int) *rapid.Generator[*bundle.Bundle] {
	return rapid.Custom(func(t *rapid.T) *bundle.Bundle {
		source := bundle.IPN(rapid.Uint32Range(1, 1676).Draw(t, "source"), number().Draw(t, "service"))
		b := bundle.New(bundle.Primary{
			Flags: bundle.BundleFlags(number().Draw(t, "flags")) &^ (bundle.IsFragment | bundle.MustNotFragment), CRC: anyCRC().Draw(t, "crc"),
			Destination: anyEID().Draw(t, "to"), Source: source, ReportTo: anyEID().Draw(t, "report"),
			Created:  bundle.Timestamp{Time: bundle.DTNTime(number().Draw(t, "time")), Seq: number().Draw(t, "seq")},
			Lifetime: number().Draw(t, "lifetime"),
		}, rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, "payload"))
		if rapid.Bool().Draw(t, "travels") {
			b.SetAge(number().Draw(t, "age"))
			b.SetHops(uint8(rapid.IntRange(1, 255).Draw(t, "limit")), number().Draw(t, "hops"))
			b.SetPreviousNode(anyEID().Draw(t, "previous"))
			b.SetPrecedence(fusion.Precedence(rapid.IntRange(0, 4).Draw(t, "precedence")))
		}
		for range rapid.IntRange(0, 3).Draw(t, "unknown") {
			b.Add(bundle.Block{
				Type: bundle.BlockType(rapid.Uint64Range(300, 305).Draw(t, "type")), Flags: bundle.BlockFlags(rapid.Byte().Draw(t, "bits")),
				CRC: anyCRC().Draw(t, "check"), Data: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data"),
			})
		}
		return b
	})
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := anyBundle(400).Draw(t, "bundle")
		raw, err := b.Append(nil)
		if err != nil || len(raw) != b.Size() {
			t.Fatal(len(raw), b.Size(), err)
		}
		got, err := bundle.Decode(raw, bundle.Limits{})
		if err != nil || !same(got, b) {
			t.Fatalf("%+v, %v\nwant %+v", got, err, b)
		}
		if c := got.Clone(); !same(c, b) {
			t.Fatalf("clone %+v", c)
		}
		if again, err := got.Append([]byte{1}); err != nil || !bytes.Equal(again[1:], raw) {
			t.Fatalf("%x, %v\nwant %x", again, err, raw)
		}
	})
}

func TestEndpointIDsAreWrittenAndReadAsURIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyEID().Draw(t, "eid")
		got, err := bundle.ParseEID(e.String())
		if err != nil || got != e {
			t.Fatalf("%v, %v: want %v", got, err, e)
		}
	})
}

// In any order, twice, cut again, and cut in two ways that overlap: what comes out is what went in, octet for octet.
func TestWhatIsCutIsPutTogetherAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := anyBundle(300).Draw(t, "bundle")
		raw, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		least := b.Size() - len(b.Payload()) + 30
		parts := cut(t, b, least+rapid.IntRange(1, 200).Draw(t, "size"))
		if rapid.Bool().Draw(t, "twice") {
			parts = append(parts, cut(t, b, least+rapid.IntRange(1, 200).Draw(t, "other"))...)
		}
		if rapid.Bool().Draw(t, "again") {
			var smaller []*bundle.Bundle
			for _, p := range parts {
				smaller = append(smaller, cut(t, p, least+rapid.IntRange(1, 20).Draw(t, "smaller"))...)
			}
			parts = smaller
		}
		if len(parts) == 1 {
			return
		}
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		a := bundle.NewReassembler(bundle.Hold{})
		for i, p := range parts {
			wire, err := p.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			f, err := bundle.Decode(wire, bundle.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !f.Primary.Is(bundle.IsFragment) {
				continue // one of the two cuts did not need to cut
			}
			whole, err := a.Add(f, 0, 1000)
			if err != nil {
				t.Fatal(i, err)
			}
			clear(wire)
			if whole != nil {
				if got, err := whole.Append(nil); err != nil || !bytes.Equal(got, raw) {
					t.Fatalf("%x, %v\nwant %x", got, err, raw)
				}
				if a.Octets() != 0 || a.Bundles() != 0 {
					t.Fatal(a.Octets(), a.Bundles())
				}
				return
			}
		}
		if rest := a.Missing(parts[0], 10); len(rest) > 0 && parts[0].Primary.Is(bundle.IsFragment) {
			t.Fatalf("missing %v", rest)
		}
	})
}

func cut(t *rapid.T, b *bundle.Bundle, size int) []*bundle.Bundle {
	parts, err := b.Fragments(size)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		if p.Size() > size {
			t.Fatalf("%d octets of %d", p.Size(), size)
		}
		// Not one octet is given away but in the last one.
		if i < len(parts)-1 && p.Size() < size-4 {
			t.Fatalf("only %d octets of %d", p.Size(), size)
		}
	}
	return parts
}

func TestWhatIsSecuredIsAcceptedAndWhatIsAlteredIsNot(t *testing.T) {
	key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	rapid.Check(t, func(t *rapid.T) {
		b := anyBundle(100).Draw(t, "bundle")
		b.Primary.CRC, b.Block(1).CRC = bundle.NoCRC, bundle.NoCRC
		for i := range b.Blocks {
			b.Blocks[i].CRC = bundle.NoCRC
		}
		plain := b.Clone()
		seal := rapid.Bool().Draw(t, "seal")
		i := bundle.Integrity{Source: bundle.Site(5), Key: key, Omit: bundle.Scope(rapid.IntRange(0, 7).Draw(t, "omit")), Quoted: rapid.Bool().Draw(t, "quoted")}
		c := bundle.Confidentiality{Source: bundle.Site(5), Key: other, Omit: bundle.Scope(rapid.IntRange(0, 7).Draw(t, "omitted"))}
		targets := []uint64{bundle.PrimaryNumber}
		if !seal {
			targets = append(targets, bundle.PayloadNumber)
		}
		if err := i.Sign(b, targets...); err != nil {
			t.Fatal(err)
		}
		if seal {
			if err := c.Seal(b, bundle.PayloadNumber); err != nil {
				t.Fatal(err)
			}
		}
		keys := func(op bundle.Operation) [][]byte {
			if op.Service == bundle.IntegrityBlock {
				return [][]byte{other, key}
			}
			return [][]byte{other}
		}
		bad := b.Clone()
		at := rapid.IntRange(0, 2).Draw(t, "at")
		switch {
		case at == 0:
			bad.Primary.Lifetime ^= 1
		case at == 1 && len(bad.Payload()) > 0:
			bad.Payload()[0] ^= 1
		default:
			last := bad.First(bundle.IntegrityBlock).Data
			last[len(last)-1] ^= 1
		}
		if all, err := bad.Accept(keys); err == nil {
			t.Fatalf("altered, and yet %v", all)
		}
		if _, err := b.Verify(keys); err != nil {
			t.Fatal(err)
		}
		if all, err := b.Accept(keys); err != nil || !same(b, plain) {
			t.Fatalf("%v %v\n%+v\nwant %+v", all, err, b, plain)
		}
	})
}
