package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Magic is the first line of a sealed stream. Another algorithm (SM4-GCM) has another one.
const Magic = "guantong sealed aes-gcm 1\n"

const (
	saltSize  = 32
	chunkSize = 64 << 10
	tagSize   = 16
	headSize  = len(Magic) + saltSize
)

// ErrSealed reports a stream that cannot be opened: another key or purpose, altered, or cut.
var ErrSealed = errors.New("sealed: sealed by another key, altered, or cut")

// ErrNotSealed reports a stream that is not sealed at all.
var ErrNotSealed = errors.New("sealed: the stream is not sealed")

// aead derives the cipher of one stream. Purpose parts uses of one key: what was sealed for one is not opened for another.
func aead(key, salt []byte, purpose string) (cipher.AEAD, error) {
	if n := len(key); n != 16 && n != 24 && n != 32 {
		return nil, fmt.Errorf("sealed: a key has 16, 24 or 32 octets, not %d", n)
	}
	own, err := hkdf.Key(sha256.New, key, salt, Magic+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("sealed: %w", err)
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, fmt.Errorf("sealed: %w", err)
	}
	return cipher.NewGCM(block)
}

// nonce is the chunk's number and whether it is the last.
func nonce(number uint64, last bool) []byte {
	n := binary.BigEndian.AppendUint64(make([]byte, 3, 12), number)
	if last {
		return append(n, 1)
	}
	return append(n, 0)
}

// Writer seals what is written to it.
type Writer struct {
	w      io.Writer
	aead   cipher.AEAD
	plain  []byte
	box    []byte
	number uint64
	err    error
}

// NewWriter begins a sealed stream under a key of 16, 24 or 32 octets. Close ends it; it does not close w.
func NewWriter(w io.Writer, key []byte, purpose string, random io.Reader) (*Writer, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("sealed: %w", err)
	}
	a, err := aead(key, salt, purpose)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(append([]byte(Magic), salt...)); err != nil {
		return nil, err
	}
	return &Writer{w: w, aead: a, plain: make([]byte, 0, chunkSize)}, nil
}

// Write implements io.Writer. A full chunk waits for what follows, since the last one is marked.
func (s *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && s.err == nil {
		if len(s.plain) == chunkSize {
			s.seal(false)
		}
		took := min(len(p), chunkSize-len(s.plain))
		s.plain = append(s.plain, p[:took]...)
		p, n = p[took:], n+took
	}
	return n, s.err
}

func (s *Writer) seal(last bool) {
	s.box = s.aead.Seal(s.box[:0], nonce(s.number, last), s.plain, nil)
	s.number++
	s.plain = s.plain[:0]
	if _, err := s.w.Write(s.box); err != nil && s.err == nil {
		s.err = err
	}
}

// Close writes the last chunk. A stream that was not closed cannot be opened.
func (s *Writer) Close() error {
	if s.err == nil {
		s.seal(true)
	}
	return s.err
}

// reader opens chunk by chunk.
type reader struct {
	r      io.Reader
	aead   cipher.AEAD
	box    []byte // the chunk ahead: only behind it one sees whether it is the last
	plain  []byte // of a chunk that was opened
	number uint64
	err    error
}

// NewReader opens a sealed stream. ErrNotSealed when it is none; what it reads is ErrSealed when the stream is not authentic.
func NewReader(r io.Reader, key []byte, purpose string) (io.Reader, error) {
	head := make([]byte, headSize)
	if n, err := io.ReadFull(r, head); err != nil {
		if n < len(Magic) || !bytes.HasPrefix(head, []byte(Magic)) {
			return nil, errors.Join(ErrNotSealed, brokenRead(err))
		}
		return nil, errors.Join(ErrSealed, brokenRead(err))
	}
	if !bytes.HasPrefix(head, []byte(Magic)) {
		return nil, ErrNotSealed
	}
	a, err := aead(key, head[len(Magic):], purpose)
	if err != nil {
		return nil, err
	}
	s := &reader{r: r, aead: a}
	s.box, s.err = s.next()
	return s, nil
}

// brokenRead is nil when a stream simply ended.
func brokenRead(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// next reads the octets of one chunk; none at the stream's end.
func (s *reader) next() ([]byte, error) {
	box := make([]byte, chunkSize+tagSize)
	n, err := io.ReadFull(s.r, box)
	return box[:n], brokenRead(err)
}

// Read implements io.Reader.
func (s *reader) Read(p []byte) (int, error) {
	for len(s.plain) == 0 && s.err == nil {
		s.open()
	}
	if len(s.plain) == 0 {
		return 0, s.err
	}
	n := copy(p, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

func (s *reader) open() {
	ahead, err := s.next()
	if err != nil {
		s.err = err
		return
	}
	last := len(ahead) == 0
	if s.plain, err = s.aead.Open(nil, nonce(s.number, last), s.box, nil); err != nil {
		s.plain, s.err = nil, ErrSealed
		return
	}
	if s.number++; last {
		s.err = io.EOF
	}
	s.box = ahead
}

// PlainSize tells how many octets a sealed stream of a size holds. ErrSealed: there is none of that size.
func PlainSize(size int64) (int64, error) {
	body := size - int64(headSize)
	if body < tagSize {
		return 0, ErrSealed
	}
	const whole = chunkSize + tagSize
	chunks := (body + whole - 1) / whole
	plain := body - chunks*tagSize
	if rest := body % whole; rest != 0 && (rest < tagSize || rest == tagSize && chunks > 1) {
		return 0, ErrSealed
	}
	return plain, nil
}
