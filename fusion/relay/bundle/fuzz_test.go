package bundle_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

func seeds(f *testing.F) {
	for _, s := range []string{rfcPlain, rfcSigned, rfcSealed, rfcTwoSources, rfcBoth} {
		f.Add(unhex(f, s))
	}
	b := secured(f)
	f.Add(encode(f, b))
	b = sample([]byte("x"))
	b.SetAge(1)
	b.SetHops(3, 1)
	b.SetPreviousNode(here)
	b.SetPrecedence(fusion.Flash)
	b.SetQoS(bundle.QoSOf(fusion.Flash))
	b.Add(bundle.Block{Type: 400, Flags: bundle.DiscardIfUnknown | bundle.ReportIfUnknown, CRC: bundle.CRC32C})
	f.Add(encode(f, b))
	b.Primary.Flags = bundle.ReportDelivery | bundle.StatusTime
	f.Add(encode(f, b.Report(bundle.WasDelivered, 0, here, bundle.Timestamp{Time: 1}, 2, 3, false)))
	f.Add(encode(f, piece(1, 3, 9, 30)))
}

// named: every refusal is one of ours, by its reason.
func named(t *testing.T, err error) {
	t.Helper()
	if err != nil && fusion.ReasonOf(err) == "internal" {
		t.Fatalf("no name: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := bundle.Decode(raw, bundle.Limits{Octets: 1 << 16})
		named(t, err)
		if err != nil {
			return
		}
		out := encode(t, b)
		again := decode(t, out)
		if !same(again, b) || !bytes.Equal(encode(t, again), out) {
			t.Fatalf("%x\nbecame %x", raw, out)
		}
		if len(out) > len(raw)+8 { // what was shorter than ours can only be the empty name for nobody
			t.Fatalf("%d octets became %d", len(raw), len(out))
		}
		use(t, b)
		encode(t, b)
	})
}

// use does with a bundle what a node does on the way.
func use(t *testing.T, b *bundle.Bundle) {
	_, _, err := b.PreviousNode()
	named(t, err)
	_, q, err := b.QoS()
	_ = q
	named(t, err)
	_, err = b.CheckTime(800000000000, 300000)
	named(t, err)
	if !b.Precedence().Valid() {
		t.Fatal(b.Precedence())
	}
	if b.Primary.Is(bundle.AdminRecord) {
		_, _, err := bundle.ParseStatusReport(b.Payload())
		named(t, err)
	}
	if parts, err := b.Fragments(b.Size() - len(b.Payload())/2); err == nil {
		for _, p := range parts {
			encode(t, p)
		}
	}
	b.ProcessUnknown(nil)
	named(t, errors.Join(b.Hop(), b.Grow(7)))
	b.SetPreviousNode(here)
	if r := b.Report(bundle.WasForwarded, 0, here, bundle.Timestamp{}, 5, 6, true); r != nil {
		encode(t, r)
	}
}

func FuzzSecurity(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := bundle.Decode(raw, bundle.Limits{Octets: 1 << 16})
		if err != nil {
			return
		}
		keys := func(op bundle.Operation) [][]byte {
			if key, err := bundle.UnwrapKey(sealKey, op.Wrapped); err == nil {
				return [][]byte{key}
			}
			return [][]byte{signKey, sealKey, sealKey[:16]}
		}
		before, came := encode(t, b), bytes.Clone(raw)
		defer func() {
			if !bytes.Equal(raw, came) {
				t.Error("the octets that came were changed")
			}
		}()
		_, err = b.Verify(keys)
		named(t, err)
		if !bytes.Equal(encode(t, b), before) {
			t.Fatal("Verify changed the bundle")
		}
		signed := b.Clone()
		named(t, signing().Sign(signed, bundle.PayloadNumber))
		named(t, sealing().Seal(signed, bundle.PayloadNumber))
		encode(t, signed)
		all, err := b.Accept(keys)
		named(t, err)
		if err == nil {
			left := encode(t, b)
			if len(left) > len(before) {
				t.Fatalf("%d octets became %d: %v", len(before), len(left), all)
			}
			decode(t, left)
		}
	})
}

