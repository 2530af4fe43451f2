package ogg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat reports octets that are no Ogg Opus stream.
var ErrFormat = errors.New("ogg: not an Ogg Opus stream")

// maxPacket bounds one packet: 120 ms of Opus is at most 7662 octets (RFC 6716 §3.2), comments fit a page.
const maxPacket = maxSegments * 255

// Reader reads an Ogg Opus stream packet by packet.
type Reader struct {
	r        io.Reader
	comments []string
	preSkip  int
	serial   uint32
	read     int64 // octets of whole, sound pages

	header  [headerBytes + maxSegments]byte
	body    []byte
	lacing  []byte
	packet  []byte
	last    bool
	granule uint64
}

// NewReader reads the headers.
func NewReader(r io.Reader) (*Reader, error) {
	o := &Reader{r: r}
	head, err := o.Next()
	if err != nil {
		return nil, err
	}
	if len(head) < 19 || !bytes.HasPrefix(head, []byte("OpusHead")) || head[8]>>4 != 0 || head[9] == 0 {
		return nil, ErrFormat
	}
	o.preSkip = int(binary.LittleEndian.Uint16(head[10:]))
	tags, err := o.Next()
	if err != nil {
		return nil, err
	}
	if o.comments, err = parseTags(tags); err != nil {
		return nil, err
	}
	return o, nil
}

func parseTags(p []byte) ([]string, error) {
	rest, ok := bytes.CutPrefix(p, []byte("OpusTags"))
	if !ok {
		return nil, ErrFormat
	}
	_, rest, ok = cutString(rest)
	if !ok || len(rest) < 4 {
		return nil, ErrFormat
	}
	n := binary.LittleEndian.Uint32(rest)
	rest = rest[4:]
	var comments []string
	for range n {
		var c string
		if c, rest, ok = cutString(rest); !ok {
			return nil, ErrFormat
		}
		comments = append(comments, c)
	}
	return comments, nil
}

func cutString(p []byte) (s string, rest []byte, ok bool) {
	if len(p) < 4 {
		return "", nil, false
	}
	n := binary.LittleEndian.Uint32(p)
	if uint64(n) > uint64(len(p)-4) {
		return "", nil, false
	}
	return string(p[4 : 4+n]), p[4+n:], true
}

// Comments are the stream's comments, "KEY=value".
func (o *Reader) Comments() []string { return o.comments }

// PreSkip is how many samples at 48 kHz to drop at the start.
func (o *Reader) PreSkip() int { return o.preSkip }

// Whole is how many octets of sound, whole pages were read: what is beyond is torn.
func (o *Reader) Whole() int64 { return o.read }

// Ended reports that the page marked as the last was read.
func (o *Reader) Ended() bool { return o.last }

// Granule is the position of the last page that was read, in samples at 48 kHz.
func (o *Reader) Granule() uint64 { return o.granule }

// Next gives the next packet, valid until the call after. io.EOF says that the stream is over or torn: see Ended.
func (o *Reader) Next() ([]byte, error) {
	o.packet = o.packet[:0]
	for {
		if len(o.lacing) == 0 {
			if o.last {
				return nil, io.EOF
			}
			if err := o.page(); err != nil {
				return nil, err
			}
			continue
		}
		n := int(o.lacing[0])
		o.lacing = o.lacing[1:]
		o.packet = append(o.packet, o.body[:n]...)
		o.body = o.body[n:]
		if len(o.packet) > maxPacket {
			return nil, fmt.Errorf("%w: packet too large", ErrFormat)
		}
		if n < 255 {
			return o.packet, nil
		}
	}
}

func (o *Reader) page() error {
	h := o.header[:headerBytes]
	if _, err := io.ReadFull(o.r, h); err != nil {
		return io.EOF
	}
	if string(h[:4]) != "OggS" || h[4] != 0 {
		return io.EOF
	}
	n := int(h[segmentsAt])
	full := o.header[:headerBytes+n]
	if _, err := io.ReadFull(o.r, full[headerBytes:]); err != nil {
		return io.EOF
	}
	size := 0
	for _, l := range full[headerBytes:] {
		size += int(l)
	}
	page := make([]byte, len(full)+size)
	copy(page, full)
	if _, err := io.ReadFull(o.r, page[len(full):]); err != nil {
		return io.EOF
	}
	if binary.LittleEndian.Uint32(page[checksumAt:]) != checksum(page) {
		return io.EOF
	}
	serial := binary.LittleEndian.Uint32(page[serialAt:])
	if o.read > 0 && serial != o.serial {
		return io.EOF
	}
	o.serial, o.last = serial, page[headerType]&flagLast != 0
	o.granule = binary.LittleEndian.Uint64(page[granuleAt:])
	o.lacing, o.body = page[headerBytes:len(full)], page[len(full):]
	o.read += int64(len(page))
	return nil
}
