package codec

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// need fails the test with the Debian package that brings the program.
func need(t testing.TB, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", program, pkg)
	}
}

// speech is a few seconds of real synthetic speech at 16 kHz.
func speech(t testing.TB, text string) []int16 {
	t.Helper()
	need(t, "espeak-ng", "espeak-ng")
	dir := t.TempDir()
	wav := filepath.Join(dir, "s.wav")
	run(t, nil, "espeak-ng", "-v", "cmn", "-w", wav, text)
	need(t, "ffmpeg", "ffmpeg")
	raw := run(t, nil, "ffmpeg", "-v", "error", "-i", wav, "-ar", "16000", "-ac", "1", "-f", "s16le", "-")
	pcm := fromBytes(raw)
	return pcm[:len(pcm)/FrameSamples*FrameSamples]
}

func run(t testing.TB, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	need(t, name, name)
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return out
}

func toBytes(pcm []int16) []byte {
	out := make([]byte, 0, 2*len(pcm))
	for _, s := range pcm {
		out = binary.LittleEndian.AppendUint16(out, uint16(s))
	}
	return out
}

func fromBytes(raw []byte) []int16 {
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return pcm
}

// segmentalSNR is the mean over 20 ms frames with speech in them, in dB, each held between -10 and 60, at the shift that is best
// for the first seconds.
func segmentalSNR(want, got []int16, most int) (db float64, shift int) {
	head := want[:min(len(want), 2*PCMRate)]
	best := math.Inf(-1)
	for d := 0; d <= most; d++ {
		if s := segments(head, got, d); s > best {
			best, shift = s, d
		}
	}
	return segments(want, got, shift), shift
}

func segments(want, got []int16, shift int) float64 {
	sum, n := 0.0, 0
	for at := 0; at+FrameSamples <= len(want) && at+shift+FrameSamples <= len(got); at += FrameSamples {
		var signal, noise float64
		for i := range FrameSamples {
			a, b := float64(want[at+i]), float64(got[at+shift+i])
			signal, noise = signal+a*a, noise+(a-b)*(a-b)
		}
		if signal < 200*200*FrameSamples {
			continue
		}
		sum += max(-10, min(10*math.Log10(signal/(noise+1)), 60))
		n++
	}
	return sum / float64(max(n, 1))
}

func encodeAll(t testing.TB, p Params, pcm []int16) [][]byte {
	t.Helper()
	enc, err := NewEncoder(p)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for at := 0; at+FrameSamples <= len(pcm); at += FrameSamples {
		payload, err := enc.Encode(nil, pcm[at:at+FrameSamples])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, payload)
	}
	return out
}

func decodeAll(t testing.TB, id ID, packets [][]byte) []int16 {
	t.Helper()
	dec, err := NewDecoder(id)
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	for _, p := range packets {
		if out, err = dec.Decode(out, p); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func tone(hz, level float64, n, rate int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(level * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return pcm
}
