package voice

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

func info(n byte) Info {
	return Info{Burst: fusion.ID{n}, Talk: fusion.GroupTalk(10001), Talker: fusion.Number(10000 + int(n))}
}

func TestPacketsOfLikeCodecsPassUntouchedInOneCallPerOutlet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		s := sw.Open(info(1), codec.Opus, nil, nil)
		out, other := newFakeOutlet(), newFakeOutlet()
		var sinks []*fakeSink
		for i := range 10 {
			o := out
			if i >= 7 {
				o = other
			}
			sinks = append(sinks, newFakeSink(t, o, codec.Opus, i == 3))
			s.Attach(sinks[i], false)
		}
		k := newTalker(t, s)
		var sent []*Packet
		for i := range 10 {
			sent = append(sent, k.packet(voiceLike(FrameTime, uint64(i)), time.Now()))
			s.Push(sent[i])
			time.Sleep(FrameTime)
		}
		if got := s.Listeners(); got != 10 {
			t.Errorf("Listeners = %d, want 10", got)
		}
		s.Close()
		<-s.Done()
		for i, sink := range sinks {
			got := sink.out.packets(sink)
			if len(got) != len(sent) {
				t.Fatalf("sink %d got %d packets, want %d", i, len(got), len(sent))
			}
			for j := range got {
				if string(got[j].Payload) != string(sent[j].Payload) || got[j].Seq != sent[j].Seq || got[j].Time != sent[j].Time {
					t.Fatalf("sink %d packet %d was changed", i, j)
				}
			}
			if b, e := sink.counts(); b != 1 || e != 1 {
				t.Errorf("sink %d: %d Begin, %d End", i, b, e)
			}
		}
		// The first packet goes to each fresh sink by itself.
		if want := 7 + 9; out.calls != want {
			t.Errorf("%d Deliver calls for 10 packets to 7 sinks, want %d", out.calls, want)
		}
	})
}

func TestTheTalkersOwnLegHearsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		out := newFakeOutlet()
		self, far := newFakeSink(t, out, codec.PCMA, true), newFakeSink(t, out, codec.PCMU, true)
		s := sw.Open(info(1), codec.PCMA, nil, self)
		if s.Attach(self, true) {
			t.Error("Attach of the talker's own sink reports that it hears")
		}
		s.Attach(far, false)
		newTalker(t, s).say(voiceLike(time.Second, 1))
		s.Close()
		<-s.Done()
		if n := len(out.packets(self)); n != 0 {
			t.Errorf("the talker heard %d packets of itself", n)
		}
		if len(out.packets(far)) == 0 {
			t.Error("nobody heard the talker")
		}
	})
}

func TestNothingIsClippedThroughJitterBufferAndTranscoding(t *testing.T) {
	ids := []codec.ID{codec.Opus, codec.PCMU, codec.PCMA, codec.G722, codec.L16}
	for _, from := range ids {
		for _, to := range ids {
			if from != to {
				t.Run(fmt.Sprintf("%v to %v", from, to), func(t *testing.T) { transcodeOnce(t, from, to) })
			}
		}
	}
}

func transcodeOnce(t *testing.T, from, to codec.ID) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		s := sw.Open(info(1), from, nil, nil)
		out := newFakeOutlet()
		sink := newFakeSink(t, out, to, true)
		s.Attach(sink, false)
		spoken := voiceLike(1200*time.Millisecond, 7)
		newTalker(t, s).say(spoken)
		s.Close()
		<-s.Done()
		heard := decodeAll(t, to, out.packets(sink))
		shift, corr := align(spoken, heard, codec.PCMRate*60/1000)
		if corr < 0.8 {
			t.Errorf("correlation %.2f at %d samples", corr, shift)
		}
		const edge = codec.FrameSamples
		if len(heard) < shift+len(spoken) {
			t.Fatalf("%d samples heard from %d on, %d spoken", len(heard), shift, len(spoken))
		}
		for name, at := range map[string]int{"head": 0, "tail": len(spoken) - edge} {
			want, got := rms(spoken[at:at+edge]), rms(heard[shift+at:shift+at+edge])
			if got < 0.7*want {
				t.Errorf("%s: level %.0f, spoken %.0f", name, got, want)
			}
		}
	})
}

