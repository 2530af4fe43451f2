package peer

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"golang.org/x/sys/unix"

	"github.com/guantong-net/guantong/testbed/speech"
)

//go:embed console.js
var consoleTap string

// ChromiumConfig says how a browser is started.
type ChromiumConfig struct {
	Dir        string              // where its profile and its microphone's file go; made anew for each
	Microphone speech.Sound        // played in a loop from the moment that a page opens the microphone
	Trust      *x509.Certificate   // the server certificate whose key is trusted, so that the page is a secure context
	TrustAlso  []*x509.Certificate // of the site's other nodes
	Width      int                 // default 1366
	Height     int                 // default 768
}

// Chromium is one browser with one page.
type Chromium struct {
	ctx   context.Context
	stop  context.CancelFunc
	pgid  int
	clock Clock
}

// StartChromium starts a headless Chromium with a fake microphone (browser-voice's flags) and puts the tap into every page. It needs the Debian package chromium.
func StartChromium(ctx context.Context, c ChromiumConfig) (*Chromium, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("peer: needs Debian package chromium: %w", err)
	}
	if c.Width == 0 {
		c.Width, c.Height = 1366, 768
	}
	wav := filepath.Join(c.Dir, "microphone.wav")
	if err := errors.Join(os.MkdirAll(c.Dir, 0o700), speech.SaveWAV(wav, c.Microphone.Resample(48000))); err != nil {
		return nil, fmt.Errorf("peer: chromium: %w", err)
	}
	b := &Chromium{}
	options := append(flags(c, wav), chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(c.Dir, "profile")), chromedp.WindowSize(c.Width, c.Height),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}))
	alloc, stopAlloc := chromedp.NewExecAllocator(ctx, options...)
	tab, stopTab := chromedp.NewContext(alloc)
	b.ctx = tab
	b.stop = func() { stopTab(); stopAlloc() }
	if err := chromedp.Do(tab, b.inject); err != nil {
		b.Close()
		return nil, fmt.Errorf("peer: start chromium: %w", err)
	}
	if p := chromedp.FromContext(tab).Browser.Process(); p != nil {
		b.pgid = p.Pid
	}
	return b, nil
}

func flags(c ChromiumConfig, wav string) []chromedp.ExecAllocatorOption {
	out := append([]chromedp.ExecAllocatorOption(nil), chromedp.DefaultExecAllocatorOptions[:]...)
	for name, value := range map[string]any{
		"headless": "new", "no-sandbox": true, "disable-gpu": true, "disable-quic": true, "no-first-run": true,
		"disable-background-networking": true, "disable-component-update": true, "disable-sync": true,
		"use-fake-ui-for-media-stream": true, "use-fake-device-for-media-stream": true, "use-file-for-fake-audio-capture": wav,
		"autoplay-policy": "no-user-gesture-required", "mute-audio": false,
	} {
		out = append(out, chromedp.Flag(name, value))
	}
	var pins []string
	for _, cert := range append([]*x509.Certificate{c.Trust}, c.TrustAlso...) {
		if cert != nil {
			pin := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
			pins = append(pins, base64.StdEncoding.EncodeToString(pin[:]))
		}
	}
	if len(pins) > 0 {
		out = append(out, chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(pins, ",")))
	}
	return out
}

func (b *Chromium) inject(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: consoleTap})
	return chromedp.Void{}, err
}

// Close ends the browser and all its processes.
func (b *Chromium) Close() {
	b.stop()
	if b.pgid > 0 {
		_ = syscall.Kill(-b.pgid, syscall.SIGKILL) // mostly gone already
	}
}

// Open shows a page, waits until it is loaded, and sets our clock by its clock. Not for concurrent use with the rest.
func (b *Chromium) Open(ctx context.Context, url string) error {
	if err := b.do(ctx, "open "+url, chromedp.Navigate(url)); err != nil {
		return err
	}
	var err error
	b.clock, err = b.measureClock(ctx)
	return err
}

