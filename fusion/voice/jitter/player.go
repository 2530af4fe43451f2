package jitter

import (
	"fmt"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
	"github.com/guantong-net/guantong/fusion/voice/dsp"
)

// Config bounds the delay. The zero value means the defaults in brackets.
type Config struct {
	Floor time.Duration // least delay beyond the fastest packet [20 ms]
	Max   time.Duration // largest target, however the path jitters [120 ms]
	Lag   time.Duration // lag behind the target that is caught up by playing faster; more is skipped [400 ms]
}

func (c Config) withDefaults() Config {
	if c.Floor <= 0 {
		c.Floor = 20 * time.Millisecond
	}
	if c.Max < c.Floor {
		c.Max = max(c.Floor, 120*time.Millisecond)
	}
	if c.Lag <= 0 {
		c.Lag = 400 * time.Millisecond
	}
	return c
}

// Stats count packets, unless said otherwise.
type Stats struct {
	Received   uint64
	Late       uint64        // came after their time: not played
	Duplicate  uint64        // came twice: played once
	Lost       uint64        // never came in time: hidden
	Recovered  uint64        // of these, restored from in-band FEC
	Malformed  uint64        // not to be decoded: hidden
	Overflow   uint64        // more than the buffer holds: the oldest gave way
	Skipped    uint64        // more lag than Config.Lag: not played
	Resyncs    uint64        // timestamps that jumped
	Shortened  time.Duration // speech and silence taken out to catch up
	Target     time.Duration // delay aimed at, beyond the fastest packet
	Underflows uint64        // times that a frame was due and nothing was there, in the middle of speech
}

// Kind says what a frame is.
type Kind uint8

// The kinds of frames.
const (
	Silent Kind = iota // the talker sends nothing; the frame is zeros
	Speech             // holds speech, hidden losses included
)

// Player turns packets into frames.
type Player struct {
	cfg   Config
	id    codec.ID
	dec   codec.Decoder
	epoch time.Time
	line  timeline
	seen  history
	queue queue

	playing bool
	begun   bool   // something has been played
	pos     int64  // on the line: the next sample to decode
	seq     uint16 // of the packet that was decoded last
	bridged int64  // samples of the gap before the first packet that are hidden already
	hidden  int64  // samples of concealment since the last packet
	fifo    []int16
	pace    int64 // samples to take out of a frame at the least
	drain   bool
	lagging bool // behind the target by more than slack
	stats   Stats
}

// maxHide is how long concealment goes on when nothing comes: it has faded to nothing by then. 60 ms.
const maxHide = codec.PCMRate * 60 / 1000

// New makes a player for one stream of packets. It fails for an unknown codec.
func New(id codec.ID, cfg Config) (*Player, error) {
	dec, err := codec.NewDecoder(id)
	if err != nil {
		return nil, fmt.Errorf("new jitter player: %w", err)
	}
	p := &Player{cfg: cfg.withDefaults(), id: id, dec: dec, line: timeline{clock: int64(id.Clock())}}
	p.fifo = make([]int16, 0, 3*codec.MaxPacketSamples)
	p.queue.init()
	return p, nil
}

// Put takes a packet that arrived at the given time; it copies the payload. What it cannot use it counts.
func (p *Player) Put(seq uint16, stamp uint32, payload []byte, arrived time.Time) {
	p.stats.Received++
	d, err := codec.Duration(p.id, payload)
	if err != nil || len(payload) > codec.MaxPayload {
		p.stats.Malformed++
		return
	}
	if p.epoch.IsZero() {
		p.epoch = arrived
	}
	arrival, length := samples(arrived.Sub(p.epoch)), samples(d)
	at, resync := p.line.place(stamp, length, arrival)
	if resync {
		p.stats.Resyncs++
		p.seen = history{}
	}
	if !p.seen.add(seq) {
		p.stats.Duplicate++
		return
	}
	p.line.observe(at, length, arrival)
	if p.playing && at+length <= p.pos {
		p.stats.Late++
		return
	}
	if p.queue.n == slots {
		p.queue.pop()
		p.stats.Overflow++
	}
	if !p.queue.insert(seq, at, length, payload) {
		p.stats.Duplicate++
	}
}

