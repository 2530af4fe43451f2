package voice

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/jitter"
)

// FrameTime is the length of a PCM frame and the period of the switch's clock.
const FrameTime = 20 * time.Millisecond

// Config sets the switch's bounds. The zero value means the defaults in brackets.
type Config struct {
	Burst   time.Duration // how much of a burst is kept for those who come late [3 s]
	PreRoll time.Duration // how much of it a leg with slots gets at once [200 ms, which is also the most]
	Jitter  jitter.Config // of streams that are decoded here
}

func (c Config) withDefaults() Config {
	if c.Burst <= 0 {
		c.Burst = 3 * time.Second
	}
	if c.PreRoll <= 0 || c.PreRoll > 200*time.Millisecond {
		c.PreRoll = 200 * time.Millisecond
	}
	return c
}

// Deps are what the switch needs of the world; nil members are replaced by the system's.
type Deps struct {
	Log *slog.Logger
	Now func() time.Time
	// Ticker starts a clock that sends every d until stop is called.
	Ticker func(d time.Duration) (c <-chan time.Time, stop func())
}

func (d Deps) withDefaults() Deps {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Ticker == nil {
		d.Ticker = func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(d)
			return t.C, t.Stop
		}
	}
	return d
}

// Switch puts talkers through to listeners. All methods are for any goroutine.
type Switch struct {
	cfg  Config
	deps Deps

	bursts sync.Pool
	wg     sync.WaitGroup
	quit   chan struct{}

	mu       sync.Mutex // membership; never held while a sink or an outlet is called
	closed   bool
	serial   uint64
	streams  map[*Stream]struct{}
	ears     map[Sink]*ear
	feeds    []*feed   // replaced, never changed
	mixes    []*mix    // replaced, never changed
	running  bool      // the clock's goroutine lives
	ticking  bool      // a tick is being delivered
	parked   []*member // to be settled after the tick
	stranded []*member // to be settled when mu is released

	stats counters
}

type counters struct {
	packets, bytes, dropped, refused, frames, encoded, mixed, lateTicks, failed atomic.Uint64
}

// Stats are totals since the switch was made, and what is live now.
type Stats struct {
	Packets uint64 // pushed by talkers
	Bytes   uint64 // of their payloads
	Dropped uint64 // not usable: wrong codec, malformed, or after the end
	Refused uint64 // streams that a sink did not want (Begin returned false)
	Frames  uint64 // 20 ms frames decoded
	Encoded uint64 // frames encoded
	Mixed   uint64 // frames mixed
	Late    uint64 // ticks that came more than a frame late
	Failed  uint64 // encoders or decoders that could not be made

	Streams      int // open now
	Transcodings int // streams that are decoded now
	Mixes        int
}

// New makes a switch. It has no goroutine until a stream must be decoded.
func New(cfg Config, deps Deps) *Switch {
	return &Switch{
		cfg: cfg.withDefaults(), deps: deps.withDefaults(),
		bursts:  sync.Pool{New: func() any { return new(burst) }},
		quit:    make(chan struct{}),
		streams: make(map[*Stream]struct{}),
		ears:    make(map[Sink]*ear),
	}
}

// Stats gives the counters.
func (sw *Switch) Stats() Stats {
	c := &sw.stats
	s := Stats{
		Packets: c.packets.Load(), Bytes: c.bytes.Load(), Dropped: c.dropped.Load(), Refused: c.refused.Load(),
		Frames: c.frames.Load(), Encoded: c.encoded.Load(), Mixed: c.mixed.Load(), Late: c.lateTicks.Load(), Failed: c.failed.Load(),
	}
	sw.mu.Lock()
	defer sw.mu.Unlock()
	s.Streams, s.Transcodings, s.Mixes = len(sw.streams), len(sw.feeds), len(sw.mixes)
	return s
}

// Close ends every stream at once, without its tail, and returns when the clock's goroutine has ended. It must
// not be called from a Sink or an Outlet.
func (sw *Switch) Close() {
	sw.mu.Lock()
	if sw.closed {
		sw.mu.Unlock()
		return
	}
	sw.closed = true
	close(sw.quit)
	sw.mu.Unlock()
	sw.wg.Wait()
	sw.mu.Lock()
	var all []*member
	for s := range sw.streams {
		s.shut()
		all = s.dismissAll(all)
		sw.retire(s)
	}
	sw.mu.Unlock()
	sw.settleAll(all)
}

func (sw *Switch) settleAll(members []*member) {
	for _, m := range members {
		sw.settle(m)
	}
}
