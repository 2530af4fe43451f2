package bundle_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func decode(t testing.TB, raw []byte) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Decode(raw, bundle.Limits{})
	if err != nil {
		t.Fatalf("decode %x: %v", raw, err)
	}
	return b
}

func encode(t testing.TB, b *bundle.Bundle) []byte {
	t.Helper()
	raw, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) != b.Size() {
		t.Fatalf("Size says %d, Append wrote %d", b.Size(), len(raw))
	}
	return raw
}

// same compares bundles by what they say: empty data is no data.
func same(a, b *bundle.Bundle) bool {
	return a.Primary == b.Primary && slices.EqualFunc(a.Blocks, b.Blocks, func(x, y bundle.Block) bool {
		return x.Type == y.Type && x.Number == y.Number && x.Flags == y.Flags && x.CRC == y.CRC && bytes.Equal(x.Data, y.Data)
	})
}

// sample is a bundle as sites send them.
func sample(payload []byte) *bundle.Bundle {
	return bundle.New(bundle.Primary{
		CRC: bundle.CRC16, Destination: bundle.IPN(1676, 7), Source: bundle.IPN(1675, 7), ReportTo: bundle.IPN(1675, 0),
		Created: bundle.Timestamp{Time: 812345678901, Seq: 3}, Lifetime: 72 * 3600 * 1000,
	}, payload)
}

// always hands out the same keys.
func always(keys ...[]byte) bundle.Keys {
	return func(bundle.Operation) [][]byte { return keys }
}
