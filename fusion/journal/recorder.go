package journal

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
)

const (
	drainEvery = 200 * time.Millisecond // how long speech is in memory only
	syncEvery  = 2 * time.Second        // how long it is in the page cache only
	maxPending = 256 << 10              // octets of one burst in memory while the disk is slow: about a minute of Opus
	retryEvery = 2 * time.Second        // to index what could not be indexed
	liveDir    = "live"
	doneDir    = "done"
	copyDir    = "copies" // of bursts whose talker is at another node
)

// Files stores recordings by hash.
type Files interface {
	// Adopt takes over the file at path, which is synced, and gives its name ("sha256:…") and size. The path is gone afterwards. It may be
	// called again with equal content.
	Adopt(path string) (hash string, size int64, err error)
	Open(hash string) (File, error)
}

// File is a stored file, open for reading.
type File interface {
	Read([]byte) (int, error)
	Seek(offset int64, whence int) (int64, error)
	Close() error
}

// Config says where a Recorder works and what it needs.
type Config struct {
	Dir   string // its own directory
	Files Files
	// Index commits the index entry of a burst whose file is stored; it is called again until it succeeds, with the same ID.
	Index func(context.Context, state.Burst) error
	// Site and what follows are for a site of several nodes. Without a Site no copy is ever indexed.
	Node string // this one
	Site Site
	// IndexCopy commits the index entry of a copy like Index, under a request ID that the burst and its file make; Entry finds what is indexed.
	IndexCopy func(context.Context, state.Burst) error
	Entry     func(fusion.ID) (b state.Burst, there bool, err error)
	// Room refuses when so many octets more would take the disk below its reserve; recordings must not fill the disk that the record needs. May be nil.
	Room func(octets int64) error
	Log  *slog.Logger
}

// Recorder records bursts. Begin is for any goroutine; Run does the writing.
type Recorder struct {
	cfg   Config
	wake  chan struct{}
	todo  chan struct{} // something is in finished
	crash []string      // found at start
	probe time.Time     // the writer's own: when a broken disk was tried last

	mu       sync.Mutex
	active   []*recording
	finished []string // names of recordings to be indexed
	seen     recent
	over     bool
	waits    map[fusion.ID]int // own recordings that are not indexed yet
	copies   map[string]*kept  // sealed copies, by the name of their file

	dropped atomic.Uint64
	failed  atomic.Uint64
	stored  atomic.Uint64
	broken  atomic.Bool
}

// Stats are totals since the start.
type Stats struct {
	Stored  uint64 // bursts stored and indexed
	Dropped uint64 // packets that a slow disk lost
	Failed  uint64 // bursts that could not be recorded
	Active  int
	Copies  int  // of bursts of other nodes' talkers that wait for their entry
	Broken  bool // the last write failed
}

// Open prepares the directory and looks for recordings that a crash interrupted.
func Open(cfg Config) (*Recorder, error) {
	r := &Recorder{cfg: cfg, wake: make(chan struct{}, 1), todo: make(chan struct{}, 1), waits: make(map[fusion.ID]int), copies: make(map[string]*kept)}
	for _, d := range []string{liveDir, doneDir, copyDir} {
		if err := os.MkdirAll(filepath.Join(cfg.Dir, d), 0o700); err != nil {
			return nil, fmt.Errorf("open journal: %w", err)
		}
	}
	var err error
	if r.crash, err = r.recover(); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return r, nil
}

// Begin implements talk.Recorder.
func (r *Recorder) Begin(b talk.BurstInfo) talk.Recording {
	rec := &recording{r: r, meta: metaOf(b), began: b.Start, codec: codecNamed(b.Codec)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec.copy() { // it may come in pieces: each is a copy
		if !r.over {
			r.active = append(r.active, rec)
		}
		return rec
	}
	if !r.seen.add(rec.meta.ID) { // a client used an ID twice: what it says is kept all the same, under an ID of its own
		r.cfg.Log.Warn("burst ID used twice", "burst", rec.meta.ID.String(), "talker", b.Talker.String())
		rec.meta.ID = another(rec.meta.ID, b.Start)
		r.seen.add(rec.meta.ID)
	}
	if !r.over {
		r.active = append(r.active, rec)
	}
	return rec
}

// Stats gives the counters.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	n, copies := len(r.active), len(r.copies)
	r.mu.Unlock()
	return Stats{Stored: r.stored.Load(), Dropped: r.dropped.Load(), Failed: r.failed.Load(), Active: n, Copies: copies, Broken: r.broken.Load()}
}

// Run writes until ctx is done, then finishes what is being recorded and indexes it, as far as that succeeds within a few seconds;
// the rest is indexed at the next start. Whoever ends bursts in order (talk.Exchange.Close) does so before.
func (r *Recorder) Run(ctx context.Context) error {
	stopped := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { r.indexAll(ctx, stopped) })
	if r.cfg.Site != nil {
		wg.Go(func() { r.settleAll(ctx) })
	}
	defer wg.Wait()
	defer close(stopped)
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.stop()
			return nil
		case <-tick.C:
		case <-r.wake:
		}
		r.drain(time.Now())
	}
}

