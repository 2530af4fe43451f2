package journal

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// The framed container keeps packets of any codec as they came:
//
//	"GTREC1\n", length of the header (4 octets, big-endian), header (JSON, meta), CRC-32C of it
//	then per packet: length (2), sequence (2), timestamp (4), milliseconds since the start (4), payload, CRC-32C of all that
//
// A packet whose checksum does not fit ends the file.
const framedMagic = "GTREC1\n"

const (
	frameHead   = 12
	maxMeta     = 64 << 10
	maxPayload  = codec.MaxPayload
	crcOctets   = 4
	framedCodec = "framed"
)

// ErrFormat reports a file that is no recording.
var ErrFormat = errors.New("journal: not a recording")

// frame is one packet as it is kept.
type frame struct {
	seq     uint16
	stamp   uint32
	at      uint32 // ms since the recording began
	payload []byte
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// framedWriter writes the container.
type framedWriter struct {
	w   io.Writer
	buf []byte
	crc *crc32.Table
}

func newFramedWriter(w io.Writer, m meta) (*framedWriter, error) {
	head, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	f := &framedWriter{w: w, crc: castagnoli()}
	b := append([]byte(framedMagic), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(b[len(framedMagic):], uint32(len(head)))
	b = append(b, head...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(head, f.crc))
	_, err = w.Write(b)
	return f, err
}

func (f *framedWriter) packet(p frame) error {
	b := binary.BigEndian.AppendUint16(f.buf[:0], uint16(len(p.payload)))
	b = binary.BigEndian.AppendUint16(b, p.seq)
	b = binary.BigEndian.AppendUint32(b, p.stamp)
	b = binary.BigEndian.AppendUint32(b, p.at)
	b = append(b, p.payload...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, f.crc))
	f.buf = b
	_, err := f.w.Write(b)
	return err
}

// framedReader reads the container.
type framedReader struct {
	r     *bufio.Reader
	meta  meta
	whole int64 // octets that are sound
	crc   *crc32.Table
	buf   []byte
}

func newFramedReader(r io.Reader) (*framedReader, error) {
	f := &framedReader{r: bufio.NewReader(r), crc: castagnoli()}
	head := make([]byte, len(framedMagic)+4)
	if _, err := io.ReadFull(f.r, head); err != nil || string(head[:len(framedMagic)]) != framedMagic {
		return nil, ErrFormat
	}
	n := binary.BigEndian.Uint32(head[len(framedMagic):])
	if n > maxMeta {
		return nil, fmt.Errorf("%w: a header of %d octets", ErrFormat, n)
	}
	body := make([]byte, n+crcOctets)
	if _, err := io.ReadFull(f.r, body); err != nil {
		return nil, ErrFormat
	}
	if crc32.Checksum(body[:n], f.crc) != binary.BigEndian.Uint32(body[n:]) {
		return nil, ErrFormat
	}
	if err := json.Unmarshal(body[:n], &f.meta); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	f.whole = int64(len(head) + len(body))
	return f, nil
}

// next gives the next packet, valid until the call after; io.EOF at the end or where the file is torn.
func (f *framedReader) next() (frame, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return frame{}, io.EOF
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n > maxPayload {
		return frame{}, io.EOF
	}
	f.buf = append(f.buf[:0], head[:]...)
	f.buf = append(f.buf, make([]byte, n+crcOctets)...)
	if _, err := io.ReadFull(f.r, f.buf[frameHead:]); err != nil {
		return frame{}, io.EOF
	}
	end := frameHead + n
	if crc32.Checksum(f.buf[:end], f.crc) != binary.BigEndian.Uint32(f.buf[end:]) {
		return frame{}, io.EOF
	}
	f.whole += int64(len(f.buf))
	return frame{
		seq: binary.BigEndian.Uint16(head[2:]), stamp: binary.BigEndian.Uint32(head[4:]), at: binary.BigEndian.Uint32(head[8:]),
		payload: f.buf[frameHead:end],
	}, nil
}
