package hearing

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// fft transforms in place; len(x) is a power of two.
func fft(x []complex128, inverse bool) {
	n := len(x)
	shift := 64 - bits.TrailingZeros(uint(n))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); n > 1 && j > i {
			x[i], x[j] = x[j], x[i]
		}
	}
	sign := -2 * math.Pi
	if inverse {
		sign = -sign
	}
	for size := 2; size <= n; size *= 2 {
		twiddles := roots(size/2, sign/float64(size))
		for at := 0; at < n; at += size {
			butterfly(x[at:at+size], twiddles)
		}
	}
	if inverse {
		for i := range x {
			x[i] /= complex(float64(n), 0)
		}
	}
}

func roots(n int, angle float64) []complex128 {
	w := make([]complex128, n)
	for i := range w {
		w[i] = cmplx.Rect(1, angle*float64(i))
	}
	return w
}

func butterfly(x []complex128, w []complex128) {
	half := len(x) / 2
	for i := range half {
		a, b := x[i], x[i+half]*w[i]
		x[i], x[i+half] = a+b, a-b
	}
}

// power is |X|² of the first half of the spectrum of a windowed frame, zero-padded to n.
func power(frame, window []float64, n int) []float64 {
	x := make([]complex128, n)
	for i, v := range frame {
		x[i] = complex(v*window[i], 0)
	}
	fft(x, false)
	out := make([]float64, n/2+1)
	for i := range out {
		out[i] = real(x[i])*real(x[i]) + imag(x[i])*imag(x[i])
	}
	return out
}

// hann is the window of n samples without the zeros at its ends, as STOI uses it.
func hann(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i+1)/float64(n+1))
	}
	return w
}

func powerOfTwo(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}
