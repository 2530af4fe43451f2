package peer

import (
	"context"
	"crypto/x509"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/guantong-net/guantong/testbed/hearing"
	"github.com/guantong-net/guantong/testbed/speech"
)

// A page that sends its microphone to itself through a real peer connection.
const echoPage = `<!doctype html><button data-testid="ptt" data-state="idle">talk</button><script>
(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const a = new RTCPeerConnection(), b = new RTCPeerConnection();
  a.onicecandidate = e => b.addIceCandidate(e.candidate); b.onicecandidate = e => a.addIceCandidate(e.candidate);
  b.ontrack = e => { const el = new Audio(); el.autoplay = true; el.srcObject = new MediaStream([e.track]); window.el = el; };
  a.addTransceiver(stream.getAudioTracks()[0]);
  await a.setLocalDescription(await a.createOffer()); await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription(await b.createAnswer()); await a.setRemoteDescription(b.localDescription);
  document.querySelector('button').onpointerdown = e => e.target.dataset.state = 'granted';
  window.secure = window.isSecureContext;
})();
</script>`

func TestAPageIsHeardThroughItsTap(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, echoPage)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	said, err := speech.Load("pilot")
	if err != nil {
		t.Fatal(err)
	}
	var trust *x509.Certificate = server.Certificate()
	b, err := StartChromium(ctx, ChromiumConfig{Dir: t.TempDir(), Microphone: said.Loop(1.5, 12), Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Open(ctx, server.URL); err != nil {
		t.Fatal(err)
	}
	if err := b.Until(ctx, "window.secure"); err != nil {
		t.Fatal("the page is no secure context: ", err)
	}
	start := Monotonic()
	pressAndSee(ctx, t, b)
	if err := await(ctx, "a loop of speech", func() bool { return Monotonic() > start+13000 }); err != nil {
		t.Fatal(err)
	}
	mouth, err := b.Microphone(ctx, 0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	ear, err := b.Slot(ctx, 0, 0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	said1, heard1 := hearing.Compare(said, mouth.Sound, hearing.Wide()), hearing.Compare(said, ear.Sound, hearing.Wide())
	delay := ear.At(heard1.Start) - mouth.At(said1.Start)
	period := 1000 * said.Loop(1.5, 1).Seconds()
	delay = math.Mod(delay+10*period, period)
	t.Logf("mouth %.0f ms from %.0f: %v", mouth.Sound.Seconds()*1000, mouth.Begin-start, said1)
	t.Logf("ear %.0f ms from %.0f: %v; %.1f ms mouth to ear", ear.Sound.Seconds()*1000, ear.Begin-start, heard1, delay)
	if !said1.Heard() || !heard1.Heard() || delay <= 0 || delay > 500 {
		t.Errorf("not heard, or %.1f ms from mouth to ear", delay)
	}
	if mouth.Begin < start-2000 || ear.Begin < mouth.Begin || ear.Begin > start+2000 {
		t.Errorf("captures begin %.0f and %.0f ms after the start: not on our clock", mouth.Begin-start, ear.Begin-start)
	}
}

func pressAndSee(ctx context.Context, t *testing.T, b *Chromium) {
	clock := b.Clock()
	before := Monotonic()
	if err := b.MouseDown(ctx, "ptt"); err != nil {
		t.Fatal(err)
	}
	if err := b.MouseUp(ctx, "ptt"); err != nil {
		t.Fatal(err)
	}
	events, err := b.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var pressed, granted float64
	for _, e := range events {
		switch {
		case e.What == "pointerdown" && e.ID == "ptt":
			pressed = e.At
		case e.What == "data-state" && e.Value == "granted":
			granted = e.At
		case e.What == "tap-failed":
			t.Error(e.Value)
		}
	}
	t.Logf("pressed %.1f ms after the order, shown %.1f ms later; clock ±%.1f ms", pressed-before, granted-pressed, clock.Doubt)
	if pressed < before-clock.Doubt-1 || granted < pressed || granted > Monotonic() {
		t.Errorf("order %.1f, pressed %.1f, granted %.1f", before, pressed, granted)
	}
}
