package dsp

import (
	"fmt"
	"math"
)

// Resampler changes the sampling rate of a stream by a rational factor with a polyphase FIR filter: Kaiser window,
// flat to 0.43 of the lower rate, more than 60 dB down from 0.56 of it. Speech to 3.4 kHz passes an 8 kHz edge whole,
// and what folds is above the telephone band. One goroutine at a time.
type Resampler struct {
	up, down int
	phases   [][]float32 // per output phase, taps in the order of history
	taps     int         // per phase
	history  []float32   // the last taps-1 inputs, then the block at hand
	phase    int         // position of the next output between inputs, in 1/up
}

// maxBlock is how many input samples are filtered at a time: 20 ms at 48 kHz.
const maxBlock = 960

// NewResampler makes a resampler between any two of 8000, 16000, 24000, 32000 and 48000 Hz.
func NewResampler(from, to int) (*Resampler, error) {
	if !knownRate(from) || !knownRate(to) {
		return nil, fmt.Errorf("dsp: resample %d Hz to %d Hz: not a speech rate", from, to)
	}
	g := gcd(from, to)
	r := &Resampler{up: to / g, down: from / g}
	if from == to {
		return r, nil
	}
	r.design(float64(min(from, to)), float64(from*r.up))
	r.history = make([]float32, r.taps-1, r.taps-1+maxBlock)
	return r, nil
}

func knownRate(hz int) bool {
	switch hz {
	case 8000, 16000, 24000, 32000, 48000:
		return true
	}
	return false
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// design makes the prototype low-pass at the high rate and splits it into phases. The attenuation aimed at is 70 dB,
// so that float32 sums and the int16 rounding leave the promised 60.
func (r *Resampler) design(low, high float64) {
	const attenuation = 70.0
	width := 0.13 * low / high
	n := int(math.Ceil((attenuation-8)/(2.285*2*math.Pi*width))) + 1
	r.taps = (n + r.up - 1) / r.up
	n = r.taps * r.up
	beta := 0.1102 * (attenuation - 8.7)
	cut := 0.495 * low / high
	proto, sum := make([]float64, n), 0.0
	for i := range proto {
		x := float64(i) - float64(n-1)/2
		proto[i] = 2 * cut * sinc(2*cut*x) * kaiser(2*x/float64(n-1), beta)
		sum += proto[i]
	}
	r.phases = make([][]float32, r.up)
	for p := range r.phases {
		r.phases[p] = make([]float32, r.taps)
		for k := range r.taps {
			r.phases[p][r.taps-1-k] = float32(proto[k*r.up+p] * float64(r.up) / sum)
		}
	}
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

func kaiser(x, beta float64) float64 {
	return bessel0(beta*math.Sqrt(max(0, 1-x*x))) / bessel0(beta)
}

func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1; k < 40; k++ {
		term *= (x / 2 / float64(k)) * (x / 2 / float64(k))
		sum += term
	}
	return sum
}

// Append resamples src and appends the result to dst, which must not overlap src.
func (r *Resampler) Append(dst, src []int16) []int16 {
	if r.up == r.down {
		return append(dst, src...)
	}
	for len(src) > 0 {
		n := min(len(src), maxBlock)
		dst = r.block(dst, src[:n])
		src = src[n:]
	}
	return dst
}

func (r *Resampler) block(dst, src []int16) []int16 {
	h := r.history
	for _, s := range src {
		h = append(h, float32(s))
	}
	at := 0 // index of the oldest tap
	for at+r.taps <= len(h) {
		for r.phase < r.up {
			dst = append(dst, clip(dot(r.phases[r.phase], h[at:at+r.taps])))
			r.phase += r.down
		}
		at += r.phase / r.up
		r.phase %= r.up
	}
	r.history = h[:copy(h, h[at:])]
	return dst
}

func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1 float32
	i := 0
	for ; i+1 < len(a); i += 2 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
	}
	if i < len(a) {
		s0 += a[i] * b[i]
	}
	return s0 + s1
}

func clip(x float32) int16 {
	switch {
	case x >= 32767:
		return 32767
	case x <= -32768:
		return -32768
	case x >= 0:
		return int16(x + 0.5)
	}
	return int16(x - 0.5)
}

// Delay is how late the output is, in samples of the output rate.
func (r *Resampler) Delay() int {
	if r.up == r.down {
		return 0
	}
	return (r.taps*r.up/2 + r.down - 1) / r.down
}

// Reset forgets the past, for a new stream.
func (r *Resampler) Reset() {
	if r.up == r.down {
		return
	}
	clear(r.history)
	r.history = r.history[:r.taps-1]
	clear(r.history)
	r.phase = 0
}
