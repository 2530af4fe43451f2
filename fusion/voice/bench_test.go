package voice

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// nullOutlet and nullSink cost nothing, so that what is measured is the switch.
type nullOutlet struct{ calls, packets int }

func (o *nullOutlet) Deliver(_ *Packet, to []Target) { o.calls++; o.packets += len(to) }

type nullSink struct {
	out    Outlet
	format codec.Params
	single bool
}

func (s *nullSink) Outlet() Outlet         { return s.out }
func (s *nullSink) Format() codec.Params   { return s.format }
func (s *nullSink) SingleStream() bool     { return s.single }
func (s *nullSink) Begin(Info) (int, bool) { return 0, true }
func (s *nullSink) End(Info, int)          {}

// stopped is a clock that never ticks: the caller does.
func stopped(time.Duration) (<-chan time.Time, func()) { return make(chan time.Time), func() {} }

// room is a talker and listeners with a clock that is turned by hand.
type room struct {
	sw      *Switch
	s       *Stream
	packets []*Packet
	n       int
	clock   atomic.Int64 // frames since the start
}

func newRoom(tb testing.TB, from codec.ID) *room {
	r := &room{}
	r.sw = New(Config{}, Deps{Ticker: stopped, Now: r.now})
	tb.Cleanup(r.sw.Close)
	r.s = r.sw.Open(info(1), from, nil, nil)
	k := newTalker(tb, r.s)
	pcm := voiceLike(time.Second, 1)
	for i := range 50 {
		r.packets = append(r.packets, k.packet(pcm[i*320:(i+1)*320], r.now()))
	}
	return r
}

func (r *room) now() time.Time {
	return time.Unix(1000, 0).Add(time.Duration(r.clock.Load()) * FrameTime)
}

func (r *room) push() {
	p := r.packets[r.n%len(r.packets)]
	p.Seq, p.Time, p.Arrived = uint16(r.n), r.s.source.Ticks(FrameTime)*uint32(r.n), r.now()
	r.n++
	r.s.Push(p)
	r.clock.Add(1)
}

func (r *room) attach(out Outlet, n int, id codec.ID, single bool) {
	for range n {
		r.s.Attach(&nullSink{out: out, format: codec.Params{ID: id}, single: single}, false)
	}
}

func TestThePathOfAPacketAllocatesNothing(t *testing.T) {
	r := newRoom(t, codec.Opus)
	out := &nullOutlet{}
	r.attach(out, 200, codec.Opus, false)
	r.push()
	if n := testing.AllocsPerRun(200, r.push); n != 0 {
		t.Errorf("%v allocations a packet to 200 browsers", n)
	}
	for _, id := range []codec.ID{codec.PCMA, codec.G722} {
		r.attach(out, 20, id, true)
	}
	both := func() {
		r.push()
		r.sw.tick(r.now())
	}
	for range 300 {
		both()
	}
	if n := testing.AllocsPerRun(300, both); n != 0 {
		t.Errorf("%v allocations a packet with telephones of two codecs", n)
	}
}

func TestAMixAllocatesNothing(t *testing.T) {
	r := newRoom(t, codec.PCMA)
	out := &nullOutlet{}
	sink := &nullSink{out: out, format: codec.Params{ID: codec.Opus}, single: true}
	other := r.sw.Open(info(2), codec.PCMA, nil, nil)
	r.s.Attach(sink, false)
	other.Attach(sink, false)
	both := func() {
		other.Push(r.packets[0])
		r.push()
		r.sw.tick(r.now())
	}
	for range 300 {
		both()
	}
	if n := testing.AllocsPerRun(300, both); n != 0 {
		t.Errorf("%v allocations a frame of a mix", n)
	}
}

func BenchmarkPush200Passthrough(b *testing.B) {
	r := newRoom(b, codec.Opus)
	r.attach(&nullOutlet{}, 200, codec.Opus, false)
	r.push()
	b.ReportAllocs()
	for b.Loop() {
		r.push()
	}
}

func BenchmarkTranscode(b *testing.B) {
	for _, c := range []struct {
		name     string
		from, to codec.ID
	}{{"OpusToPCMA", codec.Opus, codec.PCMA}, {"PCMAToOpus", codec.PCMA, codec.Opus}, {"PCMAToG722", codec.PCMA, codec.G722}} {
		b.Run(c.name, func(b *testing.B) {
			r := newRoom(b, c.from)
			r.attach(&nullOutlet{}, 200, c.to, true)
			b.ReportAllocs()
			for b.Loop() {
				r.push()
				r.sw.tick(r.now())
			}
		})
	}
}

func BenchmarkMixThree(b *testing.B) {
	var m Mixer
	var in, out frame
	copy(in[:], voiceLike(FrameTime, 1))
	b.ReportAllocs()
	for b.Loop() {
		for range 3 {
			m.Add(&in, unity)
		}
		m.Mix(&out)
	}
}
