package hearing

import (
	"math"
	"slices"

	"github.com/guantong-net/guantong/testbed/speech"
)

// alignRate is the rate at which sounds are laid over one another: it holds what a telephone carries.
const alignRate = 8000

// Align finds where the reference begins in the recording, in seconds, and how alike they are there: the normalised
// cross-correlation, 0 to 1. A negative start means that the recording begins within the reference.
func Align(ref, rec speech.Sound) (start, likeness float64) {
	a, b := ref.Resample(alignRate).Samples, rec.Resample(alignRate).Samples
	if len(a) == 0 || len(b) == 0 {
		return 0, 0
	}
	c := correlate(a, b)
	sums := runningEnergy(b)
	whole := math.Sqrt(energy(a))
	best, at := 0.0, 0
	for lag := -len(a) + 1; lag < len(b); lag++ {
		from, to := max(0, lag), min(len(b), lag+len(a))
		// Divided by the reference's whole energy, so that a short overlap cannot win.
		local := math.Sqrt(sums[to]-sums[from]) + 1e-3*math.Sqrt(sums[len(b)])
		if v := math.Abs(c[(lag+len(c))%len(c)]) / (whole*local + 1e-12); v > best {
			best, at = v, lag
		}
	}
	return float64(at) / alignRate, best
}

// correlate gives at index lag (modulo the length) the sum of a[i]·b[i+lag].
func correlate(a, b []float64) []float64 {
	n := powerOfTwo(len(a) + len(b))
	x, y := make([]complex128, n), make([]complex128, n)
	for i, v := range a {
		x[i] = complex(v, 0)
	}
	for i, v := range b {
		y[i] = complex(v, 0)
	}
	fft(x, false)
	fft(y, false)
	for i := range x {
		y[i] *= complex(real(x[i]), -imag(x[i]))
	}
	fft(y, true)
	out := make([]float64, n)
	for i, v := range y {
		out[i] = real(v)
	}
	return out
}

func runningEnergy(x []float64) []float64 {
	out := make([]float64, len(x)+1)
	for i, v := range x {
		out[i+1] = out[i] + v*v
	}
	return out
}

func energy(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return sum
}

// Lag is where in the recording a moment of the reference is heard.
type Lag struct {
	At    float64 // seconds in the reference, the middle of the window compared
	Start float64 // seconds in the recording minus seconds in the reference
	Like  float64 // normalised correlation of the window, 0 to 1
}

const (
	lagWindow = 0.32 // s
	lagStep   = 0.08
	lagReach  = 0.1 // either side of the whole's lag
)

// Lags follows the lag through the reference, near the lag of the whole. Windows without speech, and windows whose likeness is below 0.5 (what is
// heard there is something else), are left out.
func Lags(ref, rec speech.Sound, start float64) []Lag {
	a, b := ref.Resample(alignRate).Samples, rec.Resample(alignRate).Samples
	window, reach := int(lagWindow*alignRate), int(lagReach*alignRate)
	quiet := energy(a) / float64(len(a)+1) * float64(window) / 30
	var out []Lag
	for at := 0; at+window <= len(a); at += int(lagStep * alignRate) {
		part := a[at : at+window]
		if energy(part) < quiet {
			continue
		}
		lag, like := localLag(part, b, at+int(start*alignRate), reach)
		if like >= 0.5 {
			out = append(out, Lag{float64(at+window/2) / alignRate, float64(lag-at) / alignRate, like})
		}
	}
	return smooth(out)
}

// localLag finds part in b within reach of an expected place.
func localLag(part, b []float64, expect, reach int) (place int, like float64) {
	from, to := max(0, expect-reach), min(len(b), expect+reach+len(part))
	if to-from < len(part) {
		return expect, 0
	}
	search := b[from:to]
	c, sums, own := correlate(part, search), runningEnergy(search), energy(part)
	for i := 0; i+len(part) <= len(search); i++ {
		v := c[i] / math.Sqrt(own*(sums[i+len(part)]-sums[i])+1e-12)
		if v > like {
			place, like = from+i, v
		}
	}
	return place, like
}

// smooth takes the median of three: speech is periodic, and a window can match one pitch period away.
func smooth(in []Lag) []Lag {
	out := slices.Clone(in)
	for i := 1; i+1 < len(in); i++ {
		three := []float64{in[i-1].Start, in[i].Start, in[i+1].Start}
		slices.Sort(three)
		out[i].Start = three[1]
	}
	return out
}

// Follow gives the part of the recording that lies over the reference, of the reference's length at the given rate, with the lag followed. Before the first
// and after the last window that was recognised the nearest lag holds.
func Follow(ref, rec speech.Sound, start float64, lags []Lag, rate int) speech.Sound {
	rec = rec.Resample(rate)
	out := speech.Sound{Rate: rate, Samples: make([]float64, int(ref.Seconds()*float64(rate)))}
	i := 0
	for n := range out.Samples {
		t := float64(n) / float64(rate)
		for i+1 < len(lags) && lags[i+1].At <= t {
			i++
		}
		out.Samples[n] = sample(rec, t+lagAt(lags, i, t, start))
	}
	return out
}

func lagAt(lags []Lag, i int, t, start float64) float64 {
	switch {
	case len(lags) == 0:
		return start
	case i+1 >= len(lags) || t <= lags[i].At:
		return lags[i].Start
	}
	a, b := lags[i], lags[i+1]
	return a.Start + (b.Start-a.Start)*(t-a.At)/(b.At-a.At)
}

// sample reads between samples; outside there is silence.
func sample(s speech.Sound, t float64) float64 {
	pos := t * float64(s.Rate)
	i := int(math.Floor(pos))
	if i < 0 || i+1 >= len(s.Samples) {
		return 0
	}
	f := pos - float64(i)
	return s.Samples[i]*(1-f) + s.Samples[i+1]*f
}
