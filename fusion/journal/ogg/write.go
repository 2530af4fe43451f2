package ogg

import (
	"encoding/binary"
	"fmt"
	"io"
)

// PreSkip is what a decoder drops at the start, in samples at 48 kHz (RFC 7845 §4.2).
const PreSkip = 312

const (
	headerType  = 5 // offset of the header type flag in a page
	granuleAt   = 6
	serialAt    = 14
	sequenceAt  = 18
	checksumAt  = 22
	segmentsAt  = 26
	headerBytes = 27
	maxSegments = 255

	flagFirst = 2
	flagLast  = 4
)

// Writer makes an Ogg Opus stream. Its methods are for one goroutine.
type Writer struct {
	w        io.Writer
	serial   uint32
	sequence uint32
	granule  uint64 // of the last packet in the page, in 48 kHz samples
	page     []byte // payloads of the page that is being made
	lacing   []byte
	out      []byte
}

// NewWriter writes the headers. Comments are "KEY=value".
func NewWriter(w io.Writer, serial uint32, comments []string) (*Writer, error) {
	o := &Writer{w: w, serial: serial}
	head := append([]byte("OpusHead"), 1, 1) // version, channels
	head = binary.LittleEndian.AppendUint16(head, PreSkip)
	head = binary.LittleEndian.AppendUint32(head, 16000) // input rate, for information
	head = append(head, 0, 0, 0)                         // gain, mapping family
	o.append(head)
	if err := o.flush(flagFirst); err != nil {
		return nil, err
	}
	tags := appendString([]byte("OpusTags"), "Guantong")
	tags = binary.LittleEndian.AppendUint32(tags, uint32(len(comments)))
	for _, c := range comments {
		tags = appendString(tags, c)
	}
	if len(tags) >= maxSegments*255 {
		return nil, fmt.Errorf("ogg: comments of %d octets do not fit a page", len(tags))
	}
	o.append(tags)
	o.granule = 0
	if err := o.flush(0); err != nil {
		return nil, err
	}
	return o, nil
}

func appendString(dst []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(s))), s...)
}

// Packet adds one packet of so many samples at 48 kHz. A page goes out when it is full; see Flush.
func (o *Writer) Packet(payload []byte, samples int) error {
	if len(o.lacing)+len(payload)/255+1 > maxSegments {
		if err := o.flush(0); err != nil {
			return err
		}
	}
	if len(payload)/255+1 > maxSegments {
		return fmt.Errorf("ogg: a packet of %d octets does not fit a page", len(payload))
	}
	o.append(payload)
	o.granule += uint64(samples)
	return nil
}

// Samples is how many samples at 48 kHz were written.
func (o *Writer) Samples() uint64 { return o.granule }

// Flush sends the page that is being made.
func (o *Writer) Flush() error {
	if len(o.lacing) == 0 {
		return nil
	}
	return o.flush(0)
}

// Close sends the last page.
func (o *Writer) Close() error { return o.flush(flagLast) }

func (o *Writer) append(p []byte) {
	o.page = append(o.page, p...)
	n := len(p)
	for ; n >= 255; n -= 255 {
		o.lacing = append(o.lacing, 255)
	}
	o.lacing = append(o.lacing, byte(n))
}

func (o *Writer) flush(flags byte) error {
	b := append(o.out[:0], "OggS"...)
	b = append(b, 0, flags)
	b = binary.LittleEndian.AppendUint64(b, o.granule)
	b = binary.LittleEndian.AppendUint32(b, o.serial)
	b = binary.LittleEndian.AppendUint32(b, o.sequence)
	b = append(b, 0, 0, 0, 0, byte(len(o.lacing)))
	b = append(append(b, o.lacing...), o.page...)
	binary.LittleEndian.PutUint32(b[checksumAt:], checksum(b))
	o.sequence++
	o.page, o.lacing, o.out = o.page[:0], o.lacing[:0], b
	_, err := o.w.Write(b)
	return err
}

// checksum is the CRC-32 of RFC 3533 §6: polynomial 0x04c11db7, no reflection, no inversion. The field itself counts as zero.
func checksum(page []byte) uint32 {
	var crc uint32
	for i, b := range page {
		if i >= checksumAt && i < checksumAt+4 {
			b = 0
		}
		crc = crc<<8 ^ crcTable[byte(crc>>24)^b]
	}
	return crc
}

var crcTable = makeTable()

func makeTable() (t [256]uint32) {
	for i := range t {
		r := uint32(i) << 24
		for range 8 {
			if r&0x80000000 != 0 {
				r = r<<1 ^ 0x04c11db7
			} else {
				r <<= 1
			}
		}
		t[i] = r
	}
	return t
}