// Four octets make a fragment of a payload of at most 48: from, length, source, and whether it lies. What comes out must be what a plain
// array would have, and what is held must stay in bounds.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte{0, 10, 0, 0, 10, 38, 0, 0})
	f.Add([]byte{20, 28, 0, 0, 0, 10, 0, 0, 5, 20, 0, 0})
	f.Add([]byte{20, 28, 0, 0, 0, 48, 0, 1, 0, 48, 0, 0, 0, 1, 1, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		const total = 48
		hold := bundle.Hold{Payload: total, Octets: 8000, Source: 3000, Bundles: 3, Parts: 5}
		a := bundle.NewReassembler(hold)
		have := map[uint32]*[total]bool{}
		for ; len(script) >= 4; script = script[4:] {
			from := uint64(script[0]) % (total + 1)
			to := min(from+uint64(script[1]), total)
			source := uint32(script[2]%4) + 1
			p := piece(source, from, to, total)
			if have[source] == nil {
				have[source] = new([total]bool)
			}
			known := have[source]
			lies := script[3]&1 == 1 && to > from
			if lies {
				p.Payload()[0] ^= 0xff
			}
			whole, err := a.Add(p, 0, 1000)
			if a.Octets() > hold.Octets || a.Bundles() > hold.Bundles {
				t.Fatal(a.Octets(), a.Bundles())
			}
			if err == nil && lies && !known[from] {
				return // it came first, and is believed: only a signature tells
			}
			check(t, known, p, whole, err, lies)
		}
	})
}

func check(t *testing.T, known *[48]bool, p, whole *bundle.Bundle, err error, lies bool) {
	t.Helper()
	switch {
	case errors.Is(err, bundle.ErrFull):
		return
	case errors.Is(err, bundle.ErrOverlap):
		if !lies || !known[p.Primary.Offset] {
			t.Fatal("refused although it does not contradict")
		}
		return
	case err != nil:
		t.Fatal(err)
	case lies:
		t.Fatal("taken although it contradicts")
	}
	complete := true
	for i := range known {
		if uint64(i) >= p.Primary.Offset && uint64(i) < p.Primary.Offset+uint64(len(p.Payload())) {
			known[i] = true
		}
		complete = complete && known[i]
	}
	if (whole != nil) != complete {
		t.Fatalf("complete %v, but %v", complete, whole)
	}
	if whole != nil {
		if !bytes.Equal(whole.Payload(), piece(1, 0, 48, 48).Payload()) {
			t.Fatalf("%x", whole.Payload())
		}
		*known = [48]bool{}
	}
}

func FuzzStatusReport(f *testing.F) {
	s := bundle.StatusReport{Source: here, Fragment: true, Offset: 1, Length: 2, Received: bundle.Assertion{Yes: true, At: 9}}
	f.Add(s.Append(nil))
	f.Add([]byte{0x82, 4, 0x83, 1, 2, 3})
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, known, err := bundle.ParseStatusReport(raw)
		named(t, err)
		if err != nil || !known {
			return
		}
		again, _, err := bundle.ParseStatusReport(s.Append(nil))
		if err != nil || *again != *s {
			t.Fatalf("%+v, %v\nwant %+v", again, err, s)
		}
	})
}

func FuzzEID(f *testing.F) {
	for _, s := range []string{"ipn:1.0", "ipn:977000.1.2", "dtn:none", "dtn://county/ops", "imc:1.2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		e, err := bundle.ParseEID(uri)
		named(t, err)
		if err == nil && e.String() != uri && uri != "dtn:none" && e.Allocator() != 0 {
			t.Fatalf("%q became %q", uri, e)
		}
		if err == nil {
			if again, err := bundle.ParseEID(e.String()); err != nil || again != e {
				t.Fatalf("%q became %v, %v", uri, again, err)
			}
			e.NodeID()
		}
	})
}
