package webrtc

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/guantong-net/guantong/fusion/voice"
)

//go:embed testdata/page.html
var page []byte

// needChromium finds the browser, or fails with the name of its Debian package.
func needChromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("this test needs a real browser: apt-get install chromium")
	}
	return path
}

// fakeMicrophone writes a WAV file of a tone with syllables: 48 kHz, mono, 10 s.
func fakeMicrophone(t *testing.T) string {
	t.Helper()
	const rate, n = 48000, 480000
	b := []byte("RIFF....WAVEfmt ")
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, 2*rate)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, 2*n)
	binary.LittleEndian.PutUint32(b[4:], 2*n+36)
	for i := range n {
		x := float64(i) / rate
		v := 9000 * math.Sin(2*math.Pi*300*x) * (0.6 + 0.4*math.Sin(2*math.Pi*4*x))
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(v)))
	}
	path := filepath.Join(t.TempDir(), "speech.wav")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// signalling is the API layer of the test: it answers offers, and forwards whatever is said to every other page.
type signalling struct {
	t      *testing.T
	server *Server

	mu    sync.Mutex
	pages map[string]*consolePage
}

// consolePage is a page's session; it forwards its uplink to the others.
type consolePage struct {
	*watcher
	name    string
	sig     *signalling
	session *Session
	sink    voice.Sink
	up      bool
	to      []voice.Target // who hears it
}

func (c *consolePage) Connected() {
	c.sig.mu.Lock()
	defer c.sig.mu.Unlock()
	c.up = true
	for _, other := range c.sig.pages {
		if other != c && other.up {
			c.hear(other)
			other.hear(c)
		}
	}
	c.watcher.Connected()
}

// hear puts another page's speech on a slot. signalling.mu is held.
func (c *consolePage) hear(talker *consolePage) {
	handle, ok := c.sink.Begin(burst(byte(len(talker.name)), 4))
	if !ok {
		c.sig.t.Error("Begin refused")
	}
	talker.to = append(talker.to, voice.Target{Sink: c.sink, Handle: handle})
}

func (c *consolePage) Packet(p *voice.Packet) {
	c.sig.mu.Lock()
	to := c.to
	c.sig.mu.Unlock()
	c.sig.server.Deliver(p, to)
}

func (g *signalling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = w.Write(page)
		return
	}
	offer, err := io.ReadAll(io.LimitReader(r.Body, offerMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c := &consolePage{watcher: newWatcher(), name: strings.TrimPrefix(r.URL.Path, "/"), sig: g}
	g.mu.Lock()
	defer g.mu.Unlock()
	x, answer, err := g.server.Open(r.Context(), string(offer), c)
	if err != nil {
		g.t.Errorf("Open: %v\n%s", err, offer)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.session, c.sink = x, x.Sink(c.name)
	g.pages[c.name] = c
	_, _ = io.WriteString(w, answer)
}

// pageReport is what the page's report() gives.
type pageReport struct {
	State string `json:"state"`
	Codec string `json:"codec"`
	SRTP  string `json:"srtp"`

	Slots []struct {
		Packets uint64
		Lost    int64
		Energy  float64
	} `json:"slots"`
}

func browser(t *testing.T) context.Context {
	t.Helper()
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(needChromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-audio-capture", fakeMicrophone(t)), chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, quit := chromedp.NewContext(ctx)
	t.Cleanup(quit)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return ctx
}

// evaluate runs an asynchronous function of the page and reads its JSON.
func evaluate(ctx context.Context, script string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	if err != nil {
		return fmt.Errorf("%s: %w", script, err)
	}
	return json.Unmarshal([]byte(text), into)
}

func TestTwoChromiumPagesHearEachOther(t *testing.T) {
	s := start(t, Config{Listen: "[::]:0"})
	g := &signalling{t: t, server: s, pages: make(map[string]*consolePage)}
	web := httptest.NewServer(g)
	t.Cleanup(web.Close)
	url := strings.Replace(web.URL, "127.0.0.1", "localhost", 1)
	first := browser(t)
	second, stop := chromedp.NewContext(first)
	t.Cleanup(stop)
	tabs := map[string]context.Context{"a": first, "bb": second}
	for _, name := range []string{"a", "bb"} {
		if err := chromedp.Do(tabs[name], chromedp.Navigate(url+"/"+name)); err != nil {
			t.Fatal(err)
		}
		var state string
		if err := evaluate(tabs[name], `connect()`, &state); err != nil {
			t.Fatalf("%v; server %+v", err, s.Stats())
		}
	}
	for name, tab := range tabs {
		var r pageReport
		eventually(t, "page "+name+" decodes speech", func() bool {
			if err := evaluate(tab, `report()`, &r); err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(r.Slots, func(s struct {
				Packets uint64
				Lost    int64
				Energy  float64
			}) bool {
				return s.Packets >= 100 && s.Energy > 0.01
			})
		})
		t.Logf("page %s: %+v", name, r)
		if r.State != "connected" || r.SRTP != "SRTP_AEAD_AES_128_GCM" {
			t.Errorf("page %s: state %s, SRTP %s", name, r.State, r.SRTP)
		}
	}
	secondJoins(t, second)
	if err := evaluate(first, `hangUp()`, new(string)); err != nil {
		t.Fatal(err)
	}
	if reason := await(t, "Closed", g.pages["a"].closed); reason != "peer_closed" {
		t.Errorf("closed: %s", reason)
	}
	t.Logf("server: %+v", s.Stats())
}

// secondJoins measures how long a page needs from new PeerConnection to speech, while the other one talks.
func secondJoins(t *testing.T, tab context.Context) {
	t.Helper()
	var times []float64
	for range 5 {
		var state string
		if err := evaluate(tab, `hangUp()`, &state); err != nil {
			t.Fatal(err)
		}
		if err := evaluate(tab, `connect()`, &state); err != nil {
			t.Fatal(err)
		}
		var ms float64
		if err := evaluate(tab, `firstAudio()`, &ms); err != nil {
			t.Fatal(err)
		}
		times = append(times, ms)
	}
	slices.Sort(times)
	t.Logf("new PeerConnection → first decoded audio, ms: %.0f (median %.0f)", times, times[len(times)/2])
	if times[len(times)/2] > 1000 {
		t.Error("a page takes more than a second to hear")
	}
}
