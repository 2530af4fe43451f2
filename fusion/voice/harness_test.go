package voice

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// fakeOutlet keeps what is delivered, per sink.
type fakeOutlet struct {
	mu    sync.Mutex
	calls int
	seen  map[Sink][]Packet
}

func newFakeOutlet() *fakeOutlet { return &fakeOutlet{seen: make(map[Sink][]Packet)} }

func (o *fakeOutlet) Deliver(p *Packet, to []Target) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	for _, t := range to {
		q := *p
		q.Payload = append([]byte(nil), p.Payload...)
		o.seen[t.Sink] = append(o.seen[t.Sink], q)
		t.Sink.(*fakeSink).check(t.Handle)
	}
}

func (o *fakeOutlet) packets(s Sink) []Packet {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Packet(nil), o.seen[s]...)
}

// fakeSink is a leg that checks the contract: nothing before Begin, nothing after End, one call at a time.
type fakeSink struct {
	t      testing.TB
	out    *fakeOutlet
	format codec.Params
	single bool
	refuse bool

	mu     sync.Mutex
	next   int
	open   map[int]Info
	begins int
	ends   int
	onEnd  func()
}

func newFakeSink(t testing.TB, out *fakeOutlet, id codec.ID, single bool) *fakeSink {
	return &fakeSink{t: t, out: out, format: codec.Params{ID: id}, single: single, open: make(map[int]Info)}
}

func (s *fakeSink) Outlet() Outlet       { return s.out }
func (s *fakeSink) Format() codec.Params { return s.format }
func (s *fakeSink) SingleStream() bool   { return s.single }

func (s *fakeSink) Begin(info Info) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse {
		return 0, false
	}
	s.next++
	s.begins++
	s.open[s.next] = info
	return s.next, true
}

func (s *fakeSink) End(info Info, handle int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got, ok := s.open[handle]; !ok || got.Burst != info.Burst {
		s.t.Errorf("End of a stream that had not begun: handle %d", handle)
	}
	delete(s.open, handle)
	s.ends++
	if s.onEnd != nil {
		s.onEnd()
	}
}

func (s *fakeSink) check(handle int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.open[handle]; !ok {
		s.t.Errorf("packet for handle %d outside Begin and End", handle)
	}
}

func (s *fakeSink) counts() (begins, ends int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begins, s.ends
}

// talker cuts PCM into packets of one codec, 20 ms each.
type talker struct {
	t     testing.TB
	s     *Stream
	id    codec.ID
	enc   codec.Encoder
	seq   uint16
	stamp uint32
	first bool
}

func newTalker(t testing.TB, s *Stream) *talker {
	t.Helper()
	enc, err := codec.NewEncoder(codec.Params{ID: s.Source()})
	if err != nil {
		t.Fatal(err)
	}
	return &talker{t: t, s: s, id: s.Source(), enc: enc, seq: 65530, stamp: math.MaxUint32 - 2000, first: true}
}

func (k *talker) packet(pcm []int16, arrived time.Time) *Packet {
	payload, err := k.enc.Encode(nil, pcm)
	if err != nil {
		k.t.Fatal(err)
	}
	k.seq++
	k.stamp += k.id.Ticks(FrameTime)
	p := &Packet{Codec: k.id, Marker: k.first, Seq: k.seq, Time: k.stamp, Payload: payload, Arrived: arrived}
	k.first = false
	return p
}

// say pushes PCM in real time; under synctest that costs none.
func (k *talker) say(pcm []int16) {
	for ; len(pcm) >= codec.FrameSamples; pcm = pcm[codec.FrameSamples:] {
		k.s.Push(k.packet(pcm[:codec.FrameSamples], time.Now()))
		time.Sleep(FrameTime)
	}
}

// voiceLike makes PCM with the pitch and the syllables of speech, out of a seed.
func voiceLike(d time.Duration, seed uint64) []int16 {
	rng := rand.New(rand.NewPCG(seed, 1))
	pcm := make([]int16, int(d)*codec.PCMRate/int(time.Second))
	phase, pitch := 0.0, 110+rng.Float64()*80
	for i := range pcm {
		syllable := 0.55 + 0.45*math.Sin(2*math.Pi*4*float64(i)/codec.PCMRate)
		phase += 2 * math.Pi * (pitch + 8*math.Sin(float64(i)/9000)) / codec.PCMRate
		v := 0.0
		for h := 1; h <= 12; h++ {
			v += math.Sin(phase*float64(h)) / float64(h)
		}
		pcm[i] = int16(5000 * syllable * v)
	}
	return pcm
}

// decodeAll plays packets one after the other, without a jitter buffer.
func decodeAll(t testing.TB, id codec.ID, packets []Packet) []int16 {
	t.Helper()
	dec, err := codec.NewDecoder(id)
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	for _, p := range packets {
		if p.Codec != id {
			t.Fatalf("packet of codec %v for a leg that takes %v", p.Codec, id)
		}
		if out, err = dec.Decode(out, p.Payload); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func rms(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(max(1, len(pcm))))
}

// align finds the shift at which got is most like want, and the correlation coefficient there.
func align(want, got []int16, most int) (shift int, corr float64) {
	for d := 0; d <= most && d < len(got); d++ {
		n := min(len(want), len(got)-d)
		var ab, aa, bb float64
		for i := 0; i < n; i += 3 {
			a, b := float64(want[i]), float64(got[d+i])
			ab, aa, bb = ab+a*b, aa+a*a, bb+b*b
		}
		if c := ab / math.Sqrt(aa*bb+1); c > corr {
			shift, corr = d, c
		}
	}
	return shift, corr
}
