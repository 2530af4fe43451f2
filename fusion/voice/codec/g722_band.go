package codec

// g722Band is the adaptive predictor of one sub-band (ITU-T G.722 §3.5, §3.6): two poles, six zeros.
// Index 0 is the sample at hand, 1 the one before, as in the Recommendation.
type g722Band struct {
	s, sz   int32    // prediction, and the zeros' part of it
	nb, det int32    // logarithmic and linear scale factor
	r, p, a [3]int32 // reconstructed signal, partial signal, pole coefficients
	d, b    [7]int32 // quantized difference, zero coefficients
}

func sat16(x int32) int32 { return max(-32768, min(x, 32767)) }

// scale adapts the step size (blocks LOGSCL and SCALEL, LOGSCH and SCALEH).
func (g *g722Band) scale(step, limit, shift int32) {
	g.nb = max(0, min(g.nb*127>>7+step, limit))
	mantissa, down := g722ILB[g.nb>>6&31], shift-g.nb>>11
	if down < 0 {
		g.det = mantissa << -down << 2
		return
	}
	g.det = mantissa >> down << 2
}

// update takes the quantized difference into the predictor (BLOCK 4L and 4H).
func (g *g722Band) update(d int32) {
	g.d[0] = d
	g.r[0] = sat16(g.s + d)
	g.p[0] = sat16(g.sz + d)
	a1, a2 := g.poles()
	g.zeros()
	copy(g.d[1:], g.d[:6])
	copy(g.r[1:], g.r[:2])
	copy(g.p[1:], g.p[:2])
	g.a[1], g.a[2] = a1, a2
	g.predict()
}

// poles gives the next pole coefficients (UPPOL2, UPPOL1).
func (g *g722Band) poles() (a1, a2 int32) {
	same1, same2 := g.p[0]>>15 == g.p[1]>>15, g.p[0]>>15 == g.p[2]>>15
	w := sat16(g.a[1] << 2)
	if same1 {
		w = min(-w, 32767)
	}
	a2 = w >> 7
	if same2 {
		a2 += 128
	} else {
		a2 -= 128
	}
	a2 = max(-12288, min(a2+g.a[2]*32512>>15, 12288))
	a1 = -192
	if same1 {
		a1 = 192
	}
	a1 = sat16(a1 + g.a[1]*32640>>15)
	bound := sat16(15360 - a2)
	return max(-bound, min(a1, bound)), a2
}

// zeros moves the zero coefficients (UPZERO).
func (g *g722Band) zeros() {
	step := int32(128)
	if g.d[0] == 0 {
		step = 0
	}
	for i := 1; i < 7; i++ {
		w := -step
		if g.d[i]>>15 == g.d[0]>>15 {
			w = step
		}
		g.b[i] = sat16(w + g.b[i]*32640>>15)
	}
}

// predict makes the next prediction (FILTEP, FILTEZ, PREDIC).
func (g *g722Band) predict() {
	sp := sat16(g.a[1]*sat16(2*g.r[1])>>15 + g.a[2]*sat16(2*g.r[2])>>15)
	sz := int32(0)
	for i := 6; i > 0; i-- {
		sz += g.b[i] * sat16(2*g.d[i]) >> 15
	}
	g.sz = sat16(sz)
	g.s = sat16(sp + g.sz)
}
