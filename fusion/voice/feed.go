package voice

import (
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
	"github.com/guantong-net/guantong/fusion/voice/jitter"
)

type params = codec.Params

// frame is 20 ms of PCM.
type frame = [codec.FrameSamples]int16

// flushFrames of silence follow each spurt of speech through the encoders, so that what they hold back gets out.
const flushFrames = 2

// drainFrames bounds how long a closed stream's tail may take: 5 s.
const drainFrames = 250

// coded is PCM that is encoded: each way of coding once, however many hear it.
type coded struct {
	encodings []*encoding // replaced under Switch.mu, never changed
	run       []*encoding // what this tick serves
	pcm       frame
	active    bool // pcm is speech, or flushes it
}

// feed decodes a stream. The shared feed of a stream serves all who need it; a private one plays a burst from its
// beginning to one late leg until that has caught up. Everything but the lists belongs to the clock's goroutine.
type feed struct {
	coded
	stream *Stream
	owner  *member // of a private feed, else nil
	mixes  int     // that read the feed; guarded by Switch.mu
	gone   bool    // guarded by Switch.mu

	player  *jitter.Player
	cursor  uint64 // next packet of the burst
	flush   int
	frames  int
	closing int
	current bool // everything in the burst is in the player
	ended   bool
}

// openFeed starts decoding from the given packet on. Switch.mu is held.
func (sw *Switch) openFeed(s *Stream, from uint64, owner *member) *feed {
	cfg := sw.cfg.Jitter
	if owner != nil {
		cfg.Lag = 2 * sw.cfg.Burst
	}
	player, err := jitter.New(s.source, cfg)
	if err != nil {
		sw.stats.failed.Add(1)
		sw.deps.Log.Error("voice: a talker cannot be decoded", "codec", s.source.String(), "err", err)
		return nil
	}
	f := &feed{stream: s, owner: owner, player: player, cursor: from}
	sw.feeds = append(slices.Clone(sw.feeds), f)
	if owner != nil {
		s.own++
	}
	sw.wind()
	return f
}

// release closes a shared feed that neither a coding nor a mix needs. Switch.mu is held.
func (sw *Switch) release(f *feed) {
	if len(f.encodings) == 0 && f.mixes == 0 {
		sw.closeFeed(f)
	}
}

func (sw *Switch) closeFeed(f *feed) {
	if f == nil || f.gone {
		return
	}
	f.gone = true
	sw.feeds = without(sw.feeds, f)
	if f.owner != nil {
		f.stream.own--
	} else {
		f.stream.live = nil
		for _, m := range f.stream.members {
			sw.strand(m)
		}
	}
	sw.retire(f.stream)
}

// next makes the next frame.
func (f *feed) next(now time.Time) {
	closed := f.take()
	if closed && f.current {
		f.player.Drain()
		f.closing++
	}
	f.frames++
	f.active = f.player.Frame(now, &f.pcm) == jitter.Speech
	if f.active {
		f.flush = flushFrames
	} else if f.flush > 0 {
		f.flush--
		f.active = true
	}
	f.ended = closed && f.current && !f.active && f.player.Done() || f.closing > drainFrames
}

// take moves packets from the burst to the player, as many as fit, and reports whether the stream is closed.
func (f *feed) take() (closed bool) {
	s := f.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.burst == nil {
		return true
	}
	f.cursor = max(f.cursor, s.burst.head)
	for ; f.cursor < s.burst.tail && (f.player.Room() > 1 || f.owner == nil); f.cursor++ {
		r := s.burst.record(f.cursor)
		f.player.Put(r.seq, r.stamp, s.burst.payload(r), r.arrived)
	}
	f.current = f.cursor == s.burst.tail
	if f.owner == nil {
		s.last = f.player.Stats()
	}
	return s.closed
}

// caughtUp reports that a private feed is no longer behind.
func (f *feed) caughtUp() bool {
	return f.owner != nil && f.current && f.frames > flushFrames && !f.player.Lagging()
}

// encoding is one way of coding some PCM, and those who take it. All but the group belongs to the clock's goroutine.
type encoding struct {
	params params
	enc    codec.Encoder
	group  group
	step   uint32 // RTP clock ticks a frame
	idle   bool
	packet Packet
	buf    []byte
}

func newEncoding(p params) (*encoding, error) {
	enc, err := codec.NewEncoder(p)
	if err != nil {
		return nil, err
	}
	return &encoding{params: p, enc: enc, step: p.ID.Ticks(FrameTime), idle: true, packet: Packet{Codec: p.ID}, buf: make([]byte, 0, codec.MaxPayload)}, nil
}

// send codes and delivers one frame. Its own timestamp goes on through silence, its sequence numbers do not.
func (e *encoding) send(sw *Switch, pcm *frame, active bool, now time.Time) {
	e.packet.Time += e.step
	if !active {
		e.idle = true
		return
	}
	buf, err := e.enc.Encode(e.buf[:0], pcm[:])
	if err != nil {
		sw.stats.failed.Add(1)
		e.idle = true
		return
	}
	sw.stats.encoded.Add(1)
	e.buf = buf[:0]
	e.packet.Seq++
	e.packet.Marker, e.packet.Payload, e.packet.Arrived = e.idle, buf, now
	e.idle = false
	fan := e.group.fan.Load()
	fan.deliver(&e.packet)
	if len(fan.fresh) > 0 {
		fan.deliverFresh(&e.packet)
		sw.mu.Lock()
		e.group.settled(fan)
		sw.mu.Unlock()
	}
}
