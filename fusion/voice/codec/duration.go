package codec

import (
	"fmt"
	"time"
)

// OpusDuration reads how long an Opus packet is from its first bytes (RFC 6716 §3.1, §3.2): 2.5 to 120 ms.
// It fails with ErrMalformed.
func OpusDuration(payload []byte) (time.Duration, error) {
	if len(payload) == 0 {
		return 0, ErrMalformed
	}
	frames := 0
	switch payload[0] & 3 {
	case 0:
		frames = 1
	case 1, 2:
		frames = 2
	case 3:
		if len(payload) < 2 {
			return 0, ErrMalformed
		}
		frames = int(payload[1] & 0x3f)
	}
	d := opusFrame(payload[0]>>3) * time.Duration(frames)
	if frames == 0 || d > 120*time.Millisecond {
		return 0, ErrMalformed
	}
	return d, nil
}

// opusFrame is the frame length of one of the 32 configurations (RFC 6716 table 2).
func opusFrame(config byte) time.Duration {
	const ms = time.Millisecond
	switch {
	case config < 12: // SILK
		return [...]time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms}[config&3]
	case config < 16: // hybrid
		return [...]time.Duration{10 * ms, 20 * ms}[config&1]
	}
	return [...]time.Duration{2500 * time.Microsecond, 5 * ms, 10 * ms, 20 * ms}[config&3]
}

// Duration is how long a packet plays. It fails with ErrMalformed when the payload is empty, longer than 120 ms, or no
// whole number of samples, and with ErrUnknown.
func Duration(id ID, payload []byte) (time.Duration, error) {
	n := len(payload)
	switch id {
	case Opus:
		return OpusDuration(payload)
	case PCMU, PCMA, G722: // a byte per 8 kHz clock tick
		if n == 0 || n > MaxPacketSamples/2 {
			return 0, ErrMalformed
		}
		return time.Duration(n) * time.Second / 8000, nil
	case L16:
		if n == 0 || n%2 != 0 || n > MaxPayload {
			return 0, ErrMalformed
		}
		return time.Duration(n/2) * time.Second / PCMRate, nil
	}
	return 0, fmt.Errorf("duration of codec %d: %w", id, ErrUnknown)
}

// Ticks is how far an RTP timestamp of the codec moves in d.
func (id ID) Ticks(d time.Duration) uint32 {
	return uint32(int64(d) * int64(id.Clock()) / int64(time.Second))
}
