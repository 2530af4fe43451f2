package bundle

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// CRCType says which check value a block carries (RFC 9171 §4.2.1).
type CRCType uint8

// The CRC types.
const (
	NoCRC  CRCType = iota
	CRC16          // X.25
	CRC32C         // Castagnoli
)

// String names the type.
func (t CRCType) String() string {
	switch t {
	case NoCRC:
		return "none"
	case CRC16:
		return "crc16"
	case CRC32C:
		return "crc32c"
	}
	return fmt.Sprintf("crc(%d)", uint8(t))
}

// size is the check value's, in octets.
func (t CRCType) size() int {
	switch t {
	case CRC16:
		return 2
	case CRC32C:
		return 4
	}
	return 0
}

// crc16Tables are of the reflected polynomial 0x8408 (X.25: begins and ends with all ones): the first takes one octet on, each further one takes it one octet
// further, so that eight octets go in one step.
var crc16Tables = func() (tables [8][256]uint16) {
	for i := range 256 {
		v := uint16(i)
		for range 8 {
			v = v>>1 ^ 0x8408*(v&1)
		}
		tables[0][i] = v
	}
	for i := range 256 {
		for k := 1; k < 8; k++ {
			v := tables[k-1][i]
			tables[k][i] = v>>8 ^ tables[0][byte(v)]
		}
	}
	return tables
}()

func crc16(sum uint16, b []byte) uint16 {
	t := &crc16Tables
	for ; len(b) >= 8; b = b[8:] {
		sum ^= binary.LittleEndian.Uint16(b)
		sum = t[7][byte(sum)] ^ t[6][sum>>8] ^ t[5][b[2]] ^ t[4][b[3]] ^ t[3][b[4]] ^ t[2][b[5]] ^ t[1][b[6]] ^ t[0][b[7]]
	}
	for _, c := range b {
		sum = sum>>8 ^ t[0][byte(sum)^c]
	}
	return sum
}

// noValue stands where the check value will be.
var noValue [4]byte

// check gives the check value over parts that follow one another, in network order.
func (t CRCType) check(parts ...[]byte) (value [4]byte) {
	if t == CRC16 {
		sum := uint16(0xffff)
		for _, p := range parts {
			sum = crc16(sum, p)
		}
		binary.BigEndian.PutUint16(value[:], ^sum)
		return value
	}
	var sum uint32
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
	}
	binary.BigEndian.PutUint32(value[:], sum)
	return value
}

// appendCRC ends the block that began at from: its check value, over the block with zeros in its place (erratum 8043: the head of the field stays).
func (t CRCType) appendCRC(dst []byte, from int) []byte {
	n := t.size()
	if n == 0 {
		return dst
	}
	dst = appendHead(dst, majorBytes, uint64(n))
	at := len(dst)
	dst = append(dst, noValue[:n]...)
	value := t.check(dst[from:])
	copy(dst[at:], value[:n])
	return dst
}

// crc reads the check value of the block that began at from, and the end of its array, and compares.
func (r *reader) crc(t CRCType, l *list, from int) {
	if t == NoCRC {
		r.end(l)
		return
	}
	value := r.next(l).bytes()
	at := r.at - len(value)
	r.end(l)
	if r.err != nil {
		return
	}
	if len(value) != t.size() {
		r.fail(ErrMalformed, "a CRC of %d", len(value))
		return
	}
	want := t.check(r.buf[from:at], noValue[:len(value)], r.buf[at+len(value):r.at])
	if string(want[:len(value)]) != string(value) {
		r.fail(ErrCRC, "%s", t)
	}
}