// stop ends what is still being recorded.
func (r *Recorder) stop() {
	r.mu.Lock()
	r.over = true
	active := append([]*recording(nil), r.active...)
	r.mu.Unlock()
	for _, rec := range active {
		rec.End("interrupted", time.Now())
	}
	r.drain(time.Now())
}

// finish hands a recording on: to be indexed, or, a copy, to be kept until it is known whether it is needed.
func (r *Recorder) finish(name string, m meta) {
	r.mu.Lock()
	if m.Origin != "" {
		r.copies[name] = &kept{name: name, ended: time.Now()}
		r.mu.Unlock()
		return
	}
	r.finished = append(r.finished, name)
	r.waits[m.ID]++
	r.mu.Unlock()
	select {
	case r.todo <- struct{}{}:
	default:
	}
}

// drain writes what has come since the last time.
func (r *Recorder) drain(now time.Time) {
	r.mu.Lock()
	active := append([]*recording(nil), r.active...)
	r.mu.Unlock()
	r.tryDisk(now)
	for _, rec := range active {
		if !rec.write(now) {
			continue
		}
		r.mu.Lock()
		for i, a := range r.active {
			if a == rec {
				r.active = append(r.active[:i:i], r.active[i+1:]...)
				break
			}
		}
		r.mu.Unlock()
	}
}

// recording is one burst: packets come in on the voice path, the Recorder's goroutine writes them out.
type recording struct {
	r     *Recorder
	meta  meta
	began time.Time
	codec codecID

	mu      sync.Mutex // held for a copy only
	pending []byte     // packets as frames without checksum
	ended   bool
	cause   string
	lost    uint64

	// The writer's own.
	spare  []byte
	out    *sink
	failed bool
}

// copy tells that the talker is at another node.
func (c *recording) copy() bool { return c.meta.Origin != "" }

// name is that of its file, without what says its kind. Of a copy there may be several.
func (c *recording) name() string {
	if c.copy() {
		return fmt.Sprintf("%s-%016x", c.meta.ID, uint64(c.began.UnixNano()))
	}
	return c.meta.ID.String()
}

// Packet implements voice.Tap.
func (c *recording) Packet(p *voice.Packet) {
	at := uint32(max(0, p.Arrived.Sub(c.began).Milliseconds()))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || len(p.Payload) > maxPayload || len(c.pending)+frameHead+len(p.Payload) > maxPending {
		c.lost++
		c.r.dropped.Add(1)
		return
	}
	c.pending = appendFrame(c.pending, frame{seq: p.Seq, stamp: p.Time, at: at, payload: p.Payload})
}

// End implements talk.Recording.
func (c *recording) End(cause string, _ time.Time) {
	c.mu.Lock()
	if !c.ended {
		c.ended, c.cause = true, cause
	}
	c.mu.Unlock()
	select {
	case c.r.wake <- struct{}{}:
	default:
	}
}

// take swaps the pending packets for an empty buffer.
func (c *recording) take() (b []byte, ended bool, cause string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b = c.pending
	c.pending = c.spare[:0]
	c.spare = b
	return b, c.ended, c.cause
}

// write puts on disk what has come; true when the recording is over.
func (c *recording) write(now time.Time) (over bool) {
	b, ended, cause := c.take()
	if !c.failed {
		if err := c.put(b, now, ended, cause); err != nil {
			c.fail(err)
		}
	}
	if ended && c.failed {
		c.salvage()
	}
	return ended
}

func (c *recording) fail(err error) {
	c.failed = true
	c.r.failed.Add(1)
	c.r.broken.Store(true)
	c.r.cfg.Log.Error("recording failed", "burst", c.meta.ID.String(), "error", err)
	if c.out != nil {
		c.out.abandon()
	}
}

// salvage keeps what was written before a recording failed.
func (c *recording) salvage() {
	if c.out == nil {
		return
	}
	name, _, err := c.r.mend(c.out.name)
	if err != nil {
		c.r.cfg.Log.Error("recording waits for the next start", "burst", c.meta.ID.String(), "error", err)
	}
	if name != "" {
		c.r.finish(name, c.meta)
	}
}

func (c *recording) put(b []byte, now time.Time, ended bool, cause string) error {
	if c.out == nil {
		if len(b) == 0 {
			return nil // nothing was said: nothing to keep
		}
		if err := c.r.room(); err != nil {
			return err
		}
		var err error
		if c.out, err = newSink(filepath.Join(c.r.cfg.Dir, liveDir), c.name(), c.meta, c.codec); err != nil {
			return err
		}
	}
	if err := c.out.frames(b); err != nil {
		return err
	}
	if !ended {
		return c.flush(now)
	}
	name, err := c.out.finish(filepath.Join(c.r.cfg.Dir, c.meta.dir()), cause)
	if err != nil {
		return err
	}
	c.r.broken.Store(false)
	c.r.finish(name, c.meta)
	return nil
}

func (c *recording) flush(now time.Time) error {
	synced, err := c.out.flush(now)
	if err != nil || !synced {
		return err
	}
	return c.r.room()
}