// Drain says that no more packets come: what waits is played, then Done reports true.
func (p *Player) Drain() { p.drain = true }

// Done reports that everything has been played after Drain.
func (p *Player) Done() bool { return p.drain && p.queue.n == 0 && len(p.fifo) == 0 }

// Room is how many packets the buffer still takes without dropping one.
func (p *Player) Room() int { return slots - p.queue.n }

// Lagging reports that the last frame was played more than 30 ms behind the target.
func (p *Player) Lagging() bool { return p.lagging }

// Stats gives the counters so far.
func (p *Player) Stats() Stats {
	s := p.stats
	s.Target = duration(p.target())
	return s
}

// Delay is how far the next sample to be played is behind the fastest packet, at now.
func (p *Player) Delay(now time.Time) time.Duration {
	return duration(samples(now.Sub(p.epoch)) - p.line.base() - (p.pos - int64(len(p.fifo))))
}

func (p *Player) target() int64 {
	return max(samples(p.cfg.Floor), min(p.line.percentile96(), samples(p.cfg.Max)))
}

// Frame fills dst with the next 20 ms. It is called once every 20 ms.
func (p *Player) Frame(now time.Time, dst *[codec.FrameSamples]int16) Kind {
	if p.epoch.IsZero() {
		clear(dst[:])
		return Silent
	}
	due := samples(now.Sub(p.epoch)) - p.line.base() - p.target() // position that should be playing now
	if !p.playing && !p.resume(due) && len(p.fifo) == 0 {
		clear(dst[:])
		return Silent
	}
	p.skip(due)
	p.fill(codec.FrameSamples)
	p.catchUp(due)
	if len(p.fifo) == 0 && !p.playing {
		clear(dst[:])
		return Silent
	}
	n := copy(dst[:], p.fifo)
	clear(dst[n:])
	p.fifo = p.fifo[:copy(p.fifo, p.fifo[n:])]
	return Speech
}

// resume starts playing when the first packet that waits is due.
func (p *Player) resume(due int64) bool {
	if p.queue.n == 0 || (p.queue.first().at > due && !p.full()) {
		return false
	}
	first := p.queue.first()
	if p.begun && first.at-p.pos < jump {
		p.stats.Lost += p.missing(first, first.at-p.pos)
	}
	p.playing, p.begun, p.pos, p.hidden, p.bridged = true, true, first.at, 0, 0
	p.seq = first.seq - 1
	return true
}

// missing is how many packets are lost before first, which comes after a gap. The numbers are the talker's, so the gap
// bounds them.
func (p *Player) missing(first *slot, gap int64) uint64 {
	n, fit := int64(first.seq-p.seq-1), max(gap, 0)/first.length
	return uint64(min(n, fit))
}

// full reports that waiting longer would lose packets.
func (p *Player) full() bool { return p.queue.n == slots }

// skip drops the oldest packets when the lag is more than may be caught up.
func (p *Player) skip(due int64) {
	for p.playing && p.queue.n > 1 && due-p.pos > samples(p.cfg.Lag) {
		p.queue.pop()
		p.stats.Skipped++
		first := p.queue.first()
		p.pos, p.seq = first.at, first.seq-1
	}
}

// fill decodes until the FIFO has n samples or there is nothing to play.
func (p *Player) fill(n int) {
	for p.playing && len(p.fifo) < n {
		if p.queue.n == 0 {
			p.starve(n)
			return
		}
		p.step()
	}
}

