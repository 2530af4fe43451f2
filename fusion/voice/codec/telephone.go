package codec

import "github.com/guantong-net/guantong/fusion/voice/dsp"

// g711Encoder codes a frame at 8 kHz: PCMU or PCMA.
type g711Encoder struct {
	down *dsp.Resampler
	code func(int16) byte
	pcm  []int16
}

func newG711Encoder(code func(int16) byte) (*g711Encoder, error) {
	down, err := dsp.NewResampler(PCMRate, 8000)
	if err != nil {
		return nil, err
	}
	return &g711Encoder{down: down, code: code, pcm: make([]int16, 0, FrameSamples/2+1)}, nil
}

func (e *g711Encoder) Encode(dst []byte, pcm []int16) ([]byte, error) {
	if len(pcm) != FrameSamples {
		return dst, ErrFrameLength
	}
	e.pcm = e.down.Append(e.pcm[:0], pcm)
	for _, s := range e.pcm {
		dst = append(dst, e.code(s))
	}
	return dst, nil
}

// g711Decoder is the way back. Losses are concealed at 8 kHz, before the resampler, so that the joint is smooth.
type g711Decoder struct {
	up    *dsp.Resampler
	table *[256]int16
	hide  *concealer
	pcm   []int16
}

func newG711Decoder(table *[256]int16) (*g711Decoder, error) {
	up, err := dsp.NewResampler(8000, PCMRate)
	if err != nil {
		return nil, err
	}
	return &g711Decoder{up: up, table: table, hide: newConcealer(8000), pcm: make([]int16, 0, MaxPacketSamples/2)}, nil
}

func (d *g711Decoder) Decode(dst []int16, payload []byte) ([]int16, error) {
	if len(payload) == 0 || len(payload) > MaxPacketSamples/2 {
		return dst, ErrMalformed
	}
	d.pcm = d.pcm[:0]
	for _, b := range payload {
		d.pcm = append(d.pcm, d.table[b])
	}
	d.hide.good(d.pcm)
	return d.up.Append(dst, d.pcm), nil
}

func (d *g711Decoder) Conceal(dst []int16, n int) []int16 {
	for n = clampLoss(n); n > 0; {
		m := min((n+1)/2, cap(d.pcm))
		d.pcm = d.hide.bad(d.pcm[:0], m)
		before := len(dst)
		dst = d.up.Append(dst, d.pcm)
		n -= max(len(dst)-before, 1)
	}
	return dst
}

// l16 is PCM in machine order: a copy.
type l16 struct{ hide *concealer }

func (l16) Encode(dst []byte, pcm []int16) ([]byte, error) {
	if len(pcm) != FrameSamples {
		return dst, ErrFrameLength
	}
	for _, s := range pcm {
		dst = nativeEndian.AppendUint16(dst, uint16(s))
	}
	return dst, nil
}

func (l l16) Decode(dst []int16, payload []byte) ([]int16, error) {
	if len(payload) == 0 || len(payload)%2 != 0 || len(payload) > 2*MaxPacketSamples {
		return dst, ErrMalformed
	}
	start := len(dst)
	for i := 0; i < len(payload); i += 2 {
		dst = append(dst, int16(nativeEndian.Uint16(payload[i:])))
	}
	l.hide.good(dst[start:])
	return dst, nil
}

func (l l16) Conceal(dst []int16, n int) []int16 { return l.hide.bad(dst, clampLoss(n)) }
