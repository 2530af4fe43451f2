package bundle_test

import (
	"bytes"
	"testing"

	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

func BenchmarkEncode100(b *testing.B) {
	payload, p := bytes.Repeat([]byte("x"), 100), sample(nil).Primary
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bundle.New(p, payload).Append(nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode100Again(b *testing.B) {
	x := sample(bytes.Repeat([]byte("x"), 100))
	var room []byte
	b.ReportAllocs()
	for b.Loop() {
		room, _ = x.Append(room[:0])
	}
}

func BenchmarkDecode100(b *testing.B) {
	raw := encode(b, sample(bytes.Repeat([]byte("x"), 100)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bundle.Decode(raw, bundle.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode100Again(b *testing.B) {
	raw := encode(b, sample(bytes.Repeat([]byte("x"), 100)))
	var x bundle.Bundle
	b.ReportAllocs()
	for b.Loop() {
		if err := x.Decode(raw, bundle.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign100(b *testing.B) {
	x := sample(bytes.Repeat([]byte("x"), 100))
	b.ReportAllocs()
	for b.Loop() {
		y := *x
		y.Blocks = append([]bundle.Block(nil), x.Blocks...)
		if err := signing().Sign(&y, bundle.PrimaryNumber, bundle.PayloadNumber); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify100(b *testing.B) {
	x := sample(bytes.Repeat([]byte("x"), 100))
	if err := signing().Sign(x, bundle.PrimaryNumber, bundle.PayloadNumber); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := x.Verify(siteKeys); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReassemble1MiB(b *testing.B) {
	parts, err := sample(make([]byte, 1<<20)).Fragments(1200)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		a := bundle.NewReassembler(bundle.Hold{})
		for _, p := range parts {
			if _, err := a.Add(p, 0, 1000); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// The target: under 10 allocations each way, at most 56 octets around the payload with the largest site numbers and lifetime.
func TestABundleIsSmallAndCheap(t *testing.T) {
	payload, p := bytes.Repeat([]byte("x"), 100), sample(nil).Primary
	raw := encode(t, bundle.New(p, payload))
	if over := len(raw) - len(payload); over > 56 {
		t.Errorf("%d octets around the payload", over)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = bundle.New(p, payload).Append(nil) }); n >= 10 {
		t.Errorf("%g allocations to encode", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = bundle.Decode(raw, bundle.Limits{}) }); n >= 10 {
		t.Errorf("%g allocations to decode", n)
	}
	var again bundle.Bundle
	if n := testing.AllocsPerRun(100, func() { _ = again.Decode(raw, bundle.Limits{}) }); n > 0 {
		t.Errorf("%g allocations to decode into the same bundle", n)
	}
}