// step plays the first packet, or what stands for those that are missing before it.
func (p *Player) step() {
	first := p.queue.first()
	gap := first.at - p.pos
	switch {
	case first.at+first.length <= p.pos: // overtaken by one that overlapped it
		p.queue.pop()
		p.stats.Late++
	case gap < codec.PCMRate/400: // less than 2.5 ms is rounding
		p.play(first)
	case first.seq == p.seq+1 || gap > int64(codec.MaxPacketSamples)*4:
		p.playing = false // a silence that the talker made; a long outage is no different to the ear
	default:
		p.bridge(first, gap)
	}
}

// bridge hides the gap before first: 20 ms at a time, and at last with what first knows of its predecessor where the
// codec carries that.
func (p *Player) bridge(first *slot, gap int64) {
	if rest := gap - first.length; rest > 0 {
		n := min(rest, codec.FrameSamples)
		p.hide(n)
		p.pos += n
		p.bridged += n
		return
	}
	p.stats.Lost += max(1, p.missing(first, gap+p.bridged))
	p.bridged = 0
	p.pos, p.seq = first.at, first.seq-1
	if r, ok := p.dec.(codec.Recoverer); ok && gap == first.length {
		at := len(p.fifo)
		if pcm, err := r.Recover(p.fifo, first.payload, int(gap)); err == nil {
			p.fifo = pcm
			p.stats.Recovered++
			return
		}
		p.fifo = p.fifo[:at]
	}
	p.hide(gap)
}

// hide appends n samples of concealment, silence once it has faded.
func (p *Player) hide(n int64) {
	if soft := min(n, max(0, maxHide-p.hidden)); soft > 0 {
		p.fifo = p.dec.Conceal(p.fifo, int(soft))
		n -= soft
		p.hidden += soft
	}
	for range n {
		p.fifo = append(p.fifo, 0)
	}
}

func (p *Player) play(first *slot) {
	at := len(p.fifo)
	pcm, err := p.dec.Decode(p.fifo, first.payload)
	if err != nil {
		p.stats.Malformed++
		p.fifo = p.fifo[:at]
		p.hide(first.length)
	} else {
		p.fifo, p.hidden = pcm, 0
	}
	p.pos, p.seq = first.at+first.length, first.seq
	p.queue.pop()
}

// starve makes up the rest of a frame when nothing is there: the position stays, since the packet may only be late.
func (p *Player) starve(n int) {
	if p.drain || p.hidden >= maxHide {
		p.playing = false
		return
	}
	if p.hidden == 0 {
		p.stats.Underflows++
	}
	p.hide(int64(n - len(p.fifo)))
}

const (
	slack      = codec.PCMRate * 30 / 1000 // lag that is left alone: a tick and a half
	leastCut   = codec.PCMRate * 25 / 10000
	steadyCut  = codec.FrameSamples / 2 // pace at most 1.5 times
	periods    = codec.PCMRate * 12 / 1000
	quiet      = 40 * 40                // mean square below which a cut is not heard
	catchUpIn  = 40                     // frames in which a lag is to be gone: 0.8 s
	catchUpPCM = 2 * codec.FrameSamples // what shortening looks at
)

// catchUp shortens what is to be played while it lags. The pace is set by the largest lag, so that the lag is gone
// in the given time and does not die away ever more slowly; around the pace there is room for a whole pitch period.
func (p *Player) catchUp(due int64) {
	lag := due - (p.pos - int64(len(p.fifo)))
	p.lagging = lag >= slack
	if !p.lagging {
		p.pace = leastCut
		return
	}
	p.pace = max(p.pace, min(lag/catchUpIn, steadyCut))
	if !p.playing || p.queue.n == 0 {
		return
	}
	p.fill(catchUpPCM)
	if len(p.fifo) < catchUpPCM {
		return
	}
	least := p.pace
	if dsp.Power(p.fifo[:catchUpPCM]) < quiet {
		least = min(codec.FrameSamples, lag)
	}
	before := len(p.fifo)
	p.fifo = dsp.Shorten(p.fifo, int(least), int(min(least+periods, codec.FrameSamples, max(lag, least))))
	p.stats.Shortened += duration(int64(before - len(p.fifo)))
}
