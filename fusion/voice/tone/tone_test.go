package tone

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

func pcmOf(p Pattern, d time.Duration) []int16 {
	out := make([]int16, int(d)*codec.PCMRate/int(time.Second))
	NewGenerator(p).Read(out)
	return out
}

func dialled(t testing.TB, digits string, on, off time.Duration) []int16 {
	t.Helper()
	p, err := DTMF(digits, on, off)
	if err != nil {
		t.Fatal(err)
	}
	return pcmOf(p, time.Duration(len(digits))*(on+off)+100*time.Millisecond)
}

func detect(pcm []int16) string {
	var got []byte
	for _, e := range NewDetector().Feed(pcm, nil) {
		if e.Begin {
			got = append(got, e.Digit)
		}
	}
	return string(got)
}

// pair is two tones of any frequencies and levels.
func pair(low, high, lowLevel, highLevel float64, d time.Duration, shift int) []int16 {
	n := int(d) * codec.PCMRate / int(time.Second)
	out := make([]int16, shift+n+2000)
	for i := range n {
		x := float64(i) / codec.PCMRate * 2 * math.Pi
		out[shift+i] = int16(Amplitude(lowLevel)*math.Sin(x*low) + Amplitude(highLevel)*math.Sin(x*high))
	}
	return out
}

func TestEveryDigitIsFoundAtAnyAlignment(t *testing.T) {
	for shift := 0; shift < 320; shift += 13 {
		for _, on := range []int{40, 50, 80, 200} {
			pcm := append(make([]int16, shift), dialled(t, Digits, time.Duration(on)*time.Millisecond, 45*time.Millisecond)...)
			if got := detect(pcm); got != Digits {
				t.Errorf("%d ms at %d samples: %q", on, shift, got)
			}
		}
	}
}

func TestDTMFKeepsToQ24(t *testing.T) {
	for shift := 0; shift < 160; shift += 7 {
		for i := range 16 {
			low, high := rows[i/4], columns[i%4]
			want := string(Digits[i])
			check := func(what string, pcm []int16, want string) {
				t.Helper()
				if got := detect(pcm); got != want {
					t.Errorf("%s of %c at %d samples: %q", what, Digits[i], shift, got)
				}
			}
			const on = 60 * time.Millisecond
			for _, off := range []float64{-1.5, 1.5} {
				check("1.5 % off", pair(low*(1+off/100), high*(1-off/100), -9, -9, on, shift), want)
			}
			check("row 3.5 % off", pair(low*1.035, high, -9, -9, on, shift), "")
			check("column 3.5 % off", pair(low, high*0.965, -9, -9, on, shift), "")
			check("6 dB twist", pair(low, high, -14, -8, on, shift), want)
			check("6 dB reverse twist", pair(low, high, -8, -14, on, shift), want)
			check("12 dB twist", pair(low, high, -20, -8, on, shift), "")
			check("faint", pair(low, high, -27, -27, on, shift), want)
			check("23 ms", pair(low, high, -9, -9, 23*time.Millisecond, shift), "")
			check("one tone", pair(low, high, -9, -90, on, shift), "")
		}
	}
}

func TestADropoutDoesNotDoubleADigit(t *testing.T) {
	pcm := pair(770, 1336, -9, -9, 200*time.Millisecond, 0)
	clear(pcm[1600 : 1600+160])
	if got := detect(pcm); got != "5" {
		t.Errorf("%q", got)
	}
}

func TestDTMFIsFoundThroughG711AndNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	pcm := dialled(t, Digits, 60*time.Millisecond, 60*time.Millisecond)
	for i := range pcm {
		pcm[i] += int16(rng.NormFloat64() * 250)
	}
	enc, err := codec.NewEncoder(codec.Params{ID: codec.PCMA})
	if err != nil {
		t.Fatal(err)
	}
	dec, err := codec.NewDecoder(codec.PCMA)
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	for ; len(pcm) >= codec.FrameSamples; pcm = pcm[codec.FrameSamples:] {
		p, err := enc.Encode(nil, pcm[:codec.FrameSamples])
		if err != nil {
			t.Fatal(err)
		}
		if out, err = dec.Decode(out, p); err != nil {
			t.Fatal(err)
		}
	}
	if got := detect(out); got != Digits {
		t.Errorf("%q", got)
	}
}

// spoken is speech of several voices; espeak-ng speaks it.
func spoken(t testing.TB) []int16 {
	t.Helper()
	for _, prog := range []string{"espeak-ng", "ffmpeg"} {
		if _, err := exec.LookPath(prog); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", prog, prog)
		}
	}
	var all []int16
	for _, v := range []struct{ voice, text string }{
		{"cmn", "洪水已经越过堤坝，请三号救援队立即前往东门集合。一二三四五六七八九十。收到请回答。我们需要更多的船和药品。"},
		{"cmn+f3", "前方道路中断，伤员三人，请求直升机支援。坐标东经一百零二度，北纬三十度。电池还能用两个小时。"},
		{"en-us+f4", "All stations, all stations. The eastern levee has failed. Oh, one, two, three, four. Fire, water, people. Eee, ooh, aah."},
		{"en-us+m7", "Rescue team three, proceed to the bridge and report. The quick brown fox jumps over the lazy dog. Seven hundred and seventy."},
	} {
		file := filepath.Join(t.TempDir(), "v.wav")
		for _, args := range [][]string{{"-p", "50"}, {"-p", "90"}, {"-p", "15", "-s", "120"}} {
			if out, err := exec.Command("espeak-ng", append(args, "-v", v.voice, "-w", file, v.text)...).CombinedOutput(); err != nil {
				t.Fatalf("espeak-ng: %v: %s", err, out)
			}
			cmd := exec.Command("ffmpeg", "-v", "error", "-i", file, "-ar", "16000", "-ac", "1", "-f", "s16le", "-")
			cmd.Stderr = os.Stderr
			raw, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			pcm := make([]int16, len(raw)/2)
			if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, pcm); err != nil {
				t.Fatal(err)
			}
			all = append(all, pcm...)
		}
	}
	return all
}

