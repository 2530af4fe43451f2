package bundle

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/guantong-net/guantong/fusion"
)

// Major types of CBOR (RFC 8949 §3.1).
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

const (
	openArray = majorArray<<5 | 31 // an array of indefinite length
	breakCode = majorSimple<<5 | 31
)

// reader takes CBOR items off a slice. The first error sticks, and everything after it reads as zero.
type reader struct {
	buf []byte
	at  int
	err error
}

func (r *reader) fail(sentinel *fusion.Error, format string, args ...any) {
	if r.err == nil {
		r.err = refuse(sentinel, "octet %d: "+format, append([]any{r.at}, args...)...)
	}
}

// head reads the head of an item (RFC 8949 §3). Open is an indefinite length, or the break code.
func (r *reader) head() (major byte, arg uint64, open bool) {
	if r.err != nil {
		return majorSimple, 0, false
	}
	if r.at >= len(r.buf) {
		r.fail(ErrTruncated, "no item")
		return majorSimple, 0, false
	}
	first := r.buf[r.at]
	r.at++
	major, info := first>>5, first&31
	if info < 24 {
		return major, uint64(info), false
	}
	if info == 31 {
		return major, 0, true
	}
	size := 1 << (info - 24)
	if info > 27 {
		r.fail(ErrMalformed, "additional information %d", info)
		return majorSimple, 0, false
	}
	if len(r.buf)-r.at < size {
		r.fail(ErrTruncated, "a number")
		return majorSimple, 0, false
	}
	b := r.buf[r.at:]
	r.at += size
	switch size {
	case 1:
		arg = uint64(b[0])
	case 2:
		arg = uint64(binary.BigEndian.Uint16(b))
	case 4:
		arg = uint64(binary.BigEndian.Uint32(b))
	default:
		arg = binary.BigEndian.Uint64(b)
	}
	return major, arg, false
}

// uint reads an unsigned integer.
func (r *reader) uint() uint64 {
	major, arg, open := r.head()
	switch {
	case r.err != nil:
		return 0
	case major == majorNegative:
		r.fail(ErrNegative, "a number")
		return 0
	case major != majorUint || open:
		r.fail(ErrMalformed, "a number is wanted")
		return 0
	}
	return arg
}

// int reads an integer that fits 64 bits with its sign.
func (r *reader) int() int64 {
	major, arg, open := r.head()
	if r.err != nil {
		return 0
	}
	if major > majorNegative || open || arg>>63 != 0 {
		r.fail(ErrMalformed, "an integer is wanted")
		return 0
	}
	if major == majorNegative {
		return -1 - int64(arg)
	}
	return int64(arg)
}

// bool reads true or false.
func (r *reader) bool() bool {
	major, arg, open := r.head()
	if r.err == nil && (major != majorSimple || open || arg != 20 && arg != 21) {
		r.fail(ErrMalformed, "true or false is wanted")
	}
	return r.err == nil && arg == 21
}

// bytes reads a byte string of definite length. It refers to what is read, and cannot be appended to in place.
func (r *reader) bytes() []byte { return r.string(majorBytes) }

// text reads a text string of definite length.
func (r *reader) text() []byte {
	b := r.string(majorText)
	if !utf8.Valid(b) {
		r.fail(ErrMalformed, "text that is not UTF-8")
	}
	return b
}

func (r *reader) string(want byte) []byte {
	major, n, open := r.head()
	switch {
	case r.err != nil:
		return nil
	case major != want || open:
		r.fail(ErrMalformed, "a string of type %d is wanted", want)
		return nil
	case n > uint64(len(r.buf)-r.at):
		r.fail(ErrTruncated, "a string of %d", n)
		return nil
	}
	from := r.at
	r.at += int(n)
	return r.buf[from:r.at:r.at]
}

// list is an array that is being read.
type list struct {
	left uint64
	open bool
}

