package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

// MaxFrame is the most octets of one frame: a command and what surrounds it.
const MaxFrame = command.MaxSize + 1024

// kind says what is asked.
type kind uint8

const (
	askPropose  kind = 1 // body: command.Encode → state.Result
	askIndex    kind = 2 // no body → uint64
	askProgress kind = 3 // no body → Progress
	askRoute    kind = 4 // body: command.Encode → state.Result: brought to the leader by whoever is asked
)

// request and answer are CBOR behind a length of four octets, big-endian. Seq pairs them.
type request struct {
	Seq  uint64 `cbor:"1,keyasint"`
	Kind kind   `cbor:"2,keyasint"`
	Body []byte `cbor:"3,keyasint,omitempty"`
}

type answer struct {
	Seq    uint64 `cbor:"1,keyasint"`
	Fault  uint8  `cbor:"2,keyasint,omitempty"`
	Reason string `cbor:"3,keyasint,omitempty"` // empty: done
	Detail string `cbor:"4,keyasint,omitempty"`
	Body   []byte `cbor:"5,keyasint,omitempty"`
}

// Progress is how far a node is, and how it is. A later version may say more than this one reads.
type Progress struct {
	Applied uint64 `cbor:"1,keyasint"` // into the state
	Last    uint64 `cbor:"2,keyasint"` // of its log
	Term    uint64 `cbor:"3,keyasint"`
	Knows   uint32 `cbor:"4,keyasint,omitempty"` // the highest cluster version that its program knows
	Fsync   uint64 `cbor:"5,keyasint,omitempty"` // p99 of its log's appends of the last minute, µs
	Appends uint64 `cbor:"6,keyasint,omitempty"` // how many those are
	Low     bool   `cbor:"7,keyasint,omitempty"` // its battery is nearly empty
}

// ErrFrame reports a frame that is too long, or is not what it should be.
var ErrFrame = errors.New("forward: bad frame")

func appendFrame(v any) ([]byte, error) {
	body, err := command.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(body) > MaxFrame {
		return nil, fmt.Errorf("%w: %d octets", ErrFrame, len(body))
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body))), body...), nil
}

// readFrame reads one frame into v. It takes its memory as the octets come, not as the length says.
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > MaxFrame {
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
func refusal(seq uint64, err error) answer {
	a := answer{Seq: seq, Fault: uint8(fusion.FaultOf(err)), Reason: fusion.ReasonOf(err), Detail: err.Error()}
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
