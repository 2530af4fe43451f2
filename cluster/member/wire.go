package member

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

// maxFrame is the most octets of a request to join and of its answer.
const maxFrame = 64 << 10

// Request is what a newcomer says: one CBOR value behind a length of four octets, big-endian.
type Request struct {
	Version     uint8       `cbor:"1,keyasint"`
	Site        fusion.Site `cbor:"2,keyasint"`
	Secret      []byte      `cbor:"3,keyasint"` // of the token
	Node        string      `cbor:"4,keyasint"` // the ID that it wants
	Address     string      `cbor:"5,keyasint"` // where the others reach it, host:port
	Certificate []byte      `cbor:"6,keyasint"` // request for one, PKCS #10, DER
	At          int64       `cbor:"7,keyasint"` // its clock, milliseconds UTC
	Knows       uint32      `cbor:"8,keyasint"` // the highest cluster version that its program knows
}

// Grant is what the site answers: all that makes the newcomer a node of it.
type Grant struct {
	Fault  uint8  `cbor:"1,keyasint,omitempty"`
	Reason string `cbor:"2,keyasint,omitempty"` // empty: granted
	Detail string `cbor:"3,keyasint,omitempty"`

	Chain       []byte      `cbor:"4,keyasint,omitempty"` // the node's certificate and the CA's, PEM
	CA          []byte      `cbor:"5,keyasint,omitempty"` // PEM
	CAKey       []byte      `cbor:"6,keyasint,omitempty"` // PEM: every node of a site can issue, so that none is missed
	Site        fusion.Site `cbor:"7,keyasint,omitempty"`
	SiteName    string      `cbor:"8,keyasint,omitempty"`
	Realm       string      `cbor:"9,keyasint,omitempty"`
	Incarnation uint64      `cbor:"10,keyasint,omitempty"`
	// The point in the log of the incarnation before at which the site went on in this one.
	FromIndex uint64 `cbor:"11,keyasint,omitempty"`
	FromTerm  uint64 `cbor:"12,keyasint,omitempty"`
}

// Version of the protocol, with its ALPN name.
const Version = 1

// maxSkew is how far a newcomer's clock may be off, ms: beyond it certificates and the order of messages would suffer.
const maxSkew = 5 * 60 * 1000

// ErrFrame reports a frame that is too long, or is not what it should be.
var ErrFrame = errors.New("member: bad frame")

func writeFrame(w io.Writer, v any) error {
	body, err := command.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		return ErrFrame
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return fmt.Errorf("%w: %d octets", ErrFrame, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	if err := command.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return nil
}
