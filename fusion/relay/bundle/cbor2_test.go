package bundle_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

// shape is something that we write, and what an independent decoder must read.
type shape struct {
	name string
	raw  []byte
	want string
}

func bundleShapes(t *testing.T) []shape {
	base := `[1,40],5000`
	mk := func(p bundle.Primary, change ...func(b *bundle.Bundle)) []byte {
		p.Created, p.Lifetime = bundle.Timestamp{Time: p.Created.Time + 1, Seq: 40}, 5000
		b := bundle.New(p, []byte("hi"))
		for _, c := range change {
			c(b)
		}
		return encode(t, b)
	}
	ipn := bundle.Primary{Destination: bundle.IPN(1676, 70000), Source: bundle.IPN(2, 0), ReportTo: bundle.IPN(300, 24)}
	eids := `[2,[1676,70000]],[2,[2,0]],[2,[300,24]]`
	with := func(crc bundle.CRCType, flags bundle.BundleFlags) bundle.Primary {
		p := ipn
		p.CRC, p.Flags = crc, flags
		return p
	}
	dtn, err := bundle.ParseEID("dtn://county/ops")
	if err != nil {
		t.Fatal(err)
	}
	plain := `,[1,1,0,0,"h'6869'"]]`
	return []shape{
		{"plain", mk(ipn), `[[7,0,0,` + eids + `,` + base + `]` + plain},
		{"CRC-16", mk(with(bundle.CRC16, bundle.MustNotFragment)), `[[7,4,1,` + eids + `,` + base + `,"crc"],[1,1,0,1,"h'6869'","crc"]]`},
		{"CRC-32C", mk(with(bundle.CRC32C, bundle.ReportDeletion)), `[[7,262144,2,` + eids + `,` + base + `,"crc"],[1,1,0,2,"h'6869'","crc"]]`},
		{
			"other schemes",
			mk(bundle.Primary{Destination: dtn, Source: bundle.IPNAt(977000, 5, 6)}),
			`[[7,0,0,[1,"//county/ops"],[2,[977000,5,6]],[1,0],` + base + `]` + plain,
		},
		{
			"fragment", mk(with(bundle.CRC16, bundle.IsFragment), func(b *bundle.Bundle) { b.Primary.Offset, b.Primary.Total = 65536, 1<<32 }),
			`[[7,1,1,` + eids + `,` + base + `,65536,4294967296,"crc"],[1,1,0,1,"h'6869'","crc"]]`,
		},
		{"previous node", mk(ipn, func(b *bundle.Bundle) { b.SetPreviousNode(bundle.Site(9)) }), `[[7,0,0,` + eids + `,` + base + `],[6,2,0,0,[[2,[9,0]]]]` + plain},
		{"age", mk(ipn, func(b *bundle.Bundle) { b.SetAge(300) }), `[[7,0,0,` + eids + `,` + base + `],[7,2,1,0,[300]]` + plain},
		{"hop count", mk(ipn, func(b *bundle.Bundle) { b.SetHops(30, 2) }), `[[7,0,0,` + eids + `,` + base + `],[10,2,1,0,[[30,2]]]` + plain},
		{"precedence", mk(ipn, func(b *bundle.Bundle) { b.SetPrecedence(fusion.Flash) }), `[[7,0,0,` + eids + `,` + base + `],[214,2,1,0,[1]]` + plain},
		{
			"class of service", mk(ipn, func(b *bundle.Bundle) { b.SetQoS(bundle.QoSOf(fusion.Flash)) }),
			`[[7,0,0,` + eids + `,` + base + `],[193,2,1,0,[[1,2,160,0]]]` + plain,
		},
		{
			"all at once", mk(ipn, func(b *bundle.Bundle) {
				b.SetAge(1)
				b.SetHops(3, 1)
				b.Add(bundle.Block{Type: 99, Flags: bundle.DiscardIfUnknown, CRC: bundle.CRC32C, Data: []byte{1, 2}})
			}),
			`[[7,0,0,` + eids + `,` + base + `],[99,4,16,2,"h'0102'","crc"],[10,3,1,0,[[3,1]]],[7,2,1,0,[1]]` + plain,
		},
	}
}

