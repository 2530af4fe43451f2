package speech

import (
	"bytes"
	"math"
	"testing"
)

func TestEachSentenceHasItsRecording(t *testing.T) {
	for _, s := range Sentences() {
		got, err := Load(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got.Rate != 16000 || got.Seconds() < 2 || got.Seconds() > 6 {
			t.Errorf("%s: %d Hz, %.2f s", s.Name, got.Rate, got.Seconds())
		}
	}
}

func TestWAVRoundTrip(t *testing.T) {
	in := Sound{8000, []float64{0, 0.5, -0.5, 0.25, -1, 1}}
	var b bytes.Buffer
	if err := WriteWAV(&b, in); err != nil {
		t.Fatal(err)
	}
	out, err := ReadWAV(&b)
	if err != nil || out.Rate != 8000 || len(out.Samples) != 6 {
		t.Fatalf("%v %v", out, err)
	}
	for i, v := range in.Samples {
		if math.Abs(v-out.Samples[i]) > 1.0/32767 {
			t.Errorf("sample %d: %v, want %v", i, out.Samples[i], v)
		}
	}
}

func TestResampleKeepsAToneAndRemovesWhatTheNewRateCannotCarry(t *testing.T) {
	tone := func(hz float64) Sound {
		s := Sound{48000, make([]float64, 48000)}
		for i := range s.Samples {
			s.Samples[i] = math.Sin(2 * math.Pi * hz * float64(i) / 48000)
		}
		return s
	}
	rms := func(s Sound) float64 {
		sum := 0.0
		for _, v := range s.Samples[1000 : len(s.Samples)-1000] {
			sum += v * v
		}
		return math.Sqrt(sum / float64(len(s.Samples)-2000))
	}
	if r := rms(tone(1000).Resample(10000)); math.Abs(r-math.Sqrt2/2) > 0.002 {
		t.Errorf("1 kHz: rms %v", r)
	}
	if r := rms(tone(7000).Resample(10000)); r > 0.001 {
		t.Errorf("7 kHz at 10 kHz: rms %v, want none", r)
	}
	back := tone(1000).Resample(8000).Resample(48000)
	want := tone(1000)
	for i := 2000; i < 40000; i++ {
		if math.Abs(back.Samples[i]-want.Samples[i]) > 0.005 {
			t.Fatalf("sample %d: %v, want %v: shifted or scaled", i, back.Samples[i], want.Samples[i])
		}
	}
}

func TestDecodeReadsWhatFfmpegReads(t *testing.T) {
	in, err := Load("pilot")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteWAV(&b, in); err != nil {
		t.Fatal(err)
	}
	out, err := Decode(t.Context(), b.Bytes(), 48000)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(out.Seconds()-in.Seconds()) > 0.01 {
		t.Errorf("%.3f s, want %.3f", out.Seconds(), in.Seconds())
	}
}

func FuzzReadWAV(f *testing.F) {
	var b bytes.Buffer
	if err := WriteWAV(&b, Sound{8000, []float64{0, 0.5}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVE"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if s, err := ReadWAV(bytes.NewReader(in)); err == nil && s.Rate <= 0 {
			t.Errorf("rate %d without an error", s.Rate)
		}
	})
}
