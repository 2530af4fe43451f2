package webrtc

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"

	"github.com/guantong-net/guantong/fusion"
)

// goldenOffer is what Chromium offers for a microphone and seven receive slots.
//
//go:embed testdata/chromium.sdp
var goldenOffer string

func TestChromiumsOfferGetsEightSlotsAndAMicrophone(t *testing.T) {
	o, err := parseOffer(goldenOffer, 8)
	if err != nil {
		t.Fatal(err)
	}
	if o.slots() != 8 || !o.uplink || o.uplinkPT != 111 || o.hash != "sha-256" || len(o.fingerprint) != 32 {
		t.Errorf("%+v", o)
	}
	for i, m := range o.media {
		if !m.accepted || m.receive != (i == 0) || !m.send {
			t.Errorf("m-line %d: %+v", i, m)
		}
	}
}

func TestMoreMLinesThanSlotsAreRefusedByPortZero(t *testing.T) {
	s := start(t, Config{Slots: 3})
	_, answer, err := s.Open(t.Context(), goldenOffer, newWatcher())
	if err != nil {
		t.Fatal(err)
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(answer); err != nil {
		t.Fatalf("%v\n%s", err, answer)
	}
	taken := 0
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Port.Value != 0 {
			taken++
		}
	}
	if taken != 3 || len(d.MediaDescriptions) != 8 {
		t.Errorf("%d of %d m-lines taken", taken, len(d.MediaDescriptions))
	}
	for _, want := range []string{"a=ice-lite\r\n", "a=setup:passive\r\n", "usedtx=1", "a=end-of-candidates", "BUNDLE 0 1 2\r\n"} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer)
		}
	}
}

func TestOffersThatCannotWorkAreTheCallersFault(t *testing.T) {
	s := start(t, Config{})
	for name, offer := range map[string]string{
		"empty":          "",
		"not SDP":        "hello",
		"too long":       goldenOffer + strings.Repeat("a=x\r\n", 20000),
		"no fingerprint": strings.ReplaceAll(goldenOffer, "a=fingerprint", "a=fingerpaint"),
		"wrong hash":     strings.ReplaceAll(goldenOffer, "sha-256", "md5"),
		"passive":        strings.ReplaceAll(goldenOffer, "a=setup:actpass", "a=setup:passive"),
		"no ICE":         strings.ReplaceAll(goldenOffer, "a=ice-ufrag", "a=x"),
		"no Opus":        strings.ReplaceAll(goldenOffer, "opus/48000/2", "opusculum/48000/2"),
		"same mid":       strings.ReplaceAll(goldenOffer, "a=mid:1\r\n", "a=mid:0\r\n"),
		"no mid":         strings.ReplaceAll(goldenOffer, "a=mid:", "a=mud:"),
		"no media":       goldenOffer[:strings.Index(goldenOffer, "m=audio")],
	} {
		if _, _, err := s.Open(t.Context(), offer, newWatcher()); fusion.FaultOf(err) != fusion.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st := s.Stats(); st.Refused != 11 || st.Sessions != 0 {
		t.Errorf("%+v", st)
	}
}
