package codec

// g722Pair is what coder and decoder keep: the two bands and the QMF's delay line.
type g722Pair struct {
	low, high g722Band
	x         [24]int32
}

func newG722Pair() g722Pair { return g722Pair{low: g722Band{det: 32}, high: g722Band{det: 8}} }

// lowCode and highCode adapt a band to the code that was sent.
func (g *g722Pair) lowCode(code byte) {
	code >>= 2
	d := g.low.det * g722QM4[code] >> 15
	g.low.scale(g722WL[g722RL42[code]], 18432, 8)
	g.low.update(d)
}

func (g *g722Pair) highCode(code byte) {
	d := g.high.det * g722QM2[code] >> 15
	g.high.scale(g722WH[g722RH2[code]], 22528, 10)
	g.high.update(d)
}

// g722Encoder is the SB-ADPCM encoder of ITU-T G.722 §3 at 64 kbit/s (mode 1).
type g722Encoder struct{ g722Pair }

func newG722Encoder() *g722Encoder { return &g722Encoder{newG722Pair()} }

func (e *g722Encoder) Encode(dst []byte, pcm []int16) ([]byte, error) {
	if len(pcm) != FrameSamples {
		return dst, ErrFrameLength
	}
	for i := 0; i < len(pcm); i += 2 {
		dst = append(dst, e.pair(int32(pcm[i]), int32(pcm[i+1])))
	}
	return dst, nil
}

// pair codes two samples: transmit QMF, then both bands.
func (e *g722Encoder) pair(first, second int32) byte {
	copy(e.x[:22], e.x[2:])
	e.x[22], e.x[23] = first, second
	var odd, even int32
	for i, c := range g722QMF {
		odd += e.x[2*i] * c
		even += e.x[2*i+1] * g722QMF[11-i]
	}
	low := g722Low(sat16((even+odd)>>14-e.low.s), e.low.det)
	high := g722High(sat16((even-odd)>>14-e.high.s), e.high.det)
	e.lowCode(low)
	e.highCode(high)
	return high<<6 | low
}

// g722Low is QUANTL: six bits.
func g722Low(diff, det int32) byte {
	w := diff
	if diff < 0 {
		w = -(diff + 1)
	}
	i := 1
	for i < 30 && w >= g722Q6[i]*det>>12 {
		i++
	}
	if diff < 0 {
		return g722ILN[i]
	}
	return g722ILP[i]
}

// g722High is QUANTH: two bits.
func g722High(diff, det int32) byte {
	w := diff
	if diff < 0 {
		w = -(diff + 1)
	}
	outer := w >= 564*det>>12
	switch {
	case diff < 0 && outer:
		return 0
	case diff < 0:
		return 1
	case outer:
		return 2
	}
	return 3
}

// g722Decoder is the decoder of ITU-T G.722 §4, mode 1.
type g722Decoder struct {
	g722Pair
	hide *concealer
}

func newG722Decoder() *g722Decoder {
	return &g722Decoder{g722Pair: newG722Pair(), hide: newConcealer(PCMRate)}
}

func (d *g722Decoder) Decode(dst []int16, payload []byte) ([]int16, error) {
	if len(payload) == 0 || len(payload) > MaxPacketSamples/2 {
		return dst, ErrMalformed
	}
	at := len(dst)
	for _, code := range payload {
		first, second := d.pair(code)
		dst = append(dst, first, second)
	}
	d.hide.good(dst[at:])
	return dst, nil
}

// pair decodes two samples: both bands, then the receive QMF.
func (d *g722Decoder) pair(code byte) (first, second int16) {
	lowCode, highCode := code&0x3f, code>>6
	low := clamp15(d.low.s + d.low.det*g722QM6[lowCode]>>15)
	high := clamp15(d.high.s + d.high.det*g722QM2[highCode]>>15)
	d.lowCode(lowCode)
	d.highCode(highCode)
	copy(d.x[:22], d.x[2:])
	d.x[22], d.x[23] = low+high, low-high
	var odd, even int32
	for i, c := range g722QMF {
		odd += d.x[2*i] * c
		even += d.x[2*i+1] * g722QMF[11-i]
	}
	return int16(sat16(even >> 11)), int16(sat16(odd >> 11))
}

func clamp15(x int32) int32 { return max(-16384, min(x, 16383)) }

// Conceal repeats what was heard; the predictors stay where they were and find their way back within a few ms.
func (d *g722Decoder) Conceal(dst []int16, n int) []int16 { return d.hide.bad(dst, clampLoss(n)) }
