package bundle

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// The check values that the catalogues of CRCs give for "123456789".
func TestCheckValuesAreThoseOfTheCatalogue(t *testing.T) {
	for crc, want := range map[CRCType]string{CRC16: "906e", CRC32C: "e3069283"} {
		got := crc.check([]byte("1234"), nil, []byte("56789"))
		if hex.EncodeToString(got[:crc.size()]) != want {
			t.Errorf("%s: %x, want %s", crc, got, want)
		}
	}
}

// Eight octets in one step are eight steps of one octet, wherever the parts are cut.
func TestACheckValueDoesNotDependOnHowItIsCut(t *testing.T) {
	text := bytes.Repeat([]byte("贯通 123456789"), 9)
	for _, crc := range []CRCType{CRC16, CRC32C} {
		parts := make([][]byte, 0, len(text))
		for i := range text {
			parts = append(parts, text[i:i+1])
		}
		want := crc.check(parts...)
		for at := range text {
			if got := crc.check(text[:at], text[at:]); got != want {
				t.Fatalf("%s cut at %d: %x, want %x", crc, at, got, want)
			}
		}
	}
}
