package codec

// concealer hides lost packets by repeating the last pitch period, in the manner of ITU-T G.711 Appendix I:
// the period is found by correlation, its ends are overlapped so that it joins itself, and it fades out
// between 10 and 60 ms. The first good samples are cross-faded with its continuation.
type concealer struct {
	rate    int
	history []int16 // the last 40 ms that were played, oldest first
	period  []int16 // what is repeated while hiding
	at      int     // position in period
	lost    int     // samples hidden so far, 0 while all is well
	gain    int32   // Q15
}

func newConcealer(rate int) *concealer {
	return &concealer{rate: rate, history: make([]int16, rate*40/1000), period: make([]int16, 0, rate*15/1000)}
}

// good takes decoded samples into the history, after it has joined them to a concealment before them. One that has
// faded to silence needs no joint: a syllable begins as it was spoken.
func (c *concealer) good(pcm []int16) {
	if c.lost > 0 && c.gain > 0 {
		n := min(len(pcm), c.rate*5/1000)
		for i := range n {
			old := int32(c.next())
			pcm[i] = int16((old*int32(n-i) + int32(pcm[i])*int32(i)) / int32(n))
		}
	}
	c.lost = 0
	c.remember(pcm)
}

func (c *concealer) remember(pcm []int16) {
	if len(pcm) >= len(c.history) {
		copy(c.history, pcm[len(pcm)-len(c.history):])
		return
	}
	copy(c.history, c.history[len(pcm):])
	copy(c.history[len(c.history)-len(pcm):], pcm)
}

// bad appends n samples in place of lost ones.
func (c *concealer) bad(dst []int16, n int) []int16 {
	if c.lost == 0 {
		c.start()
	}
	at := len(dst)
	for range n {
		dst = append(dst, c.next())
	}
	c.remember(dst[at:])
	return dst
}

// start cuts the last pitch period out of the history and blends its end with what came before its beginning.
func (c *concealer) start() {
	h, lag := c.history, c.pitch()
	c.period = append(c.period[:0], h[len(h)-lag:]...)
	overlap := lag / 4
	for i := range overlap {
		older := int32(h[len(h)-lag-overlap+i])
		k := lag - overlap + i
		c.period[k] = int16((int32(c.period[k])*int32(overlap-i) + older*int32(i)) / int32(overlap))
	}
	c.at, c.gain = 0, 1<<15
}

// pitch is the lag, 2.5 to 15 ms, at which the last 15 ms are most like what came before.
func (c *concealer) pitch() int {
	h := c.history
	n := c.rate * 15 / 1000
	best, bestScore := c.rate*10/1000, float32(0)
	tail := h[len(h)-n:]
	for lag := c.rate * 25 / 10000; lag <= n; lag++ {
		var cross, power float32
		seg := h[len(h)-n-lag : len(h)-lag]
		for i := 0; i < n; i += 2 {
			cross += float32(tail[i]) * float32(seg[i])
			power += float32(seg[i]) * float32(seg[i])
		}
		if cross <= 0 || power == 0 {
			continue
		}
		if score := cross * cross / power; score > bestScore*1.02 {
			best, bestScore = lag, score
		}
	}
	return best
}

// next is one concealed sample: full for 10 ms, then down to nothing at 60 ms.
func (c *concealer) next() int16 {
	c.lost++
	if full := c.rate / 100; c.lost > full {
		c.gain = max(0, c.gain-int32(1<<15/(5*full)+1))
	}
	s := int32(c.period[c.at]) * c.gain >> 15
	if c.at++; c.at == len(c.period) {
		c.at = 0
	}
	return int16(s)
}
