package voice

import (
	"slices"
	"time"
)

// mix is what single-stream sinks that hear the same several streams hear. Equal sets share one mix. A sink never
// hears its own leg, since the talker's stream is not delivered to it: N-1 without subtracting anything.
type mix struct {
	coded
	streams []*Stream
	feeds   []*feed // guarded by Switch.mu
	inputs  []*feed // the same, for the clock's goroutine; never changed
	mixer   Mixer
	flush   int
}

// mixOf finds or makes the mix of what a sink hears. Streams whose tail is already out are left away. Switch.mu is held.
func (sw *Switch) mixOf(e *ear) *mix {
	var streams []*Stream
	for _, m := range e.members {
		if sw.liveFeed(m.stream, nil) != nil {
			streams = append(streams, m.stream)
		} else {
			sw.strand(m)
		}
	}
	for _, x := range sw.mixes {
		if sameSet(x.streams, streams) {
			return x
		}
	}
	x := &mix{streams: streams}
	for _, s := range streams {
		x.feeds = append(x.feeds, s.live)
		s.live.mixes++
	}
	x.inputs = x.feeds
	sw.mixes = append(slices.Clone(sw.mixes), x)
	return x
}

// sameSet compares sets of streams of a handful each.
func sameSet(a, b []*Stream) bool {
	if len(a) != len(b) {
		return false
	}
	for _, s := range a {
		found := false
		for _, o := range b {
			found = found || s == o
		}
		if !found {
			return false
		}
	}
	return true
}

// closeMix parts a mix that nobody hears. Switch.mu is held.
func (sw *Switch) closeMix(x *mix) {
	sw.mixes = without(sw.mixes, x)
	for _, f := range x.feeds {
		f.mixes--
		sw.release(f)
	}
	x.feeds = nil
}

// next mixes this tick's frames.
func (x *mix) next(feeds []*feed) {
	speech := false
	for _, f := range feeds {
		if f.active {
			speech = true
			x.mixer.Add(&f.pcm, f.stream.gain.Load())
		}
	}
	x.mixer.Mix(&x.pcm)
	if speech {
		x.flush = flushFrames
	} else if x.flush > 0 {
		x.flush--
	}
	x.active = speech || x.flush > 0
}

const (
	unity   = 1 << 12 // gain in Q12
	ceiling = 30000   // of a mix's peaks: 0.8 dB below full scale
	knots   = 4       // gain is set every 5 ms and moves evenly between
	stretch = len(frame{}) / knots
)

// Mixer adds frames and limits the sum softly: the gain falls just as fast as the loudest peak asks, and comes back over
// some 100 ms, so that two who talk at once do not clip. The zero Mixer is ready. One goroutine at a time.
type Mixer struct {
	sum  [len(frame{})]int64
	gain int64 // Q16 reduction at the end of the last frame: 0 is none
}

// Add adds a frame with a gain in Q12.
func (m *Mixer) Add(pcm *frame, gain int32) {
	for i, s := range pcm {
		m.sum[i] += int64(s) * int64(gain) >> 12
	}
}

// Mix writes the limited sum to dst and begins the next one.
func (m *Mixer) Mix(dst *frame) {
	const one = 1 << 16
	var need [knots]int64 // the reduction that each stretch asks for
	for k := range need {
		peak := int64(0)
		for _, s := range m.sum[k*stretch : (k+1)*stretch] {
			peak = max(peak, s, -s)
		}
		if peak > ceiling {
			need[k] = one - ceiling*one/peak
		}
	}
	from := max(m.gain, need[0])
	for k := range need {
		to := max(need[k], from-one/20)
		if k+1 < knots {
			to = max(to, need[k+1])
		}
		for i := range stretch {
			g := one - (from + (to-from)*int64(i)/int64(stretch))
			dst[k*stretch+i] = int16(max(-32768, min(m.sum[k*stretch+i]*g>>16, 32767)))
		}
		from = to
	}
	m.gain = from
	clear(m.sum[:])
}

// serve makes, codes and delivers this tick's frame of a mix.
func (x *mix) serve(sw *Switch, now time.Time) {
	x.next(x.inputs)
	if x.active {
		sw.stats.mixed.Add(1)
	}
	for _, e := range x.run {
		e.send(sw, &x.pcm, x.active, now)
	}
}
