package dsp

// overlap is the length of a joint in time scaling: 10 ms at 16 kHz.
const overlap = 160

// Shorten removes between least and most samples from the front part of x (16 kHz), in place, and returns what is
// left. It takes out what is most like a whole number of pitch periods and cross-fades over 10 ms, so that speech gets
// faster and keeps its pitch (WSOLA with the search at the joint). With less than least + 160 samples x comes back whole.
func Shorten(x []int16, least, most int) []int16 {
	most = min(most, len(x)-overlap)
	if most < least || least <= 0 {
		return x
	}
	cut := bestLag(x, least, most)
	for i := range overlap {
		a, b := int32(x[i]), int32(x[cut+i])
		x[cut+i] = int16((a*int32(overlap-i) + b*int32(i)) / overlap)
	}
	return x[:copy(x, x[cut:])]
}

// bestLag is the shift of highest normalized correlation; with nothing to correlate (silence) it is the longest.
func bestLag(x []int16, least, most int) int {
	best, bestScore := most, float32(0)
	for lag := least; lag <= most; lag++ {
		var cross, power float32
		for i := 0; i < overlap; i += 2 {
			b := float32(x[lag+i])
			cross += float32(x[i]) * b
			power += b * b
		}
		if cross > 0 && power > 0 {
			if score := cross * cross / power; score > bestScore {
				best, bestScore = lag, score
			}
		}
	}
	return best
}

// Power is the mean square of x, 0 for no samples.
func Power(x []int16) float64 {
	if len(x) == 0 {
		return 0
	}
	var sum int64
	for _, s := range x {
		sum += int64(s) * int64(s)
	}
	return float64(sum) / float64(len(x))
}
