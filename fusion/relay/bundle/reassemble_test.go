package bundle_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

// piece is a fragment of a payload of the numbers 0, 1, 2 and so on.
func piece(source uint32, from, to, total uint64) *bundle.Bundle {
	data := make([]byte, 0, to-from)
	for i := from; i < to; i++ {
		data = append(data, byte(i))
	}
	b := sample(data)
	p := &b.Primary
	p.Flags, p.Offset, p.Total, p.Source = bundle.IsFragment, from, total, bundle.IPN(source, 7)
	return b
}

func TestFragmentsThatContradictEachOtherAreRefusedAndDoNoHarm(t *testing.T) {
	a := bundle.NewReassembler(bundle.Hold{})
	add := func(f *bundle.Bundle, want error) *bundle.Bundle {
		t.Helper()
		b, err := a.Add(f, 0, 1000)
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		return b
	}
	add(piece(1, 10, 20, 40), nil)
	add(piece(1, 25, 30, 40), nil)
	lie := piece(1, 0, 40, 40)
	lie.Payload()[27]++
	held := a.Octets()
	add(lie, bundle.ErrOverlap)
	if a.Octets() != held {
		t.Error("what was refused is held")
	}
	longer := piece(1, 0, 10, 50)
	add(longer, nil)
	if a.Bundles() != 2 {
		t.Error("another length is another bundle")
	}
	if got := a.Missing(piece(1, 0, 0, 40), 9); !slices.Equal(got, []bundle.Range{{From: 0, To: 10}, {From: 20, To: 25}, {From: 30, To: 40}}) {
		t.Error(got)
	}
	if got := a.Missing(piece(1, 0, 0, 40), 2); len(got) != 2 {
		t.Error(got)
	}
	if got := a.Missing(piece(3, 0, 0, 40), 2); !slices.Equal(got, []bundle.Range{{From: 0, To: 40}}) {
		t.Error(got)
	}
	got := add(piece(1, 5, 40, 40), nil)
	if got != nil {
		t.Fatal("the beginning is missing")
	}
	got = add(piece(1, 0, 12, 40), nil)
	if got == nil || !bytes.Equal(got.Payload(), piece(1, 0, 40, 40).Payload()) || got.Primary.Is(bundle.IsFragment) {
		t.Fatalf("%+v", got)
	}
	add(sample(nil), bundle.ErrFragment)
}