// do runs steps within ctx: the page's context gives the tab, ctx the time.
func (b *Chromium) do(ctx context.Context, what string, steps ...chromedp.Action[chromedp.Void]) error {
	tab, cancel := context.WithCancel(b.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	if err := chromedp.Do(tab, steps...); err != nil {
		return fmt.Errorf("peer: page: %s: %w", what, errors.Join(err, ctx.Err()))
	}
	return nil
}

// Eval gives the JSON value of an expression, which may be a promise.
func Eval[T any](ctx context.Context, b *Chromium, expression string) (T, error) {
	tab, cancel := context.WithCancel(b.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		return v, fmt.Errorf("peer: page: eval %.60s: %w", expression, errors.Join(err, ctx.Err()))
	}
	return v, nil
}

func byID(id string) chromedp.CSS { return chromedp.CSS(`[data-testid="` + id + `"]`) }

// Type fills in a field that is found by its data-testid.
func (b *Chromium) Type(ctx context.Context, id, text string) error {
	return b.do(ctx, "type into "+id, chromedp.WaitVisible(byID(id)), chromedp.SendKeys(byID(id), text))
}

// Click clicks what has the data-testid.
func (b *Chromium) Click(ctx context.Context, id string) error {
	return b.do(ctx, "click "+id, chromedp.WaitVisible(byID(id)), chromedp.Click(byID(id)))
}

// Has reports whether the page shows an element with the data-testid.
func (b *Chromium) Has(ctx context.Context, id string) (bool, error) {
	return Eval[bool](ctx, b, fmt.Sprintf(`!!document.querySelector(%q)`, byID(id)))
}

// Attribute gives an attribute of an element; empty when there is none.
func (b *Chromium) Attribute(ctx context.Context, id, name string) (string, error) {
	return Eval[string](ctx, b, fmt.Sprintf(`document.querySelector(%q)?.getAttribute(%q) ?? ''`, byID(id), name))
}

// Until waits until an expression is true in the page.
func (b *Chromium) Until(ctx context.Context, expression string) error {
	for {
		ok, err := Eval[bool](ctx, b, "!!("+expression+")")
		if err != nil || ok {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("peer: page: waiting for %s: %w", expression, ctx.Err())
		}
	}
}

// MouseDown presses the mouse on an element and holds it; MouseUp lets it go there.
func (b *Chromium) MouseDown(ctx context.Context, id string) error {
	return b.mouse(ctx, id, input.DispatchMouseEventTypeMousePressed)
}

// MouseUp lets the mouse go.
func (b *Chromium) MouseUp(ctx context.Context, id string) error {
	return b.mouse(ctx, id, input.DispatchMouseEventTypeMouseReleased)
}

func (b *Chromium) mouse(ctx context.Context, id string, what input.DispatchMouseEventType) error {
	at, err := Eval[[]float64](ctx, b, fmt.Sprintf(`(() => { const r = document.querySelector(%q)?.getBoundingClientRect(); return r ? [r.x + r.width/2, r.y + r.height/2] : [] })()`, byID(id)))
	if err != nil {
		return err
	}
	if len(at) != 2 {
		return fmt.Errorf("peer: page has no %s", id)
	}
	return b.do(ctx, fmt.Sprintf("%s %s", what, id), chromedp.MouseEvent(what, at[0], at[1], chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

// Screenshot is what the page looks like, as PNG.
func (b *Chromium) Screenshot(ctx context.Context) ([]byte, error) {
	tab, cancel := context.WithCancel(b.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return chromedp.Run(tab, chromedp.CaptureScreenshot())
}

// Event is something that the person did or the page showed.
type Event struct {
	What  string  `json:"what"`  // pointerdown, pointerup, click, keydown, keyup, data-state, data-connected, tap-failed
	ID    string  `json:"id"`    // data-testid
	Value string  `json:"value"` // the key or the attribute's new value
	At    float64 `json:"at"`    // ms, monotonic clock
}

// Events gives everything since the page was loaded.
func (b *Chromium) Events(ctx context.Context) ([]Event, error) {
	list, err := Eval[[]Event](ctx, b, `window.__drill.events`)
	for i := range list {
		list[i].At += b.clock.Offset
	}
	return list, err
}

// Describe says what the page's taps and peer connections have seen, for a drill that heard nothing.
func (b *Chromium) Describe(ctx context.Context) string {
	s, err := Eval[string](ctx, b, `window.__drill.describe()`)
	if err != nil {
		return err.Error()
	}
	return s
}

// Clock relates a page's wall clock (performance.timeOrigin + now) to the machine's monotonic clock, so that pages can be compared.
type Clock struct {
	Offset float64 // ms: monotonic minus page
	Doubt  float64 // ms: half of the shortest round trip to the page
}

// Clock is how the page's clock was found to stand when it was opened.
func (b *Chromium) Clock() Clock { return b.clock }

// measureClock asks the page for its time 9 times between two readings of our own clock; the shortest round trip counts.
func (b *Chromium) measureClock(ctx context.Context) (Clock, error) {
	best := Clock{Doubt: 1e9}
	for range 9 {
		before := Monotonic()
		at, err := Eval[float64](ctx, b, `window.__drill.now()`)
		if err != nil {
			return Clock{}, err
		}
		after := Monotonic()
		if d := (after - before) / 2; d < best.Doubt {
			best = Clock{before + d - at, d}
		}
	}
	return best, nil
}

// Monotonic is the machine's CLOCK_MONOTONIC in ms.
func Monotonic() float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0 // cannot happen on Linux: the clock always exists
	}
	return float64(t.Sec)*1000 + float64(t.Nsec)/1e6
}

// Microphone gives what the page's microphone captured from one time to another (ms, monotonic): the newest microphone that was opened.
func (b *Chromium) Microphone(ctx context.Context, from, to float64) (Capture, error) {
	all, err := b.take(ctx, "mic", 0, from, to)
	if err != nil || len(all) == 0 {
		return Capture{}, err
	}
	return all[len(all)-1], nil
}

// Slot gives what one receive slot played; where the page has made several peer connections, the loudest of theirs.
func (b *Chromium) Slot(ctx context.Context, slot int, from, to float64) (Capture, error) {
	all, err := b.take(ctx, "slot", slot, from, to)
	var best Capture
	for _, c := range all {
		if c.Loud > best.Loud {
			best = c
		}
	}
	return best, err
}

func (b *Chromium) take(ctx context.Context, kind string, slot int, from, to float64) ([]Capture, error) {
	raw, err := Eval[json.RawMessage](ctx, b, fmt.Sprintf(`window.__drill.take(%q, %d, %f, %f)`, kind, slot, from-b.clock.Offset, to-b.clock.Offset))
	if err != nil {
		return nil, err
	}
	var taps []rawTap
	if err := json.Unmarshal(raw, &taps); err != nil {
		return nil, fmt.Errorf("peer: a tap's answer: %w", err)
	}
	var out []Capture
	for _, t := range taps {
		c, err := t.capture()
		if err != nil {
			return nil, err
		}
		c.Begin += b.clock.Offset
		out = append(out, c)
	}
	return out, nil
}
