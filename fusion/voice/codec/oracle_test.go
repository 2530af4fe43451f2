package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pion/opus"
)

const sentence = "洪水已经越过堤坝，请三号救援队立即前往东门集合。收到请回答。"

func TestG711IsExactlyWhatFFmpegSays(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	every := make([]int16, 65536)
	for i := range every {
		every[i] = int16(i - 32768)
	}
	for name, c := range map[string]struct {
		table  *[256]int16
		encode func(int16) byte
	}{"mulaw": {ulawLinear, linearToUlaw}, "alaw": {alawLinear, linearToAlaw}} {
		want := fromBytes(run(t, all, "ffmpeg", "-v", "error", "-f", name, "-ar", "8000", "-ac", "1", "-i", "-", "-f", "s16le", "-"))
		for i, w := range want {
			if c.table[i] != w {
				t.Errorf("%s decode %#02x = %d, ffmpeg %d", name, i, c.table[i], w)
			}
		}
		// An encoder may choose either code at the edge of an interval; further than half the wider gap is wrong.
		levels := slices.Sorted(slices.Values(c.table[:]))
		for _, s := range every {
			got := c.table[c.encode(s)]
			at, _ := slices.BinarySearch(levels, got)
			gap := 0
			if at > 0 {
				gap = int(got) - int(levels[at-1])
			}
			if at+1 < len(levels) {
				gap = max(gap, int(levels[at+1])-int(got))
			}
			clipped := int(s) > int(levels[255]) || int(s) < int(levels[0])
			if d := abs(int(got) - int(s)); d > gap/2 && !clipped {
				t.Fatalf("%s encode %d gives %d, %d away; the codes there are %d apart", name, s, got, d, gap)
			}
		}
	}
}

func abs(x int) int { return max(x, -x) }

func TestG722DecodesWhatFFmpegEncodes(t *testing.T) {
	pcm := speech(t, sentence)
	coded := run(t, toBytes(pcm), "ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-f", "g722", "-")
	theirs := fromBytes(run(t, coded, "ffmpeg", "-v", "error", "-f", "g722", "-i", "-", "-f", "s16le", "-"))
	var packets [][]byte
	for at := 0; at+160 <= len(coded); at += 160 {
		packets = append(packets, coded[at:at+160])
	}
	ours := decodeAll(t, G722, packets)
	db, shift := segmentalSNR(theirs, ours, 64)
	t.Logf("our decoder against ffmpeg's: %.1f dB at shift %d", db, shift)
	if db < 50 {
		t.Errorf("our decoder differs from ffmpeg's: segmental SNR %.1f dB", db)
	}
}

func TestFFmpegDecodesOurG722(t *testing.T) {
	pcm := speech(t, sentence)
	coded := bytes.Join(encodeAll(t, Params{ID: G722}, pcm), nil)
	theirs := fromBytes(run(t, coded, "ffmpeg", "-v", "error", "-f", "g722", "-i", "-", "-f", "s16le", "-"))
	db, shift := segmentalSNR(pcm, theirs, 64)
	back := fromBytes(run(t, run(t, toBytes(pcm), "ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-f", "g722", "-"),
		"ffmpeg", "-v", "error", "-f", "g722", "-i", "-", "-f", "s16le", "-"))
	reference, _ := segmentalSNR(pcm, back, 64)
	t.Logf("speech through our encoder: %.1f dB at shift %d; through ffmpeg's own: %.1f dB", db, shift, reference)
	if db < 14 || db < reference-1 {
		t.Errorf("segmental SNR %.1f dB, ffmpeg's own %.1f", db, reference)
	}
}