func TestTheClockRunsOnlyWhileSomethingIsDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		s := sw.Open(info(1), codec.Opus, nil, nil)
		out := newFakeOutlet()
		sink := newFakeSink(t, out, codec.PCMA, true)
		running := func() bool { sw.mu.Lock(); defer sw.mu.Unlock(); return sw.running }
		if running() {
			t.Error("runs before anyone listens")
		}
		s.Attach(sink, false)
		if !running() || sw.Stats().Transcodings != 1 {
			t.Error("does not run for a leg of another codec")
		}
		s.Detach(sink)
		time.Sleep(2 * FrameTime)
		if running() || sw.Stats().Transcodings != 0 {
			t.Error("runs after the last such leg has left")
		}
		s.Close()
		<-s.Done()
		if st := sw.Stats(); st.Streams != 0 {
			t.Errorf("streams left: %+v", st)
		}
	})
}

// counter is a recorder that counts.
type counter struct{ n int }

func (c *counter) Packet(*Packet) { c.n++ }

func TestABearersLimitIsKeptEvenForOpus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		tap := &counter{}
		s := sw.Open(info(1), codec.Opus, tap, nil)
		out := newFakeOutlet()
		wide, thin := newFakeSink(t, out, codec.Opus, false), newFakeSink(t, out, codec.Opus, true)
		wide.format.Bitrate = 24000
		thin.format = codec.Params{ID: codec.Opus, Bitrate: 6000, Limit: true}
		s.Attach(wide, false)
		s.Attach(thin, false)
		newTalker(t, s).say(voiceLike(time.Second, 2))
		s.Close()
		<-s.Done()
		if tap.n != 50 || len(out.packets(wide)) != 50 {
			t.Errorf("tap %d, wide %d packets of 50", tap.n, len(out.packets(wide)))
		}
		got := out.packets(thin)
		for _, p := range got {
			if len(p.Payload) > 15 {
				t.Fatalf("a packet of %d bytes on a bearer of 6 kbit/s", len(p.Payload))
			}
		}
		if len(got) < 50 {
			t.Errorf("thin: %d packets", len(got))
		}
	})
}

func TestAFullDuplexCallIsTwoStreamsWithoutAMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		out := newFakeOutlet()
		a, b := newFakeSink(t, out, codec.PCMA, true), newFakeSink(t, out, codec.PCMA, true)
		fromA, fromB := sw.Open(info(1), codec.PCMA, nil, a), sw.Open(info(2), codec.PCMA, nil, b)
		for _, s := range []*Stream{fromA, fromB} {
			s.Attach(a, false)
			s.Attach(b, false)
		}
		k, l := newTalker(t, fromA), newTalker(t, fromB)
		for range 50 {
			fromA.Push(k.packet(tonePCM(400, FrameTime), time.Now()))
			fromB.Push(l.packet(tonePCM(700, FrameTime), time.Now()))
			time.Sleep(FrameTime)
		}
		if st := sw.Stats(); st.Transcodings != 0 || st.Mixes != 0 || st.Frames != 0 {
			t.Errorf("%+v", st)
		}
		if na, nb := len(out.packets(a)), len(out.packets(b)); na != 50 || nb != 50 {
			t.Errorf("%d and %d packets of 50", na, nb)
		}
		fromA.Close()
		fromB.Close()
		<-fromA.Done()
		<-fromB.Done()
	})
}

func TestASinkThatRefusesHearsNothing(t *testing.T) {
	sw := New(Config{}, Deps{})
	defer sw.Close()
	s := sw.Open(info(1), codec.PCMA, nil, nil)
	sink := newFakeSink(t, newFakeOutlet(), codec.PCMA, true)
	sink.refuse = true
	if s.Attach(sink, true) || s.Listeners() != 0 || sw.Stats().Refused != 1 {
		t.Errorf("%d listeners, %+v", s.Listeners(), sw.Stats())
	}
	s.Detach(sink)
	s.Close()
	<-s.Done()
}
