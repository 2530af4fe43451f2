package shelf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

const (
	maxFrame = 64 << 10 // octets of one frame
	// MaxNames bounds the contents, and the bursts, that one request asks after.
	MaxNames = 256
	// MaxRange is the most octets of one fetch: what lies behind it is asked for again, so that who asks can stop.
	MaxRange = 4 << 20
	maxNode  = 128
)

// kind says what is asked.
type kind uint8

const (
	askNothing kind = 1 // are you there?
	askHave    kind = 2 // Names → Sizes, -1 for what it lacks; Touch keeps what it has from being pruned
	askFetch   kind = 3 // Names[0], Offset, Length → Size, Length, and so many octets after the frame
	askPush    kind = 4 // Names[0], Size → Offset; unless that is Size, the octets from there on follow, and a second answer
	askCopies  kind = 5 // Bursts → Copies
)

// request and answer are CBOR behind a length of four octets, big-endian. A connection carries one request at a time.
type request struct {
	Kind       kind        `cbor:"1,keyasint"`
	Names      []string    `cbor:"2,keyasint,omitempty"`
	Size       int64       `cbor:"3,keyasint,omitempty"`
	Offset     int64       `cbor:"4,keyasint,omitempty"`
	Length     int64       `cbor:"5,keyasint,omitempty"`
	Touch      bool        `cbor:"6,keyasint,omitempty"`
	Background bool        `cbor:"7,keyasint,omitempty"` // nobody waits for it
	Bursts     []fusion.ID `cbor:"8,keyasint,omitempty"`
}

type answer struct {
	Fault  uint8   `cbor:"1,keyasint,omitempty"`
	Reason string  `cbor:"2,keyasint,omitempty"` // empty: done
	Detail string  `cbor:"3,keyasint,omitempty"`
	Sizes  []int64 `cbor:"4,keyasint,omitempty"`
	Size   int64   `cbor:"5,keyasint,omitempty"`
	Offset int64   `cbor:"6,keyasint,omitempty"`
	Length int64   `cbor:"7,keyasint,omitempty"`
	Copies []Copy  `cbor:"8,keyasint,omitempty"`
}

// Copy is what a node has of a burst that is not indexed, or not by it.
type Copy struct {
	Heard int64 `cbor:"1,keyasint,omitempty"` // ms of speech; of several the most
	Own   bool  `cbor:"2,keyasint,omitempty"` // it is its own recording: it will be indexed by itself
	Open  bool  `cbor:"3,keyasint,omitempty"` // the burst is still being recorded
	None  bool  `cbor:"4,keyasint,omitempty"`
}

// ErrFrame reports a frame that is too long, or is not what it should be.
var ErrFrame = errors.New("shelf: bad frame")

func (r request) check() error {
	one := r.Kind == askFetch || r.Kind == askPush
	switch {
	case len(r.Names) > MaxNames || len(r.Bursts) > MaxNames:
		return fmt.Errorf("%w: it asks after too much", ErrFrame)
	case one && len(r.Names) != 1:
		return fmt.Errorf("%w: it names %d contents", ErrFrame, len(r.Names))
	case r.Size < 0 || r.Offset < 0 || r.Length < 0:
		return fmt.Errorf("%w: less than nothing", ErrFrame)
	}
	return nil
}

func writeFrame(w io.Writer, v any) error {
	body, err := command.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		return fmt.Errorf("%w: %d octets", ErrFrame, len(body))
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body))), body...))
	return err
}

// readFrame reads one frame into v. It takes its memory as the octets come, not as the length says.
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return fmt.Errorf("%w: %d octets", ErrFrame, n)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return err
	}
	if len(body) < int(n) {
		return io.ErrUnexpectedEOF
	}
	if err := command.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return nil
}

// refusal puts an error on the wire.
func refusal(err error) answer {
	a := answer{Fault: uint8(fusion.FaultOf(err)), Reason: fusion.ReasonOf(err), Detail: err.Error()}
	if e, ok := errors.AsType[*fusion.Error](err); ok {
		a.Detail = e.Detail
	}
	a.Detail = a.Detail[:min(len(a.Detail), 512)]
	return a
}

func (a answer) err() error {
	if a.Reason == "" {
		return nil
	}
	return &fusion.Error{Fault: fusion.Fault(a.Fault), Reason: a.Reason, Detail: a.Detail}
}
