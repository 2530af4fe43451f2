package bundle_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

func TestBadOctetsAreRefusedByName(t *testing.T) {
	primary := func(fields string) string { return "9f" + fields + rfcPayload + "ff" }
	const eids, rest = "820282010282028202018202820201", "820018281a000f4240"
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"nothing":                  {"", bundle.ErrTruncated},
		"no array":                 {"00", bundle.ErrNotBundle},
		"definite outer array":     {"82" + rfcPrimary + rfcPayload, bundle.ErrNotBundle},
		"version 6":                {primary("88060000" + eids + rest), bundle.ErrNotBundle},
		"something behind":         {rfcPlain + "00", bundle.ErrTrailing},
		"negative lifetime":        {primary("88070000" + eids + "82001828" + "3a000f4240"), bundle.ErrNegative},
		"negative time":            {primary("88070000" + eids + "822018281a000f4240"), bundle.ErrNegative},
		"negative node":            {primary("88070000" + "8202822002" + "82028202018202820201" + rest), bundle.ErrNegative},
		"fractional time":          {primary("88070000" + eids + "82f93c0018281a000f4240"), bundle.ErrMalformed},
		"text for a number":        {primary("88076100" + "00" + eids + rest), bundle.ErrMalformed},
		"CRC type 3":               {primary("89070003" + eids + rest + "420000"), bundle.ErrMalformed},
		"CRC of the wrong size":    {primary("89070001" + eids + rest + "4400000000"), bundle.ErrMalformed},
		"CRC wrong":                {primary("89070001" + eids + rest + "420000"), bundle.ErrCRC},
		"CRC announced, missing":   {primary("88070001" + eids + rest), bundle.ErrMalformed},
		"CRC not announced":        {primary("89070000" + eids + rest + "420000"), bundle.ErrMalformed},
		"too few fields":           {primary("87070000" + eids + "82001828"), bundle.ErrMalformed},
		"too many fields":          {primary("89070000" + eids + rest + "00"), bundle.ErrMalformed},
		"reserved head":            {primary("88070000" + eids + "8200" + "1c"), bundle.ErrMalformed},
		"unknown scheme":           {primary("88070000" + "8203820102" + "82028202018202820201" + rest), bundle.ErrScheme},
		"this node":                {primary("88070000" + "8202821affffffff02" + "82028202018202820201" + rest), bundle.ErrLocalNode},
		"this node, three":         {primary("88070000" + "820283001affffffff02" + "82028202018202820201" + rest), bundle.ErrLocalNode},
		"node over 32 bits, three": {primary("88070000" + "820283001b000000010000000002" + "82028202018202820201" + rest), bundle.ErrMalformed},
		"dtn number":               {primary("88070000" + "820105" + "82028202018202820201" + rest), bundle.ErrMalformed},
		"dtn without a node":       {primary("88070000" + "82016161" + "82028202018202820201" + rest), bundle.ErrMalformed},
		"dtn with a line break":    {primary("88070000" + "8201632f2f0a" + "82028202018202820201" + rest), bundle.ErrMalformed},
		"dtn not UTF-8":            {primary("88070000" + "8201632f2fff" + "82028202018202820201" + rest), bundle.ErrMalformed},
		"dtn too long":             {primary("88070000" + "8201790402" + "2f2f" + strings.Repeat("61", 1024) + "82028202018202820201" + rest), bundle.ErrTooLarge},
		"no payload":               {"9f" + rfcPrimary + "ff", bundle.ErrMalformed},
		"no payload but a block":   {"9f" + rfcPrimary + rfcAge + "ff", bundle.ErrMalformed},
		"payload not last":         {"9f" + rfcPrimary + rfcPayload + rfcAge + "ff", bundle.ErrMalformed},
		"payload numbered 2":       {"9f" + rfcPrimary + "85010200004100ff", bundle.ErrMalformed},
		"a block numbered 1":       {"9f" + rfcPrimary + "85070100004100" + rfcPayload + "ff", bundle.ErrMalformed},
		"a block numbered 0":       {"9f" + rfcPrimary + "85070000004100" + rfcPayload + "ff", bundle.ErrMalformed},
		"a block of type 0":        {"9f" + rfcPrimary + "85000200004100" + rfcPayload + "ff", bundle.ErrMalformed},
		"a number twice":           {"9f" + rfcPrimary + rfcAge + "850a0200004100" + rfcPayload + "ff", bundle.ErrDuplicate},
		"age twice":                {"9f" + rfcPrimary + rfcAge + "85070300004100" + rfcPayload + "ff", bundle.ErrDuplicate},
		"precedence twice":         {"9f" + rfcPrimary + "8518d60200004101" + "8518d60300004100" + rfcPayload + "ff", bundle.ErrDuplicate},
		"payload twice":            {"9f" + rfcPrimary + rfcPayload + rfcPayload + "ff", bundle.ErrDuplicate},
		"data in pieces":           {"9f" + rfcPrimary + "85010100005f41004100ffff", bundle.ErrMalformed},
		"data of 2^63":             {"9f" + rfcPrimary + "85010100005b800000000000000000ff", bundle.ErrTruncated},
		"array of 2^64":            {"9f9bffffffffffffffff070000", bundle.ErrTruncated},
		"fragment beyond its end":  {"9f8a070100" + eids + rest + "0a0b" + rfcPayload + "ff", bundle.ErrMalformed},
		"fragment wraps":           {"9f8a070100" + eids + rest + "1bffffffffffffffff1bffffffffffffffff" + rfcPayload + "ff", bundle.ErrMalformed},
		"fragment not to be one":   {"9f8a070500" + eids + rest + "001823" + rfcPayload + "ff", bundle.ErrMalformed},
		"fragment from nobody":     {"9f8a070100" + "8202820102820100820100" + rest + "001823" + rfcPayload + "ff", bundle.ErrMalformed},
	} {
		_, err := bundle.Decode(unhex(t, c.raw), bundle.Limits{})
		if !errors.Is(err, c.want) || fusion.FaultOf(err) != fusion.BadRequest {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	for _, example := range []string{rfcPlain, rfcSigned, rfcBoth} {
		raw := unhex(t, example)
		for n := range raw {
			if _, err := bundle.Decode(raw[:n], bundle.Limits{}); !errors.Is(err, bundle.ErrTruncated) {
				t.Fatalf("%d of %d octets: %v", n, len(raw), err)
			}
		}
	}
}

func TestEveryFlippedBitIsFoundByACRC(t *testing.T) {
	for _, crc := range []bundle.CRCType{bundle.CRC16, bundle.CRC32C} {
		b := sample([]byte("桥断了,我们在北岸"))
		b.Primary.CRC, b.Blocks[0].CRC = crc, crc
		raw := encode(t, b)
		for i := range raw {
			for bit := range 8 {
				bad := bytes.Clone(raw)
				bad[i] ^= 1 << bit
				if got, err := bundle.Decode(bad, bundle.Limits{}); err == nil {
					t.Fatalf("octet %d bit %d: %+v", i, bit, got)
				}
			}
		}
	}
}

func TestLimitsHold(t *testing.T) {
	raw := unhex(t, rfcTwoSources)
	if _, err := bundle.Decode(raw, bundle.Limits{Octets: len(raw) - 1}); !errors.Is(err, bundle.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := bundle.Decode(raw, bundle.Limits{Blocks: 3}); !errors.Is(err, bundle.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := bundle.Decode(raw, bundle.Limits{Octets: len(raw), Blocks: 4}); err != nil {
		t.Error(err)
	}
	b := sample(nil)
	for len(b.Blocks) < 257 {
		b.Add(bundle.Block{Type: 300})
	}
	if _, err := b.Append(nil); !errors.Is(err, bundle.ErrUnencodable) || fusion.FaultOf(err) != fusion.Broken {
		t.Error(err)
	}
}

// What others may write and we do not: long numbers, inner arrays without a length, none by name, and both forms of RFC 9758.
func TestLiberalReading(t *testing.T) {
	long := "9f" + "9f" + "1807" + "190000" + "1a00000000" +
		"9f02" + "9f1b000000000000000102ff" + "ff" + "8202820201" + "8202820201" + "9f001828ff" + "1b00000000000f4240" + "ff" +
		"9f" + "1801" + "01" + "00" + "00" + "5900" + "23" + rfcPayload[14:] + "ff" + "ff"
	if got := encode(t, decode(t, unhex(t, long))); !bytes.Equal(got, unhex(t, rfcPlain)) {
		t.Errorf("got  %x\nwant %s", got, rfcPlain)
	}
	named := "9f88070000" + "8201646e6f6e65" + "82028202018202820201" + "820018281a000f4240" + rfcPayload + "ff"
	if b := decode(t, unhex(t, named)); !b.Primary.Destination.IsNone() {
		t.Error(b.Primary.Destination)
	}
	b := decode(t, unhex(t, "9f88070000"+"82028300"+"0102"+"8202821b000000050000000201"+"8202830502"+"01"+"820018281a000f4240"+rfcPayload+"ff"))
	if b.Primary.Destination != bundle.IPN(1, 2) || b.Primary.Source != bundle.IPNAt(5, 2, 1) || b.Primary.Source != b.Primary.ReportTo {
		t.Errorf("%+v", b.Primary)
	}
	// An unknown flag stays, and so does an unknown block.
	flags := "9f8807" + "1b8000000000000000" + "00" + "820282010282028202018202820201" + "820018281a000f4240" +
		"8519012c021880004101" + rfcPayload + "ff"
	mustBe(t, decode(t, unhex(t, flags)), flags)
}

// A primary block leaves as it came, or its signature would not hold.
func TestBothFormsOfAnIPNEndpointKeepTheirForm(t *testing.T) {
	for _, eid := range []string{"8202820102", "820283000102", "8202821b000000050000000201", "820283050201"} {
		raw := "9f88070000" + eid + eid + eid + "820018281a000f4240" + rfcPayload + "ff"
		mustBe(t, decode(t, unhex(t, raw)), raw)
	}
}

// A bundle of another implementation, with CRC-16 on its primary block.
func TestACRCOfAnotherImplementationHolds(t *testing.T) {
	const raw = "9f89070001820282010282028202018202820201820118281a000f424042e4fe" + rfcPayload + "ff"
	mustBe(t, decode(t, unhex(t, raw)), raw)
}

func TestURIs(t *testing.T) {
	for uri, want := range map[string]error{
		"ipn:1.0": nil, "ipn:977000.100.1": nil, "dtn:none": nil, "dtn://n/s": nil, "ipn:0.0": nil, "ipn:1.18446744073709551615": nil,
		"ipn:1": bundle.ErrMalformed, "ipn:01.0": bundle.ErrMalformed, "ipn:1.2.3.4": bundle.ErrMalformed, "ipn:-1.0": bundle.ErrMalformed,
		"ipn:4294967296.0": bundle.ErrMalformed, "ipn:4294967295.0": bundle.ErrLocalNode, "ipn:!.0": bundle.ErrMalformed,
		"dtn:x": bundle.ErrMalformed, "dtn:// ": bundle.ErrMalformed, "imc:1.0": bundle.ErrScheme, "": bundle.ErrScheme,
	} {
		var e bundle.EID
		err := e.UnmarshalText([]byte(uri))
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", uri, err, want)
		}
		if text, _ := e.MarshalText(); want == nil && string(text) != uri {
			t.Errorf("%q became %q", uri, text)
		}
	}
	node, err := bundle.ParseEID("dtn://county/ops/x")
	if err != nil || node.NodeID().String() != "dtn://county/" || bundle.IPN(7, 3).NodeID() != bundle.Site(7) {
		t.Error(node.NodeID(), err)
	}
	if !bundle.IPN(0, 0).IsNone() || bundle.IPN(0, 1).IsNone() {
		t.Error("ipn:0.0 is nobody, and nothing else")
	}
}

func TestWhatCannotBeReadIsNotWritten(t *testing.T) {
	for i, change := range []func(b *bundle.Bundle){
		func(b *bundle.Bundle) { b.Blocks = nil },
		func(b *bundle.Bundle) { b.Primary.CRC = 3 },
		func(b *bundle.Bundle) { b.Primary.Offset = 1 },
		func(b *bundle.Bundle) { b.Primary.Destination = bundle.IPN(1<<32-1, 0) },
		func(b *bundle.Bundle) { b.Blocks[0].Number = 2 },
		func(b *bundle.Bundle) { b.Blocks = append(b.Blocks, bundle.Block{Type: 300, Number: 2}) },
	} {
		b := sample(nil)
		change(b)
		if _, err := b.Append(nil); !errors.Is(err, bundle.ErrUnencodable) {
			t.Errorf("change %d: %v", i, err)
		}
	}
}

func TestFaultsAreNamed(t *testing.T) {
	for err, want := range map[error]fusion.Fault{
		bundle.ErrTruncated: fusion.BadRequest, bundle.ErrForged: fusion.NotAllowed, bundle.ErrFull: fusion.Full, bundle.ErrOverlap: fusion.Conflict,
		bundle.ErrKey: fusion.Broken,
	} {
		if got := fusion.FaultOf(fmt.Errorf("relay: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
