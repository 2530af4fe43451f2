package dsp

import (
	"fmt"
	"math"
	"testing"
)

func sine(hz float64, n, rate int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(16000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return pcm
}

// project splits pcm into its part at hz and the rest, as RMS levels.
func project(pcm []int16, hz float64, rate int) (at, rest float64) {
	var c, s, all float64
	for i, v := range pcm {
		x := float64(v) * hann(i, len(pcm))
		c += x * math.Cos(2*math.Pi*hz*float64(i)/float64(rate))
		s += x * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))
	}
	var w float64
	for i := range pcm {
		w += hann(i, len(pcm))
	}
	a, b := 2*c/w, 2*s/w
	for i, v := range pcm {
		r := float64(v) - a*math.Cos(2*math.Pi*hz*float64(i)/float64(rate)) - b*math.Sin(2*math.Pi*hz*float64(i)/float64(rate))
		all += r * r
	}
	return math.Hypot(a, b) / math.Sqrt2, math.Sqrt(all / float64(len(pcm)))
}

func hann(i, n int) float64 { return 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n)) }

func TestResamplerPassesTheBandAndStopsTheRest(t *testing.T) {
	for _, c := range [][2]int{{8000, 16000}, {16000, 8000}, {16000, 48000}, {48000, 16000}, {8000, 48000}, {48000, 8000}, {24000, 16000}} {
		from, to := c[0], c[1]
		low := min(from, to)
		worstPass, worstStop := 0.0, 200.0
		for hz := 100.0; hz < float64(from)/2; hz += 151 {
			r, err := NewResampler(from, to)
			if err != nil {
				t.Fatal(err)
			}
			out := r.Append(nil, sine(hz, from/6, from))
			out = out[len(out)/4:]
			level, rest := project(out, hz, to)
			const want = 16000 / math.Sqrt2
			switch {
			case hz <= 0.425*float64(low):
				worstPass = max(worstPass, math.Abs(20*math.Log10(level/want)))
				// What is not the tone is images, aliases and rounding.
				worstStop = min(worstStop, 20*math.Log10(level/rest))
			case hz >= 0.57*float64(low):
				worstStop = min(worstStop, 20*math.Log10(want/math.Hypot(level, rest)))
			}
		}
		t.Logf("%d to %d: pass band within %.2f dB, everything else %.1f dB down", from, to, worstPass, worstStop)
		if worstPass > 0.3 || worstStop < 60 {
			t.Errorf("%d to %d: pass band %.2f dB, stop band %.1f dB", from, to, worstPass, worstStop)
		}
	}
}

func TestResamplingDoesNotDependOnHowTheStreamIsCut(t *testing.T) {
	for _, c := range [][2]int{{8000, 16000}, {16000, 8000}, {48000, 16000}, {16000, 48000}, {24000, 16000}} {
		in := sine(700, 12000, c[0])
		whole, err := NewResampler(c[0], c[1])
		if err != nil {
			t.Fatal(err)
		}
		cut, err := NewResampler(c[0], c[1])
		if err != nil {
			t.Fatal(err)
		}
		want := whole.Append(nil, in)
		var got []int16
		for at, n := 0, 1; at < len(in); n = n*7%331 + 1 {
			end := min(at+n, len(in))
			got = cut.Append(got, in[at:end])
			at = end
		}
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%d to %d: pieces give another result", c[0], c[1])
		}
		if d := len(want)*c[0] - len(in)*c[1]; d > c[0]*50 || d < -c[0]*50 {
			t.Errorf("%d to %d: %d samples from %d", c[0], c[1], len(want), len(in))
		}
	}
	if _, err := NewResampler(11025, 16000); err == nil {
		t.Error("11025 Hz is taken")
	}
}

func TestResamplerAllocatesNothing(t *testing.T) {
	r, err := NewResampler(8000, 16000)
	if err != nil {
		t.Fatal(err)
	}
	in, out := sine(500, 160, 8000), make([]int16, 0, 400)
	if n := testing.AllocsPerRun(100, func() { out = r.Append(out[:0], in) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(out) != 320 {
		t.Errorf("%d samples from 160", len(out))
	}
}

func TestShortenKeepsPitchAndLevel(t *testing.T) {
	const rate = 16000
	in := sine(200, rate, rate)
	var out []int16
	for at := 0; at+640 <= len(in); {
		x := append([]int16(nil), in[at:at+640]...)
		x = Shorten(x, 40, 160)
		out = append(out, x...)
		at += 640
	}
	if f := float64(len(out)) / float64(len(in)); f > 0.95 || f < 0.7 {
		t.Errorf("shortened to %.2f", f)
	}
	level, rest := project(out, 200, rate)
	if level < 10000 || rest > level/8 {
		t.Errorf("200 Hz at level %.0f, everything else %.0f", level, rest)
	}
	if x := Shorten(in[:150], 40, 160); len(x) != 150 {
		t.Errorf("too little PCM was shortened to %d", len(x))
	}
}

func BenchmarkResample(b *testing.B) {
	for _, c := range [][2]int{{8000, 16000}, {16000, 8000}, {48000, 16000}} {
		b.Run(fmt.Sprint(c), func(b *testing.B) {
			r, err := NewResampler(c[0], c[1])
			if err != nil {
				b.Fatal(err)
			}
			in, out := sine(500, c[0]/50, c[0]), make([]int16, 0, 1000)
			b.ReportAllocs()
			for b.Loop() {
				out = r.Append(out[:0], in)
			}
		})
	}
}