func TestSpeechIsNotTakenForDTMFAndPassesTheMuterUnchanged(t *testing.T) {
	pcm := spoken(t)
	if got := detect(pcm); got != "" {
		t.Errorf("in %d s of speech: %q", len(pcm)/codec.PCMRate, got)
	}
	t.Logf("%d s of speech", len(pcm)/codec.PCMRate)
	m := NewMuter()
	out, events := m.Feed(nil, pcm, nil)
	if len(events) != 0 {
		t.Errorf("%d events", len(events))
	}
	for i := range len(out) - lookAhead {
		if out[lookAhead+i] != pcm[i] {
			t.Fatalf("sample %d is changed", i)
		}
	}
}

func TestTheMuterLetsNothingOfASignalThrough(t *testing.T) {
	for shift := 0; shift < 320; shift += 11 {
		for _, on := range []int{40, 70, 300} {
			pcm := append(make([]int16, shift), dialled(t, "*5#", time.Duration(on)*time.Millisecond, 100*time.Millisecond)...)
			var out []int16
			var events []Event
			m := NewMuter()
			for i := 0; i < len(pcm); i += 320 { // in frames, as a switch has them
				out, events = m.Feed(out, pcm[i:min(i+320, len(pcm))], events)
			}
			if len(events) != 6 {
				t.Errorf("%d ms at %d: %d events", on, shift, len(events))
			}
			loud := 0
			for _, s := range out {
				if s > 50 || s < -50 {
					loud++
				}
			}
			if loud > 0 {
				t.Errorf("%d ms at %d: %d ms of signal pass", on, shift, loud/16)
			}
		}
	}
}

func TestAWholePatternIsPlayedAndEnds(t *testing.T) {
	for name, c := range map[string]struct {
		p  Pattern
		ms int
	}{"grant": {Grant(), 120}, "deny": {Deny(), 450}, "queued": {Queued(), 400}, "deaf": {Deaf(), 800}, "revoked": {Revoked(), 320}, "idle": {Idle(), 60}} {
		g := NewGenerator(c.p)
		buf := make([]int16, 2*codec.PCMRate)
		if n := g.Read(buf); n != c.ms*16 {
			t.Errorf("%s: %d ms, want %d", name, n/16, c.ms)
		}
		if n := g.Read(buf); n != 0 {
			t.Errorf("%s goes on for %d samples", name, n)
		}
	}
	ring := pcmOf(RingBack(), 10*time.Second)
	if a, b, c := Level(ring[1600:14400]), Level(ring[17000:79000]), Level(ring[82000:94000]); math.Abs(a+10) > 0.3 || b > -90 || math.Abs(c+10) > 0.3 {
		t.Errorf("ring-back: %.1f, %.1f, %.1f dBm0", a, b, c)
	}
	if _, err := DTMF("12x", 1, 1); err == nil {
		t.Error("x is dialled")
	}
	if n := NewGenerator(Pattern{Repeat: true}).Read(make([]int16, 10)); n != 0 {
		t.Error("an empty pattern plays")
	}
}

func TestVoiceOpensWithTheFirstSyllableAndClosesAfterTheLast(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	speech := spoken(t)[:6*codec.PCMRate]
	for _, noise := range []float64{20, 100, 300} {
		silence := make([]int16, 3*codec.PCMRate)
		pcm := append(append(append([]int16(nil), silence...), speech...), silence...)
		for i := range pcm {
			pcm[i] = int16(max(-32768, min(float64(pcm[i])+rng.NormFloat64()*noise, 32767)))
		}
		begin := 3 * codec.PCMRate
		for speech[begin-3*codec.PCMRate] > -500 && speech[begin-3*codec.PCMRate] < 500 {
			begin++
		}
		v := NewVoice(VoiceConfig{})
		opened, closed, before, out := -1, -1, 0, []int16(nil)
		for at := 0; at+codec.FrameSamples <= len(pcm); at += codec.FrameSamples {
			frame := [codec.FrameSamples]int16(pcm[at:])
			was := v.Active()
			out = v.Feed(out, &frame)
			if v.Active() && !was && opened < 0 {
				opened, before = at, len(out)
			}
			if was && !v.Active() {
				closed = at
			}
		}
		if opened < begin-codec.FrameSamples || opened > begin+1600 {
			t.Errorf("noise %.0f: opens at %d ms, speech begins at %d", noise, opened/16, begin/16)
		}
		if start := opened + codec.FrameSamples - before; start > begin {
			t.Errorf("noise %.0f: passed on from %d ms, speech begins at %d", noise, start/16, begin/16)
		}
		if end := 9 * codec.PCMRate; closed < end || closed > end+2*codec.PCMRate {
			t.Errorf("noise %.0f: closes at %d ms, speech ends at %d", noise, closed/16, end/16)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	pcm := dialled(t, "5", 200*time.Millisecond, 100*time.Millisecond)[:320]
	m, v := NewMuter(), NewVoice(VoiceConfig{})
	g := NewGenerator(Busy())
	frame := [codec.FrameSamples]int16(pcm)
	out, events := make([]int16, 0, 20*320), make([]Event, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = m.Feed(out[:0], pcm, events[:0])
		_ = v.Feed(out[:0], &frame)
		g.Read(frame[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMuter(b *testing.B) {
	m := NewMuter()
	pcm, out, events := make([]int16, 320), make([]int16, 0, 320), make([]Event, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = m.Feed(out, pcm, events)
	}
}
