package voice

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

func tonePCM(hz float64, d time.Duration) []int16 {
	pcm := make([]int16, int(d)*codec.PCMRate/int(time.Second))
	for i := range pcm {
		pcm[i] = int16(6000 * math.Sin(2*math.Pi*hz*float64(i)/codec.PCMRate))
	}
	return pcm
}

// levelAt is the RMS of the part of pcm at hz.
func levelAt(pcm []int16, hz float64) float64 {
	var c, s float64
	for i, v := range pcm {
		c += float64(v) * math.Cos(2*math.Pi*hz*float64(i)/codec.PCMRate)
		s += float64(v) * math.Sin(2*math.Pi*hz*float64(i)/codec.PCMRate)
	}
	return math.Hypot(c, s) * math.Sqrt2 / float64(len(pcm))
}

func TestThreeInAConferenceHearTheOthersAndNotThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		out := newFakeOutlet()
		ids := []codec.ID{codec.PCMA, codec.Opus, codec.G722}
		hz := []float64{500, 800, 1300}
		var sinks []*fakeSink
		var streams []*Stream
		for i, id := range ids {
			sinks = append(sinks, newFakeSink(t, out, id, true))
			streams = append(streams, sw.Open(info(byte(i+1)), id, nil, sinks[i]))
		}
		for _, s := range streams {
			for _, k := range sinks {
				s.Attach(k, false)
			}
		}
		var talkers []*talker
		for _, s := range streams {
			talkers = append(talkers, newTalker(t, s))
		}
		for n := range 100 {
			for i, k := range talkers {
				pcm := tonePCM(hz[i], 2*time.Second)
				s := k.packet(pcm[n*320:(n+1)*320], time.Now())
				k.s.Push(s)
			}
			time.Sleep(FrameTime)
		}
		if st := sw.Stats(); st.Mixes != 3 || st.Transcodings != 3 {
			t.Errorf("%+v", st)
		}
		for _, s := range streams {
			s.Close()
		}
		for _, s := range streams {
			<-s.Done()
		}
		for i, k := range sinks {
			heard := decodeAll(t, ids[i], out.packets(k))
			mid := heard[len(heard)/2 : len(heard)/2+codec.PCMRate/2]
			for j, f := range hz {
				level := levelAt(mid, f)
				if i == j && level > 150 {
					t.Errorf("%v hears itself: level %.0f", ids[i], level)
				}
				if i != j && (level < 2500 || level > 6500) {
					t.Errorf("%v hears %v at level %.0f", ids[i], ids[j], level)
				}
			}
		}
		if st := sw.Stats(); st.Mixes != 0 || st.Transcodings != 0 || st.Streams != 0 {
			t.Errorf("left over: %+v", st)
		}
	})
}

func TestTwoWhoHearTheSameShareOneMixAndOneEncoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		out := newFakeOutlet()
		a, b := newFakeSink(t, out, codec.PCMA, true), newFakeSink(t, out, codec.PCMA, true)
		one, two := sw.Open(info(1), codec.PCMA, nil, nil), sw.Open(info(2), codec.PCMA, nil, nil)
		for _, s := range []*Stream{one, two} {
			s.Attach(a, false)
			s.Attach(b, false)
		}
		k, l := newTalker(t, one), newTalker(t, two)
		for range 25 {
			k.s.Push(k.packet(tonePCM(400, FrameTime), time.Now()))
			l.s.Push(l.packet(tonePCM(700, FrameTime), time.Now()))
			time.Sleep(FrameTime)
		}
		st := sw.Stats()
		if st.Mixes != 1 || st.Encoded != st.Mixed {
			t.Errorf("%+v", st)
		}
		two.Close()
		<-two.Done()
		if st := sw.Stats(); st.Mixes != 0 || st.Transcodings != 0 {
			t.Errorf("one left over should come untouched: %+v", st)
		}
		before := len(out.packets(a))
		p := k.packet(tonePCM(400, FrameTime), time.Now())
		one.Push(p)
		got := out.packets(a)
		if len(got) != before+1 || string(got[before].Payload) != string(p.Payload) || !got[before].Marker {
			t.Errorf("after the mix: %d packets more", len(got)-before)
		}
		one.Close()
		<-one.Done()
	})
}

func TestMixerLimitsSoftlyAndLeavesQuietAlone(t *testing.T) {
	var m Mixer
	var dst frame
	var loud, soft frame
	copy(loud[:], tonePCM(300, FrameTime))
	for i := range loud {
		soft[i] = loud[i] / 4
		loud[i] *= 5
	}
	m.Add(&soft, unity)
	m.Mix(&dst)
	if dst != soft {
		t.Error("a single quiet voice is changed")
	}
	last := 0
	for range 20 {
		for range 4 {
			m.Add(&loud, unity)
		}
		m.Mix(&dst)
		peak := 0
		for _, s := range dst {
			peak = max(peak, int(s), -int(s))
		}
		if peak > ceiling+1 {
			t.Fatalf("peak %d", peak)
		}
		last = peak
	}
	if last < ceiling*8/10 {
		t.Errorf("limited to %d, %d allowed", last, ceiling)
	}
	for range 10 {
		m.Add(&soft, unity)
		m.Mix(&dst)
	}
	if r := rms(dst[:]) / rms(soft[:]); r < 0.95 {
		t.Errorf("200 ms after the noise a quiet voice is at %.2f", r)
	}
}
