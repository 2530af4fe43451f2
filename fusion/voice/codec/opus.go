package codec

import (
	"fmt"
	"slices"

	"github.com/thesyncim/gopus"
)

const (
	minOpusRate     = 6000
	maxOpusRate     = 128000
	defaultOpusRate = 24000
	// opusComplexity is where quality stops paying for the time: 154 µs for a frame.
	opusComplexity = 5
	// maxOpusPacket is the longest single-frame packet (RFC 6716 §3.2.1) with its header.
	maxOpusPacket = 1276
	// opusStep is the granularity of Opus in samples at PCMRate: 2.5 ms.
	opusStep = PCMRate / 400
)

type opusEncoder struct{ enc *gopus.Encoder }

func newOpusEncoder(p Params) (*opusEncoder, error) {
	rate := p.Bitrate
	if rate == 0 {
		rate = defaultOpusRate
	}
	if rate < minOpusRate || rate > maxOpusRate {
		return nil, fmt.Errorf("new encoder at %d bit/s: %w", p.Bitrate, ErrBitrate)
	}
	enc, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: PCMRate, Channels: 1, Application: gopus.ApplicationVoIP})
	if err != nil {
		return nil, fmt.Errorf("new Opus encoder: %w", err)
	}
	if err := setUpOpus(enc, rate, p.Limit); err != nil {
		return nil, fmt.Errorf("new Opus encoder: %w", err)
	}
	return &opusEncoder{enc: enc}, nil
}

// setUpOpus chooses constant bit rate where the rate is a limit: variable rate overshoots by a third, which a thin
// bearer has no room for. In-band FEC is left off: with it the library allocates for every frame, and it takes a
// third of the bits; what a browser sends with FEC is used when it is decoded here, and passes with it untouched.
func setUpOpus(enc *gopus.Encoder, rate int, limit bool) error {
	if err := enc.SetBitrate(rate); err != nil {
		return err
	}
	if err := enc.SetComplexity(opusComplexity); err != nil {
		return err
	}
	if err := enc.SetSignal(gopus.SignalVoice); err != nil {
		return err
	}
	if err := enc.SetFrameSize(FrameSamples); err != nil {
		return err
	}
	if err := enc.SetMaxBandwidth(gopus.BandwidthWideband); err != nil {
		return err
	}
	enc.SetVBR(!limit)
	return nil
}

func (e *opusEncoder) Encode(dst []byte, pcm []int16) (out []byte, err error) {
	if len(pcm) != FrameSamples {
		return dst, ErrFrameLength
	}
	defer guard(&err, "encode Opus")
	at := len(dst)
	out = dst
	dst = slices.Grow(dst, maxOpusPacket)
	n, err := e.enc.EncodeInt16(pcm, dst[at:at+maxOpusPacket])
	if err != nil {
		return out, fmt.Errorf("encode Opus: %w", err)
	}
	return dst[:at+n], nil
}

// guard turns a panic inside the Opus library into an error: the library is young, and what it reads comes from outside.
func guard(err *error, op string) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: library failed: %v: %w", op, r, ErrMalformed)
	}
}

type opusDecoder struct {
	dec   *gopus.Decoder
	float []float32
}

func newOpusDecoder() (*opusDecoder, error) {
	dec, err := gopus.NewDecoder(gopus.DecoderConfig{SampleRate: PCMRate, Channels: 1, MaxPacketSamples: MaxPacketSamples, MaxPacketBytes: MaxPayload})
	if err != nil {
		return nil, fmt.Errorf("new Opus decoder: %w", err)
	}
	return &opusDecoder{dec: dec, float: make([]float32, MaxPacketSamples)}, nil
}

func (d *opusDecoder) Decode(dst []int16, payload []byte) (out []int16, err error) {
	if _, err := OpusDuration(payload); err != nil || len(payload) > MaxPayload {
		return dst, ErrMalformed
	}
	defer guard(&err, "decode Opus")
	at := len(dst)
	out = dst
	dst = slices.Grow(dst, MaxPacketSamples)
	n, err := d.dec.DecodeInt16(payload, dst[at:at+MaxPacketSamples])
	if err != nil {
		return out, fmt.Errorf("decode Opus: %w: %w", ErrMalformed, err)
	}
	return dst[:at+n], nil
}

func (d *opusDecoder) Conceal(dst []int16, n int) []int16 {
	for n = clampLoss(n); n > 0; {
		m := min(n, FrameSamples)
		dst = d.conceal(dst, m)
		n -= m
	}
	return dst
}

// conceal makes at most 20 ms. Opus conceals in steps of 2.5 ms, so it is asked for the next whole step and cut.
func (d *opusDecoder) conceal(dst []int16, n int) (out []int16) {
	at := len(dst)
	want := (n + opusStep - 1) / opusStep * opusStep
	dst = slices.Grow(dst, want)[:at+n]
	defer func() {
		if recover() != nil {
			clear(dst[at:])
			out = dst
		}
	}()
	got, err := d.dec.DecodeInt16(nil, dst[at:at+want])
	if err != nil {
		got = 0
	}
	if got < n {
		clear(dst[at+got:])
	}
	return dst
}

// Recover implements Recoverer.
func (d *opusDecoder) Recover(dst []int16, next []byte, n int) (out []int16, err error) {
	if n <= 0 || n > MaxPacketSamples || n%opusStep != 0 {
		return d.Conceal(dst, n), nil
	}
	if _, err := OpusDuration(next); err != nil || len(next) > MaxPayload {
		return dst, ErrMalformed
	}
	defer guard(&err, "recover Opus")
	out = dst
	got, err := d.dec.DecodeWithFEC(next, d.float[:n], true)
	if err != nil {
		return out, fmt.Errorf("recover Opus: %w: %w", ErrMalformed, err)
	}
	for _, f := range d.float[:got] {
		dst = append(dst, toPCM(f))
	}
	return dst, nil
}

func toPCM(f float32) int16 {
	f *= 32768
	switch {
	case f >= 32767:
		return 32767
	case f <= -32768:
		return -32768
	}
	return int16(f)
}
