package voice

import (
	"math/rand/v2"
	"sort"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

func TestALateTelephoneGetsTheBurstFromItsBeginningAndCatchesUp(t *testing.T) {
	for _, to := range []codec.ID{codec.PCMA, codec.G722} {
		synctest.Test(t, func(t *testing.T) {
			sw := New(Config{}, Deps{})
			defer sw.Close()
			s := sw.Open(info(1), codec.PCMA, nil, nil)
			out := newFakeOutlet()
			sink := newFakeSink(t, out, to, true)
			k := newTalker(t, s)
			spoken := voiceLike(5*time.Second, 3)
			const missed = codec.PCMRate // 1 s
			k.say(spoken[:missed])
			if !s.Attach(sink, true) {
				t.Fatal("not attached")
			}
			k.say(spoken[missed:])
			if own := func() int { sw.mu.Lock(); defer sw.mu.Unlock(); return s.own }(); own != 0 {
				t.Errorf("%v: has not caught up after 4 s", to)
			}
			s.Close()
			<-s.Done()
			heard := decodeAll(t, to, out.packets(sink))
			// The beginning is there: the first 200 ms sound like the first 200 ms.
			if shift, corr := align(spoken[:3200], heard[:6400], 2000); corr < 0.6 {
				t.Errorf("%v: the beginning correlates %.2f at %d", to, corr, shift)
			}
			// And so is the end, in time: the last second correlates with the last second.
			tail := spoken[len(spoken)-codec.PCMRate:]
			if shift, corr := align(tail, heard[len(heard)-codec.PCMRate-4800:], 4800); corr < 0.8 {
				t.Errorf("%v: the end correlates %.2f at %d", to, corr, shift)
			}
			whole := len(spoken)
			if len(heard) > whole-missed+codec.PCMRate/4 || len(heard) < whole-missed-codec.PCMRate/4 {
				t.Errorf("%v: %d ms heard of %d, attached after %d", to, len(heard)/16, whole/16, missed/16)
			}
		})
	}
}

func TestALateBrowserGetsAtMostThePreRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		s := sw.Open(info(1), codec.Opus, nil, nil)
		out := newFakeOutlet()
		early, late, live := newFakeSink(t, out, codec.Opus, false), newFakeSink(t, out, codec.Opus, false), newFakeSink(t, out, codec.Opus, false)
		s.Attach(early, true)
		k := newTalker(t, s)
		k.say(voiceLike(time.Second, 3))
		s.Attach(late, true)
		s.Attach(live, false)
		k.say(voiceLike(time.Second, 4))
		s.Close()
		<-s.Done()
		all := out.packets(early)
		if len(all) != 100 {
			t.Fatalf("%d packets", len(all))
		}
		got := out.packets(late)
		if n := len(got) - 50; n < 8 || n > 10 {
			t.Errorf("pre-roll of %d packets, 200 ms allowed", n)
		}
		if !got[0].Marker || got[0].Seq != all[100-len(got)].Seq {
			t.Errorf("begins with packet %d, marker %v", got[0].Seq, got[0].Marker)
		}
		for i, p := range got {
			if string(p.Payload) != string(all[100-len(got)+i].Payload) {
				t.Fatalf("packet %d is not what was sent", i)
			}
		}
		if got := out.packets(live); len(got) != 50 || !got[0].Marker {
			t.Errorf("live: %d packets, marker %v", len(got), got[0].Marker)
		}
	})
}