// array begins an array.
func (r *reader) array() list {
	major, n, open := r.head()
	if r.err == nil && major != majorArray {
		r.fail(ErrMalformed, "an array is wanted")
	}
	return list{n, open}
}

// more reports whether the array has another item, and takes its end when it has not.
func (r *reader) more(l *list) bool {
	if r.err != nil {
		return false
	}
	if !l.open {
		if l.left == 0 {
			return false
		}
		l.left--
		return true
	}
	if r.at >= len(r.buf) {
		r.fail(ErrTruncated, "no end of an array")
		return false
	}
	if r.buf[r.at] == breakCode {
		r.at++
		return false
	}
	return true
}

// next goes to the array's next item, which must be there.
func (r *reader) next(l *list) *reader {
	if !r.more(l) {
		r.fail(ErrMalformed, "an array is too short")
	}
	return r
}

// end takes the array's end, which must be here.
func (r *reader) end(l *list) {
	if r.more(l) {
		r.fail(ErrMalformed, "an array is too long")
	}
}

// maxDepth bounds how deep an item may be that is passed over.
const maxDepth = 8

// item passes over one item of any kind and gives its octets.
func (r *reader) item() []byte {
	from := r.at
	r.skip(maxDepth)
	if r.err != nil {
		return nil
	}
	return r.buf[from:r.at:r.at]
}

func (r *reader) skip(depth int) {
	major, n, open := r.head()
	if r.err != nil {
		return
	}
	if depth == 0 {
		r.fail(ErrTooLarge, "items within items")
		return
	}
	switch major {
	case majorUint, majorNegative:
		if open {
			r.fail(ErrMalformed, "a number without a length")
		}
	case majorBytes, majorText:
		r.skipString(major, n, open)
	case majorArray, majorMap:
		if major == majorMap && n > 1<<62 {
			r.fail(ErrTruncated, "a map of %d", n)
		}
		for l := (list{n << (major - majorArray), open}); r.more(&l); {
			r.skip(depth - 1)
		}
	case majorTag:
		r.skip(depth - 1)
	case majorSimple:
		if open {
			r.fail(ErrMalformed, "an end without a beginning")
		}
	}
}

func (r *reader) skipString(major byte, n uint64, open bool) {
	if open {
		for l := (list{open: true}); r.more(&l); {
			r.string(major)
		}
		return
	}
	if n > uint64(len(r.buf)-r.at) {
		r.fail(ErrTruncated, "a string of %d", n)
		return
	}
	r.at += int(n)
}

// done checks that everything was read.
func (r *reader) done() error {
	if r.err == nil && r.at != len(r.buf) {
		r.fail(ErrTrailing, "%d more", len(r.buf)-r.at)
	}
	return r.err
}

// appendHead writes the shortest head.
func appendHead(dst []byte, major byte, n uint64) []byte {
	m := major << 5
	switch {
	case n < 24:
		return append(dst, m|byte(n))
	case n <= 0xff:
		return append(dst, m|24, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, m|25), uint16(n))
	case n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(dst, m|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, m|27), n)
	}
}

func appendUint(dst []byte, n uint64) []byte { return appendHead(dst, majorUint, n) }

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendHead(dst, majorNegative, uint64(-1-n))
	}
	return appendHead(dst, majorUint, uint64(n))
}

func appendArray(dst []byte, n int) []byte { return appendHead(dst, majorArray, uint64(n)) }

func appendBytes(dst, b []byte) []byte {
	return append(appendHead(dst, majorBytes, uint64(len(b))), b...)
}

func appendBool(dst []byte, yes bool) []byte {
	if yes {
		return append(dst, majorSimple<<5|21)
	}
	return append(dst, majorSimple<<5|20)
}

// headSize is how many octets appendHead writes.
func headSize(n uint64) int {
	if n < 24 {
		return 1
	}
	size := (bits.Len64(n) + 7) / 8
	return 1 + 1<<bits.Len(uint(size-1))
}
