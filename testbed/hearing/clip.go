package hearing

import (
	"math"

	"github.com/guantong-net/guantong/testbed/speech"
)

const (
	clipHop     = 0.005 // s, the resolution of the figure
	clipAudible = 30.0  // dB under the loudest: quieter frames of the reference do not count
	clipLost    = 15.0  // dB: a frame that lost more than this against the whole is not there
	clipRun     = 3     // frames in a row that must be there
)

// ClippedHead says how many milliseconds of the reference's beginning, from its first audible 5 ms on, are not in the aligned recording.
func ClippedHead(ref, heard speech.Sound, band Band) float64 {
	return clipped(levels(ref, band), levels(heard, band))
}

// ClippedTail says the same of the end.
func ClippedTail(ref, heard speech.Sound, band Band) float64 {
	return clipped(reverse(levels(ref, band)), reverse(levels(heard, band)))
}

// levels is the level of each 5 ms in dB, measured over 10 ms in the band.
func levels(s speech.Sound, band Band) []float64 {
	x := bandPass(s.Resample(melRate), band)
	hop := int(clipHop * melRate)
	var out []float64
	for at := 0; at+hop <= len(x); at += hop {
		from, to := max(0, at-hop/2), min(len(x), at+hop+hop/2)
		out = append(out, 10*math.Log10(energy(x[from:to])/float64(to-from)+1e-10))
	}
	return out
}

// bandPass removes what is outside the band by zeroing the spectrum.
func bandPass(s speech.Sound, band Band) []float64 {
	n := powerOfTwo(len(s.Samples))
	x := make([]complex128, n)
	for i, v := range s.Samples {
		x[i] = complex(v, 0)
	}
	fft(x, false)
	for i := range x {
		f := float64(min(i, n-i)) * float64(s.Rate) / float64(n)
		if f < band.Low || f > band.High {
			x[i] = 0
		}
	}
	fft(x, true)
	out := make([]float64, len(s.Samples))
	for i := range out {
		out[i] = real(x[i])
	}
	return out
}

func reverse(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[len(x)-1-i] = v
	}
	return out
}

func clipped(ref, heard []float64) float64 {
	n := min(len(ref), len(heard))
	top := peak(ref[:n])
	gain := peak(heard[:n]) - top
	first, run, since := -1, 0, 0
	for i := range n {
		if ref[i] < top-clipAudible {
			continue
		}
		if first < 0 {
			first = i
		}
		if heard[i] <= ref[i]+gain-clipLost {
			run = 0
			continue
		}
		if run == 0 {
			since = i
		}
		if run++; run == clipRun {
			return float64(since-first) * clipHop * 1000
		}
	}
	return float64(n) * clipHop * 1000
}