func TestALegThatAttachesAfterTheLastPacketStillHearsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		out := newFakeOutlet()
		s := sw.Open(info(1), codec.Opus, nil, nil)
		newTalker(t, s).say(voiceLike(100*time.Millisecond, 1))
		browser, phone := newFakeSink(t, out, codec.Opus, false), newFakeSink(t, out, codec.PCMA, true)
		s.Attach(browser, true)
		s.Attach(phone, true)
		s.Close()
		<-s.Done()
		if n := len(out.packets(browser)); n != 5 {
			t.Errorf("browser heard %d packets of 5", n)
		}
		if n := len(out.packets(phone)); n < 5 {
			t.Errorf("phone heard %d frames of 5", n)
		}
		for _, sink := range []*fakeSink{browser, phone} {
			if b, e := sink.counts(); b != 1 || e != 1 {
				t.Errorf("%d Begin, %d End", b, e)
			}
		}
		if s.Attach(browser, true) {
			t.Error("attached after the end")
		}
	})
}

func TestTheBurstBufferIsBoundedAndKeepsTheNewest(t *testing.T) {
	var b burst
	b.reset(3 * time.Second)
	start := time.Unix(1000, 0)
	payload := make([]byte, 640)
	for i := range 2000 {
		n := 1 + i*7%640
		for j := range n {
			payload[j] = byte(i)
		}
		b.add(&Packet{Seq: uint16(i), Payload: payload[:n], Arrived: start.Add(time.Duration(i) * FrameTime)})
		if b.tail-b.head > burstPackets {
			t.Fatal("keeps too many")
		}
		bytes := 0
		for k := b.head; k < b.tail; k++ {
			r := b.record(k)
			p := b.payload(r)
			bytes += len(p)
			if r.seq != uint16(k) || p[0] != byte(k) || p[len(p)-1] != byte(k) {
				t.Fatalf("record %d is overwritten", k)
			}
		}
		if bytes > burstBytes || (i > 300 && bytes < burstBytes/2 && b.age(start.Add(time.Duration(i)*FrameTime)) < 2*time.Second) {
			t.Fatalf("%d bytes kept", bytes)
		}
	}
}

func TestNothingIsClippedOnAJitteryPath(t *testing.T) {
	for _, jitter := range []int{20, 40, 80} {
		synctest.Test(t, func(t *testing.T) {
			sw := New(Config{}, Deps{})
			defer sw.Close()
			s := sw.Open(info(1), codec.PCMA, nil, nil)
			out := newFakeOutlet()
			sink := newFakeSink(t, out, codec.G722, true)
			s.Attach(sink, true)
			k := newTalker(t, s)
			spoken := voiceLike(3*time.Second, uint64(jitter))
			rng := rand.New(rand.NewPCG(4, uint64(jitter)))
			start := time.Now()
			type due struct {
				p  *Packet
				at time.Time
			}
			var path []due
			for at := 0; at+codec.FrameSamples <= len(spoken); at += codec.FrameSamples {
				when := start.Add(time.Duration(at/codec.FrameSamples)*FrameTime + time.Duration(rng.IntN(jitter+1))*time.Millisecond)
				path = append(path, due{k.packet(spoken[at:at+codec.FrameSamples], when), when})
			}
			sort.SliceStable(path, func(i, j int) bool { return path[i].at.Before(path[j].at) })
			for _, d := range path {
				time.Sleep(time.Until(d.at))
				s.Push(d.p)
			}
			s.Close()
			<-s.Done()
			heard := decodeAll(t, codec.G722, out.packets(sink))
			const edge = codec.PCMRate / 5
			if shift, corr := align(spoken[:edge], heard[:2*edge], 2000); corr < 0.75 {
				t.Errorf("jitter %d ms: the head correlates %.2f at %d", jitter, corr, shift)
			}
			from := max(0, len(heard)-edge-codec.PCMRate*200/1000)
			shift, corr := align(spoken[len(spoken)-edge:], heard[from:], len(heard)-from-edge)
			if corr < 0.75 {
				t.Errorf("jitter %d ms: the tail correlates %.2f at %d", jitter, corr, shift)
			}
			st := s.Stats().Jitter
			t.Logf("jitter %d ms: target %v, late %d, underflows %d, taken out %v", jitter, st.Target, st.Late, st.Underflows, st.Shortened)
		})
	}
}