func securityShapes(t *testing.T) []shape {
	key := bytes.Repeat([]byte{7}, 32)
	signed, sealed := sample([]byte("hi")), sample([]byte("hi"))
	signed.SetPrecedence(fusion.Flash)
	if err := (bundle.Integrity{Source: bundle.Site(1675), Key: key}).Sign(signed, 0, 1, 2); err != nil {
		t.Fatal(err)
	}
	if err := (bundle.Confidentiality{Source: bundle.Site(1675), Key: key, Wrapped: []byte{1, 2}}).Seal(sealed, 1); err != nil {
		t.Fatal(err)
	}
	const rest = `[2,[1676,7]],[2,[1675,7]],[2,[1675,0]],[812345678901,3],259200000`
	return []shape{
		{
			"signed", encode(t, signed), `[[7,0,0,` + rest + `],[11,3,0,0,[[0,1,2],1,1,[2,[1675,0]],[[1,5],[3,7]],
				[[[1,"h..32"]],[[1,"h..32"]],[[1,"h..32"]]]]],[214,2,1,0,[1]],[1,1,0,0,"h'6869'"]]`,
		},
		{
			"sealed", encode(t, sealed), `[[7,0,1,` + rest + `,"crc"],[12,2,1,0,[[1],2,1,[2,[1675,0]],
				[[1,"h'000000000000000000000000'"],[2,3],[3,"h'0102'"],[4,7]],[[[1,"h..16"]]]]],[1,1,0,0,"h..2"]]`,
		},
	}
}

func reportShapes() []shape {
	at := bundle.Assertion{Yes: true, At: 5}
	s := bundle.StatusReport{Received: bundle.Assertion{Yes: true}, Deleted: at, Reason: bundle.ReasonHopLimit, Source: bundle.IPN(2, 1), Created: bundle.Timestamp{Time: 9, Seq: 8}}
	f := s
	f.Fragment, f.Offset, f.Length = true, 100, 200
	return []shape{
		{"report", s.Append(nil), `[[1,[[[true],[false],[false],[true,5]],9,[2,[2,1]],[9,8]]]]`},
		{"report on a fragment", f.Append(nil), `[[1,[[[true],[false],[false],[true,5]],9,[2,[2,1]],[9,8],100,200]]]`},
	}
}

// blur replaces byte strings of cryptography by their length, where the expectation does.
func blur(got, want any) any {
	g, ok := got.([]any)
	w, ok2 := want.([]any)
	if ok && ok2 && len(g) == len(w) {
		for i := range g {
			g[i] = blur(g[i], w[i])
		}
		return g
	}
	s, ok := got.(string)
	if e, ok2 := want.(string); ok && ok2 && strings.HasPrefix(e, "h..") {
		return fmt.Sprintf("h..%d", (len(s)-len("h''"))/2)
	}
	return got
}

func TestAnIndependentDecoderReadsEveryShapeThatWeWrite(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.CommandContext(t.Context(), python, "-c", "import cbor2").Run(); err != nil {
		t.Skip("python3-cbor2 is not installed: make deps")
	}
	shapes := append(append(bundleShapes(t), securityShapes(t)...), reportShapes()...)
	var in bytes.Buffer
	for _, s := range shapes {
		in.WriteString(hex.EncodeToString(s.raw) + "\n")
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/check.py")
	var errOut bytes.Buffer
	cmd.Stdin, cmd.Stderr = &in, &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errOut.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(shapes) {
		t.Fatalf("%d answers to %d", len(lines), len(shapes))
	}
	for i, s := range shapes {
		var got, want any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(s.want), &want); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if !reflect.DeepEqual(blur(got, want), want) {
			t.Errorf("%s: %s\nwant %s", s.name, lines[i], s.want)
		}
	}
}
