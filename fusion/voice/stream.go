package voice

import (
	"sync"
	"sync/atomic"

	"github.com/guantong-net/guantong/fusion/voice/codec"
	"github.com/guantong-net/guantong/fusion/voice/jitter"
)

// Stream is the speech of one talker while it lasts. Push is for one goroutine at a time, everything else for any.
type Stream struct {
	sw     *Switch
	serial uint64
	info   Info
	source codec.ID
	tap    Tap
	self   Sink
	done   chan struct{}
	gain   atomic.Int32 // Q12, in mixes

	// Guarded by Switch.mu.
	members  map[Sink]*member
	direct   group // who takes the talker's packets as they are
	live     *feed // decodes for all others; nil while nobody needs it
	own      int   // private feeds
	draining bool
	retired  bool

	mu      sync.Mutex // held for moments only: no call out of the package
	closed  bool
	pushing int
	parked  []*member
	burst   *burst
	last    jitter.Stats // of the last live feed
	packets uint64
	dropped uint64
}

// StreamStats describe one stream.
type StreamStats struct {
	Packets, Dropped uint64
	Listeners        int
	Decoded          bool         // someone needs it decoded
	Jitter           jitter.Stats // of the decoding, while there is one and after
}

// Open begins a stream. The source is the codec of its packets. Tap, which may be nil, sees each packet; self, which may
// be nil, is the talker's own sink, to which the stream is never delivered.
func (sw *Switch) Open(info Info, source codec.ID, tap Tap, self Sink) *Stream {
	s := &Stream{sw: sw, info: info, source: source, tap: tap, self: self, done: make(chan struct{})}
	s.members = make(map[Sink]*member)
	s.gain.Store(unity)
	s.burst, _ = sw.bursts.Get().(*burst)
	s.burst.reset(sw.cfg.Burst)
	sw.mu.Lock()
	defer sw.mu.Unlock()
	sw.serial++
	s.serial = sw.serial
	if sw.closed {
		s.closed = true
		sw.retire(s)
		return s
	}
	sw.streams[s] = struct{}{}
	return s
}

// Info gives what the stream was opened with.
func (s *Stream) Info() Info { return s.info }

// Source is the codec of the stream's packets.
func (s *Stream) Source() codec.ID { return s.source }

// SetGain sets how loud the stream is in mixes: 1 is as it came, at most 8. It changes nothing for those who
// hear the stream alone.
func (s *Stream) SetGain(gain float32) { s.gain.Store(int32(max(0, min(gain, 8)) * unity)) }

// Done is closed when the tail is out and every sink has been told the end.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Push sends one packet to everyone who hears the stream, on the caller's goroutine, and to the tap. It allocates
// nothing. Packets of another codec, malformed ones, and ones after Close are counted and dropped.
func (s *Stream) Push(p *Packet) {
	if !s.admit(p) {
		s.sw.stats.dropped.Add(1)
		return
	}
	s.sw.stats.packets.Add(1)
	s.sw.stats.bytes.Add(uint64(len(p.Payload)))
	if s.tap != nil {
		s.tap.Packet(p)
	}
	if f := s.direct.fan.Load(); f != nil {
		f.deliver(p)
		if len(f.fresh) > 0 {
			s.welcome(f, p)
		}
	}
	s.delivered()
}

// delivered ends what admit or lastWelcome began: who was to leave meanwhile leaves now.
func (s *Stream) delivered() {
	s.mu.Lock()
	s.pushing--
	var parked []*member
	if s.pushing == 0 {
		parked, s.parked = s.parked, nil
	}
	over := s.closed && s.pushing == 0
	s.mu.Unlock()
	s.sw.settleAll(parked)
	if over {
		s.sw.mu.Lock()
		s.sw.retire(s)
		s.sw.mu.Unlock()
	}
}

// admit checks and keeps a packet; after true the stream counts as delivering.
func (s *Stream) admit(p *Packet) bool {
	_, err := codec.Duration(s.source, p.Payload)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || p.Codec != s.source || len(p.Payload) > codec.MaxPayload || s.closed {
		s.dropped++
		return false
	}
	s.packets++
	s.pushing++
	s.burst.add(p)
	return true
}

// welcome delivers to those for whom p is the first packet, after the pre-roll that they asked for.
func (s *Stream) welcome(f *fanout, p *Packet) {
	for i := range f.fresh {
		n := &f.fresh[i]
		if !n.preRoll || !s.preRoll(n, p) {
			first := *p
			first.Marker = true
			n.outlet.Deliver(&first, n.to)
		}
	}
	s.sw.mu.Lock()
	s.direct.settled(f)
	s.sw.mu.Unlock()
}

// preRoll delivers the last of the burst to a newcomer, at most Config.PreRoll before now. It reports whether there was any.
func (s *Stream) preRoll(to *newcomer, now *Packet) bool {
	var payload [codec.MaxPayload]byte
	s.mu.Lock()
	if s.burst == nil {
		s.mu.Unlock()
		return false
	}
	i := s.burst.since(now.Arrived.Add(-s.sw.cfg.PreRoll))
	s.mu.Unlock()
	for first := true; ; first = false {
		s.mu.Lock()
		if s.burst != nil {
			i = max(i, s.burst.head)
		}
		if s.burst == nil || i == s.burst.tail {
			s.mu.Unlock()
			return !first
		}
		r := *s.burst.record(i)
		n := copy(payload[:], s.burst.payload(&r))
		s.mu.Unlock()
		to.outlet.Deliver(&Packet{Codec: s.source, Marker: first || r.marker, Seq: r.seq, Time: r.stamp, Payload: payload[:n], Arrived: r.arrived}, to.to)
		i++
	}
}

// Listeners is how many sinks hear the stream now.
func (s *Stream) Listeners() int {
	s.sw.mu.Lock()
	defer s.sw.mu.Unlock()
	n := 0
	for _, m := range s.members {
		if m.have && m.want {
			n++
		}
	}
	return n
}

// Stats gives the stream's counters.
func (s *Stream) Stats() StreamStats {
	n := s.Listeners()
	s.sw.mu.Lock()
	decoded := s.live != nil
	s.sw.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return StreamStats{Packets: s.packets, Dropped: s.dropped, Listeners: n, Decoded: decoded, Jitter: s.last}
}
