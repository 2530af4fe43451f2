package hearing

import (
	"math"

	"github.com/guantong-net/guantong/testbed/speech"
)

// The constants of the algorithm, named as in the paper.
const (
	stoiRate   = 10000
	stoiFrame  = 256
	stoiHop    = stoiFrame / 2
	stoiFFT    = 512
	stoiBands  = 15  // J
	stoiLowest = 150 // Hz, centre of the first one-third octave band
	stoiN      = 30  // frames in a segment, 384 ms
	stoiBeta   = -15 // dB, lower bound of the signal-to-distortion ratio
	stoiRange  = 40  // dB, quieter frames of the clean speech are left out
)

// STOI is the short-time objective intelligibility of a recording that is aligned to the clean reference: 1 is the reference itself, 0 is noise.
// It is 0 where less than one segment (384 ms) of speech is left.
func STOI(clean, heard speech.Sound) float64 {
	x, y := clean.Resample(stoiRate).Samples, heard.Resample(stoiRate).Samples
	n := min(len(x), len(y))
	x, y = dropSilence(x[:n], y[:n])
	bands := thirdOctaves()
	a, b := bandEnvelopes(x, bands), bandEnvelopes(y, bands)
	segments, sum := 0, 0.0
	for m := stoiN; m <= len(a); m++ {
		for j := range stoiBands {
			sum += intermediate(a[m-stoiN:m], b[m-stoiN:m], j)
		}
		segments++
	}
	if segments == 0 {
		return 0
	}
	return sum / float64(segments*stoiBands)
}

// dropSilence removes from both the frames in which the clean speech is more than 40 dB below its loudest frame.
func dropSilence(x, y []float64) (cx, cy []float64) {
	w := hann(stoiFrame)
	var levels []float64
	loudest := math.Inf(-1)
	for at := 0; at+stoiFrame < len(x); at += stoiHop {
		e := 0.0
		for i, v := range x[at : at+stoiFrame] {
			e += v * w[i] * v * w[i]
		}
		level := 10 * math.Log10(e+1e-30)
		levels, loudest = append(levels, level), math.Max(loudest, level)
	}
	kept := 0
	cx, cy = make([]float64, len(x)), make([]float64, len(x))
	for f, level := range levels {
		if level <= loudest-stoiRange {
			continue
		}
		for i := range stoiFrame {
			cx[kept*stoiHop+i] += x[f*stoiHop+i] * w[i]
			cy[kept*stoiHop+i] += y[f*stoiHop+i] * w[i]
		}
		kept++
	}
	if kept == 0 {
		return nil, nil
	}
	end := (kept-1)*stoiHop + stoiFrame
	return cx[:end], cy[:end]
}

// thirdOctaves gives the first and the last bin (exclusive) of each band.
func thirdOctaves() [stoiBands][2]int {
	var out [stoiBands][2]int
	bin := func(hz float64) int { return int(math.Round(hz * stoiFFT / stoiRate)) }
	for k := range out {
		out[k][0] = bin(stoiLowest * math.Pow(2, (2*float64(k)-1)/6))
		out[k][1] = bin(stoiLowest * math.Pow(2, (2*float64(k)+1)/6))
	}
	return out
}

func bandEnvelopes(x []float64, bands [stoiBands][2]int) [][stoiBands]float64 {
	w := hann(stoiFrame)
	var out [][stoiBands]float64
	for at := 0; at+stoiFrame < len(x); at += stoiHop {
		p := power(x[at:at+stoiFrame], w, stoiFFT)
		var frame [stoiBands]float64
		for j, b := range bands {
			for _, v := range p[b[0]:b[1]] {
				frame[j] += v
			}
			frame[j] = math.Sqrt(frame[j])
		}
		out = append(out, frame)
	}
	return out
}

// intermediate is the correlation of one band over one segment, the heard envelope scaled and clipped (eq. 3–5).
func intermediate(clean, heard [][stoiBands]float64, j int) float64 {
	ex, ey := 0.0, 0.0
	for i := range clean {
		ex += clean[i][j] * clean[i][j]
		ey += heard[i][j] * heard[i][j]
	}
	scale := math.Sqrt(ex) / (math.Sqrt(ey) + 1e-15)
	clip := 1 + math.Pow(10, -stoiBeta/20.0)
	var x, y [stoiN]float64
	for i := range clean {
		x[i] = clean[i][j]
		y[i] = math.Min(heard[i][j]*scale, clean[i][j]*clip)
	}
	return pearson(x[:], y[:])
}

// pearson is the sample correlation; 0 where one side is constant.
func pearson(x, y []float64) float64 {
	mx, my := mean(x), mean(y)
	xy, xx, yy := 0.0, 0.0, 0.0
	for i := range x {
		dx, dy := x[i]-mx, y[i]-my
		xy, xx, yy = xy+dx*dy, xx+dx*dx, yy+dy*dy
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(max(1, len(x)))
}