func TestOtherDecodersPlayOurOpus(t *testing.T) {
	pcm := speech(t, sentence)
	for _, c := range []struct {
		p     Params
		least float64
	}{{Params{ID: Opus, Bitrate: 24000}, 6}, {Params{ID: Opus, Bitrate: 12000}, 3}, {Params{ID: Opus, Bitrate: 12000, Limit: true}, 2}, {Params{ID: Opus, Bitrate: 6000, Limit: true}, -2}} {
		name := fmt.Sprintf("%d limit %v", c.p.Bitrate, c.p.Limit)
		packets := encodeAll(t, c.p, pcm)
		ours := decodeAll(t, Opus, packets)
		file := filepath.Join(t.TempDir(), "x.opus")
		if err := os.WriteFile(file, ogg(packets), 0o600); err != nil {
			t.Fatal(err)
		}
		heard := map[string][]int16{
			"ours":    ours,
			"pion":    pionDecode(t, packets),
			"ffmpeg":  fromBytes(run(t, nil, "ffmpeg", "-v", "error", "-i", file, "-ar", "16000", "-ac", "1", "-f", "s16le", "-")),
			"opusdec": opusdec(t, file),
		}
		for who, got := range heard {
			db, shift := segmentalSNR(pcm, got, 200)
			same, _ := segmentalSNR(ours, got, 60)
			t.Logf("%s, decoded by %s: %.1f dB at shift %d; against our own decoder %.1f dB", name, who, db, shift, same)
			if db < c.least {
				t.Errorf("%s, decoded by %s: segmental SNR %.1f dB, want %.1f", name, who, db, c.least)
			}
		}
		bits := 0
		for _, p := range packets {
			bits += 8 * len(p)
			if c.p.Limit && len(p) > c.p.Bitrate/400+1 {
				t.Fatalf("%s: a packet of %d bytes exceeds the limit", name, len(p))
			}
		}
		t.Logf("%s: %d bit/s", name, bits*50/len(packets))
	}
}

// opusdec writes 16 kHz.
func opusdec(t *testing.T, file string) []int16 {
	need(t, "opusdec", "opus-tools")
	out := file + ".raw"
	run(t, nil, "opusdec", "--quiet", "--rate", "16000", "--no-dither", file, out)
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return fromBytes(raw)
}

func pionDecode(t *testing.T, packets [][]byte) []int16 {
	dec, err := opus.NewDecoderWithOutput(PCMRate, 1)
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	buf := make([]int16, MaxPacketSamples)
	for _, p := range packets {
		n, err := dec.DecodeToInt16(p, buf)
		if err != nil {
			t.Fatalf("pion/opus: %v", err)
		}
		out = append(out, buf[:n]...)
	}
	return out
}

// ogg wraps packets as RFC 7845 says, one page each: enough for a decoder.
func ogg(packets [][]byte) []byte {
	head := append([]byte("OpusHead\x01\x01"), 0, 0, 0x80, 0x3e, 0, 0, 0, 0, 0)
	tags := append([]byte("OpusTags"), 4, 0, 0, 0, 't', 'e', 's', 't', 0, 0, 0, 0)
	out := page(nil, head, 2, 0, 0)
	out = page(out, tags, 0, 0, 1)
	for i, p := range packets {
		flags := byte(0)
		if i == len(packets)-1 {
			flags = 4
		}
		out = page(out, p, flags, uint64(i+1)*960, uint32(i+2))
	}
	return out
}

func page(out, body []byte, flags byte, granule uint64, number uint32) []byte {
	at := len(out)
	out = append(out, "OggS\x00"...)
	out = append(out, flags)
	out = binary.LittleEndian.AppendUint64(out, granule)
	out = binary.LittleEndian.AppendUint32(out, 77)
	out = binary.LittleEndian.AppendUint32(out, number)
	out = append(out, 0, 0, 0, 0, byte(len(body)/255+1))
	for n := len(body); n >= 0; n -= 255 {
		out = append(out, byte(min(n, 255)))
	}
	out = append(out, body...)
	crc := uint32(0)
	for _, b := range out[at:] {
		crc ^= uint32(b) << 24
		for range 8 {
			if crc&0x80000000 != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	binary.LittleEndian.PutUint32(out[at+22:], crc)
	return out
}
