package speech

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// ErrWAV reports a file that is not 16-bit PCM in RIFF/WAVE form.
var ErrWAV = errors.New("speech: not a 16-bit PCM WAV file")

// maxWAV bounds the data that is read: ten minutes at 48 kHz.
const maxWAV = 10 * 60 * 48000 * 2

// ReadWAV reads a WAV file of 16-bit PCM; several channels are averaged. A data chunk whose length is zero or beyond the file's end, as a program
// leaves behind that was killed while it recorded, is read to the end.
func ReadWAV(r io.Reader) (Sound, error) {
	br := bufio.NewReader(r)
	var riff [12]byte
	if _, err := io.ReadFull(br, riff[:]); err != nil || string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return Sound{}, ErrWAV
	}
	channels, rate := 0, 0
	for {
		var head [8]byte
		if _, err := io.ReadFull(br, head[:]); err != nil {
			return Sound{}, fmt.Errorf("%w: no data: %w", ErrWAV, err)
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		switch string(head[:4]) {
		case "fmt ":
			var err error
			if channels, rate, err = readFormat(br, size); err != nil {
				return Sound{}, err
			}
		case "data":
			return readData(br, size, channels, rate)
		default:
			if _, err := io.CopyN(io.Discard, br, size+size%2); err != nil {
				return Sound{}, fmt.Errorf("%w: %w", ErrWAV, err)
			}
		}
	}
}

func readFormat(r io.Reader, size int64) (channels, rate int, err error) {
	if size < 16 || size > 256 {
		return 0, 0, ErrWAV
	}
	b := make([]byte, size+size%2)
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrWAV, err)
	}
	format := binary.LittleEndian.Uint16(b)
	channels = int(binary.LittleEndian.Uint16(b[2:]))
	rate = int(binary.LittleEndian.Uint32(b[4:]))
	bits := binary.LittleEndian.Uint16(b[14:])
	if (format != 1 && format != 0xFFFE) || bits != 16 || channels < 1 || channels > 8 || rate < 1000 || rate > 384000 {
		return 0, 0, ErrWAV
	}
	return channels, rate, nil
}

func readData(r io.Reader, size int64, channels, rate int) (Sound, error) {
	if channels == 0 {
		return Sound{}, ErrWAV
	}
	if size == 0 || size > maxWAV {
		size = maxWAV
	}
	raw, err := io.ReadAll(io.LimitReader(r, size))
	if err != nil {
		return Sound{}, fmt.Errorf("speech: read WAV: %w", err)
	}
	out := Sound{rate, make([]float64, len(raw)/2/channels)}
	for i := range out.Samples {
		sum := 0
		for c := range channels {
			sum += int(int16(binary.LittleEndian.Uint16(raw[2*(i*channels+c):])))
		}
		out.Samples[i] = float64(sum) / float64(channels) / 32768
	}
	return out, nil
}

// WriteWAV writes mono 16-bit PCM.
func WriteWAV(w io.Writer, s Sound) error {
	var b []byte
	n := uint32(2 * len(s.Samples))
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, 36+n)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.Rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(2*s.Rate))
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, n)
	for _, v := range s.Samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(Int16(v)))
	}
	_, err := w.Write(b)
	return err
}

// Int16 is a sample as a 16-bit integer, clipped.
func Int16(v float64) int16 { return int16(math.Max(-32768, math.Min(32767, math.Round(v*32768)))) }

// SaveWAV writes a WAV file.
func SaveWAV(path string, s Sound) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("speech: save: %w", err)
	}
	return errors.Join(WriteWAV(f, s), f.Close())
}

// OpenWAV reads a WAV file.
func OpenWAV(path string) (Sound, error) {
	f, err := os.Open(path)
	if err != nil {
		return Sound{}, fmt.Errorf("speech: open: %w", err)
	}
	defer f.Close()
	return ReadWAV(f)
}
