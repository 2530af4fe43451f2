package hearing

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/guantong-net/guantong/testbed/speech"
)

func load(t *testing.T, name string) speech.Sound {
	t.Helper()
	s, err := speech.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names() []string {
	var out []string
	for _, s := range speech.Sentences() {
		out = append(out, s.Name)
	}
	return out
}

// noisy adds white noise at a signal-to-noise ratio in dB.
func noisy(s speech.Sound, snr float64) speech.Sound {
	r := rand.New(rand.NewPCG(1, 2))
	out := speech.Sound{Rate: s.Rate, Samples: make([]float64, len(s.Samples))}
	noise := math.Sqrt(energy(s.Samples) / float64(len(s.Samples)) / math.Pow(10, snr/10))
	for i, v := range s.Samples {
		out.Samples[i] = v + noise*r.NormFloat64()
	}
	return out
}

func TestSTOIOfTheReferenceItselfIsOne(t *testing.T) {
	for _, n := range names() {
		if got := STOI(load(t, n), load(t, n)); math.Abs(got-1) > 1e-9 {
			t.Errorf("%s: %v", n, got)
		}
	}
}

func TestSTOIFallsAsNoiseGrows(t *testing.T) {
	for _, n := range names() {
		s, last := load(t, n), 1.0
		for _, snr := range []float64{30, 20, 10, 5, 0, -5, -10, -20} {
			got := STOI(s, noisy(s, snr))
			t.Logf("%s at %v dB: %.3f", n, snr, got)
			if got >= last {
				t.Errorf("%s: %.3f at %v dB, not below %.3f", n, got, snr, last)
			}
			last = got
		}
		if last > 0.52 { // fluctuations of the noise alone reach this
			t.Errorf("%s: %.3f at -20 dB, where nothing can be understood", n, last)
		}
	}
}

func TestSTOIIsWhatAnotherImplementationGives(t *testing.T) {
	// The algorithm of the public pystoi, run in numpy on the same samples at 10 kHz.
	for name, want := range map[string]map[float64]float64{
		"pilot":      {10: 0.936159, 0: 0.785938, -5: 0.674324},
		"dispatcher": {10: 0.949210, 0: 0.821513, -5: 0.722177},
	} {
		for snr, value := range want {
			s := load(t, name)
			if got := STOI(s, noisy(s, snr)); math.Abs(got-value) > 2e-6 {
				t.Errorf("%s at %v dB: %.6f, want %.6f", name, snr, got, value)
			}
		}
	}
}

func TestSTOIDoesNotCareForLoudness(t *testing.T) {
	s := load(t, "pilot")
	half := speech.Sound{Rate: s.Rate}
	for _, v := range s.Samples {
		half.Samples = append(half.Samples, v/10)
	}
	if got := STOI(s, half); math.Abs(got-1) > 1e-6 {
		t.Errorf("%v", got)
	}
}

func TestEachSentenceIsHeardAsItselfOnly(t *testing.T) {
	for _, said := range names() {
		for _, heard := range names() {
			v := Compare(load(t, said), noisy(load(t, heard).Lead(0.7), 30), Telephone())
			t.Logf("%s in a recording of %s: %v", said, heard, v)
			if v.Heard() != (said == heard) {
				t.Errorf("%s in a recording of %s: %v", said, heard, v)
			}
			if said == heard && (len(v.Missing) > 0 || v.Head > 5 || v.Tail > 5 || math.Abs(v.Start-0.7) > 0.002) {
				t.Errorf("%s: %v, missing %v", said, v, v.Missing)
			}
		}
	}
}

func TestSilenceIsNotHeard(t *testing.T) {
	ref := load(t, "pilot")
	if v := Compare(ref, speech.Sound{Rate: 48000, Samples: make([]float64, 48000*6)}, Telephone()); v.Heard() {
		t.Error(v)
	}
	if v := Compare(ref, speech.Sound{Rate: 48000}, Telephone()); v.Heard() || v.Head < 1000 {
		t.Error(v)
	}
}

func TestClippedEndsAreMeasured(t *testing.T) {
	for _, n := range names() {
		s := load(t, n)
		for _, ms := range []float64{0, 20, 40, 100, 250} {
			head := append([]float64(nil), s.Samples...)
			clear(head[:int(ms*16)])
			tail := append([]float64(nil), s.Samples...)
			clear(tail[len(tail)-int(ms*16):])
			h := Compare(s, speech.Sound{Rate: s.Rate, Samples: head}.Lead(0.3), Wide())
			e := Compare(s, speech.Sound{Rate: s.Rate, Samples: tail}.Lead(0.3), Wide())
			t.Logf("%s cut by %v ms: head %.0f, tail %.0f", n, ms, h.Head, e.Tail)
			// The sentence's own first audible frame lies up to some tens of ms inside the file.
			if h.Head > ms+25 || h.Head < ms-60 || e.Tail > ms+25 || e.Tail < ms-60 || (ms == 0 && h.Head+e.Tail > 0) {
				t.Errorf("%s cut by %v ms: head %.0f, tail %.0f", n, ms, h.Head, e.Tail)
			}
		}
	}
}

func TestALostSyllableIsMissed(t *testing.T) {
	for _, n := range names() {
		s := load(t, n)
		for i, y := range Syllables(s, s, Telephone()) {
			cut := append([]float64(nil), s.Samples...)
			clear(cut[int(y.From*16000):int(y.To*16000)])
			got := Syllables(s, speech.Sound{Rate: s.Rate, Samples: cut}, Telephone())
			if got[i].Present {
				t.Errorf("%s: syllable %d (%.2f–%.2f s) cut out and not missed: %+v", n, i, y.From, y.To, got[i])
			}
		}
	}
}

func TestAStretchedRecordingIsFollowed(t *testing.T) {
	s := load(t, "commander")
	// 3 % faster from the middle on: the lag wanders by 60 ms, as an adapting jitter buffer's does.
	out := speech.Sound{Rate: s.Rate}
	for pos := 0.0; int(pos) < len(s.Samples)-1; {
		out.Samples = append(out.Samples, sample(s, pos/16000))
		step := 1.0
		if pos > float64(len(s.Samples))/2 {
			step = 1.03
		}
		pos += step
	}
	v := Compare(s, out.Lead(0.5), Telephone())
	t.Log(v)
	if !v.Heard() || v.Wander < 30 || v.STOI < 0.85 || len(v.Missing) > 0 {
		t.Errorf("%v", v)
	}
}

func TestCodecsOfTheEdgePass(t *testing.T) {
	for _, codec := range [][]string{
		{"-ar", "8000", "-c:a", "pcm_alaw", "-f", "wav"},
		{"-ar", "48000", "-c:a", "libopus", "-b:a", "24k", "-f", "ogg"},
		{"-ar", "16000", "-c:a", "g722", "-f", "wav"},
	} {
		s := load(t, "dispatcher")
		var in, out bytes.Buffer
		if err := speech.WriteWAV(&in, s.Lead(0.4)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "ffmpeg", append(append([]string{"-v", "error", "-i", "pipe:0"}, codec...), "pipe:1")...)
		cmd.Stdin, cmd.Stdout = &in, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("needs Debian package ffmpeg: %v", err)
		}
		rec, err := speech.Decode(t.Context(), out.Bytes(), 48000)
		if err != nil {
			t.Fatal(err)
		}
		v := Compare(s, rec, Telephone())
		t.Log(codec[3], v)
		if v.Spectral < 0.9 || v.STOI < 0.8 || len(v.Missing) > 0 || v.Head > 5 || v.Tail > 5 {
			t.Errorf("%v: %v, missing %v", codec, v, v.Missing)
		}
	}
}

func TestPercentile(t *testing.T) {
	x := []float64{5, 1, 4, 2, 3}
	for p, want := range map[float64]float64{50: 3, 95: 5, 20: 1, 0: 1, 100: 5} {
		if got := Percentile(x, p); got != want {
			t.Errorf("p%v: %v, want %v", p, got, want)
		}
	}
}
