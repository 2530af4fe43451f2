package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/guantong-net/guantong/fusion/command"
)

// The kinds of frame, in the first octet. A relay's inner frame follows the names of its two ends.
const (
	kindHello   = 'h' // on the stream, first: it says only that the stream is there
	kindMessage = 'm' // on the stream
	kindBeat    = 'b' // in a datagram
	kindVoice   = 'v' // in a datagram
	kindRelay   = 'r' // either
)

const (
	maxFrame = 1 << 20
	maxName  = 64
	maxHears = 16
)

// ErrFrame reports a frame that is not what it should be.
var ErrFrame = errors.New("live: bad frame")

// beat is a heartbeat: an association's numbers, what was received, and what the sender knows of the site.
type beat struct {
	Mine   uint64   `cbor:"1,keyasint"` // the sender's number of this association
	Theirs uint64   `cbor:"2,keyasint"` // the receiver's, as the sender knows it; 0: not yet
	Ack    uint64   `cbor:"3,keyasint"` // the last message that was received in order
	Term   uint64   `cbor:"4,keyasint"`
	Leads  bool     `cbor:"5,keyasint,omitempty"`
	Hears  []string `cbor:"6,keyasint,omitempty"` // the nodes that the sender has a good path to
	You    bool     `cbor:"7,keyasint,omitempty"` // the sender hears the receiver directly
}

// message is one message of a topic.
type message struct {
	Mine   uint64 `cbor:"1,keyasint"`
	Theirs uint64 `cbor:"2,keyasint"`
	Seq    uint64 `cbor:"3,keyasint"` // from 1, without a gap
	Topic  string `cbor:"4,keyasint"`
	Body   []byte `cbor:"5,keyasint"`
}

func frameOf(kind byte, v any) []byte {
	body, err := command.Marshal(v)
	if err != nil {
		return nil // none of the types can fail
	}
	return append([]byte{kind}, body...)
}

// decodeFrame reads what frameOf made.
func decodeFrame(frame []byte, v any) error {
	if err := command.UnmarshalLoose(frame[1:], v); err != nil {
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	if b, ok := v.(*beat); ok && len(b.Hears) > maxHears {
		return fmt.Errorf("%w: a site of %d nodes", ErrFrame, len(b.Hears))
	}
	return nil
}

// relayed wraps a frame for a node that is reached by another one.
func relayed(to, from string, inner []byte) []byte {
	b := make([]byte, 0, 3+len(to)+len(from)+len(inner))
	b = append(b, kindRelay, byte(len(to)))
	b = append(b, to...)
	b = append(b, byte(len(from)))
	b = append(b, from...)
	return append(b, inner...)
}

// unrelayed is the reverse, of a whole frame.
func unrelayed(frame []byte) (to, from string, inner []byte, err error) {
	rest := frame[1:]
	for _, name := range []*string{&to, &from} {
		if len(rest) == 0 || int(rest[0]) > maxName || len(rest) < 1+int(rest[0]) {
			return "", "", nil, fmt.Errorf("%w: relay", ErrFrame)
		}
		*name, rest = string(rest[1:1+rest[0]]), rest[1+rest[0]:]
	}
	if len(rest) == 0 || rest[0] == kindRelay {
		return "", "", nil, fmt.Errorf("%w: relay", ErrFrame)
	}
	return to, from, rest, nil
}

// readFrame reads one frame of the stream. It takes its memory as the octets come, not as the length says.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return nil, fmt.Errorf("%w: %d octets", ErrFrame, n)
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(b) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

func writeFrame(w io.Writer, frame []byte) error {
	b := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(frame)), uint32(len(frame))), frame...)
	_, err := w.Write(b)
	return err
}
