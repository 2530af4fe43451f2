package speech

import "math"

// Sound is mono PCM.
type Sound struct {
	Rate    int       // samples per second
	Samples []float64 // -1 to 1
}

// Seconds is the length.
func (s Sound) Seconds() float64 {
	if s.Rate == 0 {
		return 0
	}
	return float64(len(s.Samples)) / float64(s.Rate)
}

// Cut gives the part from one time to another, in seconds, clamped to what is there. It shares the samples.
func (s Sound) Cut(from, to float64) Sound {
	a := clamp(int(from*float64(s.Rate)), len(s.Samples))
	b := clamp(int(to*float64(s.Rate)), len(s.Samples))
	return Sound{s.Rate, s.Samples[a:max(a, b)]}
}

func clamp(i, n int) int { return max(0, min(i, n)) }

// Loop is the speech followed by silence, repeated to a length of at least `total` seconds. The file that a fake microphone or a
// telephone plays has this form: a talker presses in a silence and speaks one whole sentence.
func (s Sound) Loop(silence, total float64) Sound {
	period := append(append([]float64(nil), s.Samples...), make([]float64, int(silence*float64(s.Rate)))...)
	out := Sound{Rate: s.Rate}
	for out.Seconds() < total {
		out.Samples = append(out.Samples, period...)
	}
	return out
}

// Lead is silence of `seconds` followed by the speech.
func (s Sound) Lead(seconds float64) Sound {
	return Sound{s.Rate, append(make([]float64, int(seconds*float64(s.Rate))), s.Samples...)}
}

// Resample converts to another rate with a Kaiser-windowed sinc of 32 zero crossings (about -80 dB outside the band).
func (s Sound) Resample(rate int) Sound {
	if rate == s.Rate || s.Rate == 0 {
		return s
	}
	ratio := float64(rate) / float64(s.Rate)
	cut := math.Min(1, ratio) * 0.95 // of the input's half rate
	half := 32 / cut
	out := make([]float64, int(float64(len(s.Samples))*ratio))
	up, down := lowest(rate, s.Rate)
	taps := make([][]float64, up)
	for i := range out {
		pos := i * down
		at, phase := pos/up, pos%up
		if taps[phase] == nil {
			taps[phase] = kernel(float64(phase)/float64(up), cut, half)
		}
		out[i] = convolve(s.Samples, at, taps[phase])
	}
	return Sound{rate, out}
}

func lowest(a, b int) (int, int) {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x, b / x
}

// kernel is the filter for an output sample that lies frac after an input sample.
func kernel(frac, cut, half float64) []float64 {
	n := int(half)
	k := make([]float64, 2*n+1)
	for j := -n; j <= n; j++ {
		x := float64(j) - frac
		r := x / half
		if r <= -1 || r >= 1 {
			continue
		}
		k[j+n] = cut * sinc(cut*x) * bessel0(8*math.Sqrt(1-r*r)) / bessel0(8)
	}
	return k
}

func convolve(in []float64, at int, k []float64) float64 {
	n := len(k) / 2
	sum := 0.0
	for j := max(-n, -at); j <= n && at+j < len(in); j++ {
		sum += in[at+j] * k[j+n]
	}
	return sum
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of the first kind, order 0, by its series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}
