package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxPacketSamples is the longest packet that a Decoder takes: 120 ms at PCMRate (RFC 6716 §3.2.5).
const MaxPacketSamples = PCMRate * 120 / 1000

// MaxPayload is the largest payload of one packet, in bytes: 120 ms of L16.
const MaxPayload = 2 * MaxPacketSamples

// Errors of encoders and decoders.
var (
	ErrUnknown     = errors.New("codec: unknown codec")
	ErrFrameLength = errors.New("codec: a frame is 320 samples, 20 ms at 16 kHz")
	ErrMalformed   = errors.New("codec: malformed packet")
	ErrBitrate     = errors.New("codec: Opus takes 6000 to 128000 bit/s")
)

var nativeEndian = binary.NativeEndian

// Recoverer is a Decoder whose packets may carry a coarse copy of the one before (Opus in-band FEC, RFC 6716 §2.1.7).
type Recoverer interface {
	// Recover appends n samples that stand for the lost packet before next, out of what next knows of it; where it
	// knows nothing they are concealment. Then next is decoded as usual.
	Recover(dst []int16, next []byte, n int) ([]int16, error)
}

// NewEncoder makes an encoder. It fails with ErrUnknown or ErrBitrate.
func NewEncoder(p Params) (Encoder, error) {
	switch p.ID {
	case Opus:
		return newOpusEncoder(p)
	case PCMU:
		return newG711Encoder(linearToUlaw)
	case PCMA:
		return newG711Encoder(linearToAlaw)
	case G722:
		return newG722Encoder(), nil
	case L16:
		return l16{}, nil
	}
	return nil, fmt.Errorf("new encoder for codec %d: %w", p.ID, ErrUnknown)
}

// NewDecoder makes a decoder. It fails with ErrUnknown.
func NewDecoder(id ID) (Decoder, error) {
	switch id {
	case Opus:
		return newOpusDecoder()
	case PCMU:
		return newG711Decoder(ulawLinear)
	case PCMA:
		return newG711Decoder(alawLinear)
	case G722:
		return newG722Decoder(), nil
	case L16:
		return l16{hide: newConcealer(PCMRate)}, nil
	}
	return nil, fmt.Errorf("new decoder for codec %d: %w", id, ErrUnknown)
}

// clampLoss bounds one concealment to 1 s, so that no length computed from a peer's numbers costs more.
func clampLoss(n int) int { return max(0, min(n, PCMRate)) }
