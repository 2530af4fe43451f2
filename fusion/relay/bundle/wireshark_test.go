package bundle_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

// capture is a file of UDP packets to the port of UDPCL, one for each bundle.
func capture(bundles [][]byte) []byte {
	le, be := binary.LittleEndian, binary.BigEndian
	out := le.AppendUint32(nil, 0xa1b2c3d4)
	out = append(out, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0)
	out = le.AppendUint32(out, 228) // raw IPv4
	for _, b := range bundles {
		n := uint32(20 + 8 + len(b))
		out = append(out, 0, 0, 0, 0, 0, 0, 0, 0)
		out = le.AppendUint32(le.AppendUint32(out, n), n)
		out = be.AppendUint16(append(out, 0x45, 0), uint16(n))
		out = append(out, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
		out = be.AppendUint16(be.AppendUint16(out, 4556), 4556)
		out = append(be.AppendUint16(out, uint16(8+len(b))), 0, 0)
		out = append(out, b...)
	}
	return out
}

// Wireshark's dissector was written by those who write the RFCs: it finds every block, and every CRC good.
func TestWiresharkReadsWhatWeWrite(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed: make deps")
	}
	var bundles [][]byte
	checks := 0
	for _, s := range append(bundleShapes(t), securityShapes(t)...) {
		if s.name == "other schemes" || s.name == "fragment" {
			continue // it does not know three elements, nor fragments of 4 GiB
		}
		bundles = append(bundles, s.raw)
		checks += strings.Count(s.want, `"crc"`)
	}
	b := sample([]byte("x"))
	b.Primary.Flags = bundle.ReportDeletion | bundle.StatusTime
	bundles = append(bundles, encode(t, b.Report(bundle.WasDeleted, bundle.ReasonHopLimit, here, b.Primary.Created, 812345678901, 1000, false)))
	checks += 2
	file := filepath.Join(t.TempDir(), "bundles.pcap")
	if err := os.WriteFile(file, capture(bundles), 0o600); err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), tshark, "-r", file, "-V")
	cmd.Stderr = &errOut
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errOut.String())
	}
	text := string(raw)
	for want, n := range map[string]int{
		"DTN Bundle Protocol Version 7": len(bundles), "[CRC Status: Good]": checks, "[CRC Status: Bad]": 0, "Malformed": 0,
		"Canonical Block: Payload, Block Num: 1": len(bundles), "Canonical Block: Block Integrity": 1, "Canonical Block: Block Confidentiality": 1,
		"Canonical Block: Previous Node": 1, "Canonical Block: Bundle Age": 2, "Canonical Block: Hop Count": 2, "Reason Code: Hop limit exceeded (9)": 1,
	} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%q is there %d times, want %d", want, got, n)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
