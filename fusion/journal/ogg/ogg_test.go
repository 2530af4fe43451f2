package ogg

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func stream(t testing.TB, packets int) []byte {
	var b bytes.Buffer
	w, err := NewWriter(&b, 7, []string{"TITLE=通话"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range packets {
		p := bytes.Repeat([]byte{0x08, byte(i)}, 1+i*3)
		if err := w.Packet(p, 960); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readAll(r io.Reader) (n int, o *Reader, err error) {
	if o, err = NewReader(r); err != nil {
		return 0, nil, err
	}
	for {
		if _, err = o.Next(); err != nil {
			return n, o, err
		}
		n++
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	n, o, err := readAll(bytes.NewReader(stream(t, 300)))
	if n != 300 || !errors.Is(err, io.EOF) || !o.Ended() || o.Comments()[0] != "TITLE=通话" || o.Granule() != 300*960 {
		t.Fatalf("%d packets, %v, ended %v, comments %q, granule %d", n, err, o.Ended(), o.Comments(), o.Granule())
	}
}

func TestATornStreamIsReadUpToTheLastSoundPage(t *testing.T) {
	whole := stream(t, 300)
	for cut := 200; cut < len(whole); cut += 997 {
		n, o, err := readAll(bytes.NewReader(whole[:cut]))
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if o == nil {
			continue
		}
		if o.Whole() > int64(cut) || n > 300 || o.Ended() {
			t.Fatalf("cut at %d: whole %d, %d packets, ended %v", cut, o.Whole(), n, o.Ended())
		}
		if _, again, _ := readAll(bytes.NewReader(whole[:o.Whole()])); again.Whole() != o.Whole() {
			t.Fatal("the sound part is not sound by itself")
		}
	}
}

func TestAPageWithOneWrongBitEndsTheStream(t *testing.T) {
	b := stream(t, 100)
	b[len(b)/2] ^= 1
	if n, o, _ := readAll(bytes.NewReader(b)); n >= 100 || o.Ended() {
		t.Fatalf("%d packets were believed", n)
	}
}

// ffmpeg is the independent reader.
func TestFfprobeReadsTheStream(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.ogg")
	var b bytes.Buffer
	w, _ := NewWriter(&b, 1, nil)
	for range 100 {
		if err := w.Packet([]byte{0x08}, 960); err != nil { // SILK wideband, 20 ms, nothing sent
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,channels,duration", name).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe (Debian package ffmpeg): %v\n%s", err, out)
	}
	for _, want := range []string{"codec_name=opus", "channels=1", "duration=2.0"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(stream(f, 3))
	f.Add([]byte("OggS"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, _, err := readAll(bytes.NewReader(b))
		if err == nil || n > len(b) {
			t.Fatalf("%d packets of %d octets, %v", n, len(b), err)
		}
	})
}
