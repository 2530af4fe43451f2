package hearing

import (
	"math"

	"github.com/guantong-net/guantong/testbed/speech"
)

const (
	melRate  = 16000
	melFrame = 400 // 25 ms
	melHop   = 160 // 10 ms
	melFFT   = 512
	melBands = 32
)

// melGram is a log-mel spectrogram in dB, one row per 10 ms.
type melGram [][]float64

// Band is the range of frequencies that is compared, in Hz.
type Band struct{ Low, High float64 }

// Telephone is what G.711 carries; Wide what Opus and G.722 carry of our 16 kHz references.
func Telephone() Band { return Band{300, 3400} }

// Wide is the band of wideband speech.
func Wide() Band { return Band{150, 6800} }

func newMelGram(s speech.Sound, band Band) melGram {
	x := s.Resample(melRate).Samples
	w := hann(melFrame)
	filters := melFilters(band)
	var out melGram
	for at := 0; at+melFrame <= len(x); at += melHop {
		p := power(x[at:at+melFrame], w, melFFT)
		row := make([]float64, melBands)
		for j, f := range filters {
			e := 1e-9
			for i, g := range f {
				e += g * p[i]
			}
			row[j] = 10 * math.Log10(e)
		}
		out = append(out, row)
	}
	return out
}

// melFilters are triangles, equally spaced on the mel scale.
func melFilters(band Band) [][]float64 {
	mel := func(hz float64) float64 { return 2595 * math.Log10(1+hz/700) }
	hz := func(m float64) float64 { return 700 * (math.Pow(10, m/2595) - 1) }
	low, step := mel(band.Low), (mel(band.High)-mel(band.Low))/(melBands+1)
	out := make([][]float64, melBands)
	for j := range out {
		a, b, c := hz(low+float64(j)*step), hz(low+float64(j+1)*step), hz(low+float64(j+2)*step)
		out[j] = make([]float64, melFFT/2+1)
		for i := range out[j] {
			f := float64(i) * melRate / melFFT
			out[j][i] = math.Max(0, math.Min((f-a)/(b-a), (c-f)/(c-b)))
		}
		if energy(out[j]) == 0 { // narrower than a bin
			out[j][int(math.Round(b*melFFT/melRate))] = 1
		}
	}
	return out
}

// loudness is the level of each frame in dB.
func (m melGram) loudness() []float64 {
	out := make([]float64, len(m))
	for i, row := range m {
		sum := 0.0
		for _, v := range row {
			sum += math.Pow(10, v/10)
		}
		out[i] = 10 * math.Log10(sum)
	}
	return out
}

func peak(x []float64) float64 {
	out := math.Inf(-1)
	for _, v := range x {
		out = math.Max(out, v)
	}
	return out
}

// Spectral is the correlation of the log-mel spectrograms of reference and aligned recording over the frames in which the reference speaks, the mean of each band taken out, so
// that neither loudness nor the frequency response of a path counts, only what was said. 1 is the same; another sentence gives below 0.4.
func Spectral(ref, heard speech.Sound, band Band) float64 {
	a, b := newMelGram(ref, band), newMelGram(heard, band)
	return spectral(a, b, 0, min(len(a), len(b)))
}

// spectral compares the frames from one to another.
func spectral(a, b melGram, from, to int) float64 {
	level := a.loudness()
	top, topB := peak(level), peak(b.loudness())
	var xs, ys []float64
	for j := range melBands {
		var x, y []float64
		for i := from; i < to && i < len(a) && i < len(b); i++ {
			if level[i] > top-40 {
				x, y = append(x, math.Max(a[i][j], top-60)), append(y, math.Max(b[i][j], topB-60))
			}
		}
		mx, my := mean(x), mean(y)
		for i := range x {
			xs, ys = append(xs, x[i]-mx), append(ys, y[i]-my)
		}
	}
	return pearson(xs, ys)
}
