package member

import (
	"bytes"
	"testing"
)

func TestATokenIsReadBack(t *testing.T) {
	want := Token{Site: 1676, CA: [32]byte{1, 2, 3}, Secret: [16]byte{4, 5, 6}}
	got, address, err := ParseInvitation(want.String() + "@[::1]:7400")
	if err != nil || got != want || address != "[::1]:7400" {
		t.Fatal(got, address, err)
	}
	for _, text := range []string{"", "GTJ1.", want.String(), want.String()[:60] + "@a:1", "GTJ2" + want.String()[4:] + "@a:1", want.String() + "@nowhere", Token{}.String() + "@a:1"} {
		if _, _, err := ParseInvitation(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(Token{Site: 1}.String())
	f.Fuzz(func(t *testing.T, text string) {
		if tok, err := ParseToken(text); err == nil && tok.String() != text {
			t.Errorf("%q is read as %q", text, tok)
		}
	})
}

func FuzzRequest(f *testing.F) {
	var b bytes.Buffer
	if err := writeFrame(&b, Request{Version: 1, Site: 1, Secret: make([]byte, 16), Node: "node-2", Address: "a:7400"}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var q Request
		if readFrame(bytes.NewReader(data), &q) != nil {
			return
		}
		var out bytes.Buffer
		if err := writeFrame(&out, q); err != nil {
			t.Error(err)
		}
		var g Grant
		_ = readFrame(bytes.NewReader(data), &g) // must not panic
	})
}