func TestFragmentsAreHeldWithinBounds(t *testing.T) {
	hold := bundle.Hold{Payload: 1000, Octets: 4000, Source: 2000, Bundles: 5, Parts: 3}
	a := bundle.NewReassembler(hold)
	add := func(f *bundle.Bundle) error {
		_, err := a.Add(f, 0, 1000)
		if a.Octets() > hold.Octets || a.Bundles() > hold.Bundles {
			t.Fatal(a.Octets(), a.Bundles())
		}
		return err
	}
	if err := add(piece(1, 0, 10, 1001)); !errors.Is(err, bundle.ErrTooLarge) {
		t.Error(err)
	}
	for from := uint64(0); from < 6; from += 2 {
		if err := add(piece(1, from, from+1, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(piece(1, 6, 7, 100)); !errors.Is(err, bundle.ErrFull) {
		t.Error("a fourth piece:", err)
	}
	if err := add(piece(1, 0, 900, 950)); err != nil {
		t.Error(err)
	}
	if err := add(piece(1, 0, 900, 951)); !errors.Is(err, bundle.ErrFull) || fusion.FaultOf(err) != fusion.Full {
		t.Error("over the share of a source:", err)
	}
	if err := add(piece(2, 0, 900, 951)); err != nil {
		t.Error("another source has its own share:", err)
	}
	if err := add(piece(3, 0, 900, 951)); !errors.Is(err, bundle.ErrFull) {
		t.Error("over everything:", err)
	}
	// Fragments without octets cost something too.
	for total := uint64(1); total < 20; total++ {
		_ = add(piece(4, total, total, total))
	}
	if gone := a.Expire(999); len(gone) != 0 {
		t.Error(gone)
	}
	if gone := a.Expire(1000); len(gone) == 0 || a.Octets() != 0 || a.Bundles() != 0 {
		t.Error(len(gone), a.Octets(), a.Bundles())
	}
	if err := add(piece(1, 0, 900, 951)); err != nil {
		t.Error("after that there is room again:", err)
	}
}

func TestAnEmptyPayloadAndFragmentsInOrderCostLittle(t *testing.T) {
	a := bundle.NewReassembler(bundle.Hold{Parts: 1})
	for i := range uint64(100) {
		b, err := a.Add(piece(1, i, i+1, 100), 0, 1000)
		if err != nil || (b != nil) != (i == 99) {
			t.Fatal(i, b, err)
		}
	}
	if b, err := a.Add(piece(1, 0, 0, 0), 0, 1000); b == nil || err != nil || len(b.Payload()) != 0 {
		t.Error(b, err)
	}
}

func TestWhatMustNotOrCannotBeCutIsNot(t *testing.T) {
	b := sample(bytes.Repeat([]byte{1}, 100))
	for _, size := range []int{-1, 0, 50, b.Size() - 100} {
		if _, _, err := b.Cut(0, size); !errors.Is(err, bundle.ErrTooSmall) {
			t.Errorf("into %d: %v", size, err)
		}
	}
	if _, _, err := b.Cut(100, 90); !errors.Is(err, bundle.ErrFragment) {
		t.Error(err)
	}
	if _, _, err := b.Cut(5, 1<<62); err != nil {
		t.Error(err)
	}
	if same, next, err := b.Cut(0, b.Size()); same != b || next != 100 || err != nil {
		t.Error(next, err)
	}
	b.Primary.Flags |= bundle.MustNotFragment
	if _, _, err := b.Cut(0, 90); !errors.Is(err, bundle.ErrFragment) {
		t.Error(err)
	}
	b.Primary.Flags, b.Primary.Source = 0, bundle.EID{}
	if _, _, err := b.Cut(0, 90); !errors.Is(err, bundle.ErrFragment) {
		t.Error(err)
	}
	big := sample(make([]byte, 1<<17))
	if _, err := big.Fragments(big.Size() - 1<<17 + 4 + 2); !errors.Is(err, bundle.ErrTooSmall) {
		t.Error(err)
	}
}

// A signed and sealed bundle is cut, put together, and still holds; the blocks that are to be everywhere are.
func TestSecurityOutlivesFragments(t *testing.T) {
	key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	b := sample(bytes.Repeat([]byte("通"), 300))
	b.SetPrecedence(fusion.Flash)
	sign := bundle.Integrity{Source: bundle.Site(1675), Key: key}
	seal := bundle.Confidentiality{Source: bundle.Site(1675), Key: other}
	if err := errors.Join(sign.Sign(b, bundle.PrimaryNumber, 2), seal.Seal(b, bundle.PayloadNumber)); err != nil {
		t.Fatal(err)
	}
	parts, err := b.Fragments(400)
	if err != nil || len(parts) < 3 {
		t.Fatal(len(parts), err)
	}
	a := bundle.NewReassembler(bundle.Hold{})
	var whole *bundle.Bundle
	for _, p := range slices.Backward(parts) {
		if p.Precedence() != fusion.Flash || p.First(bundle.ConfidentialityBlock) == nil {
			t.Error("precedence and seal go with every fragment")
		}
		if _, err := p.Verify(always(key)); !errors.Is(err, bundle.ErrFragment) {
			t.Error(err)
		}
		if _, err := p.Accept(always(key)); !errors.Is(err, bundle.ErrFragment) {
			t.Error(err)
		}
		if err := sign.Sign(p, bundle.PayloadNumber); !errors.Is(err, bundle.ErrFragment) {
			t.Error(err)
		}
		if whole, err = a.Add(decode(t, encode(t, p)), 0, 1000); err != nil {
			t.Fatal(err)
		}
	}
	all, err := whole.Accept(func(op bundle.Operation) [][]byte {
		if op.Service == bundle.ConfidentialityBlock {
			return [][]byte{other}
		}
		return [][]byte{key}
	})
	passed(t, all, err, 3)
	if !bytes.Equal(whole.Payload(), bytes.Repeat([]byte("通"), 300)) {
		t.Error("payload differs")
	}
}
