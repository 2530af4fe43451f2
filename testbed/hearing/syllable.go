package hearing

import (
	"math"

	"github.com/guantong-net/guantong/testbed/speech"
)

// Syllable is a stretch of the reference around one peak of loudness.
type Syllable struct {
	From, To float64 // seconds in the reference
	Level    float64 // dB under the loudest syllable's heard level that it lost (0 or less is none)
	Like     float64 // spectral correlation of the stretch
	Present  bool
}

const (
	syllableDip   = 3.0 // dB between two peaks for them to be two syllables
	syllableFloor = 25  // dB under the loudest: quieter peaks are breath
	lostLevel     = 12  // dB: a syllable that lost more than this against the others is missing
	lostLike      = 0.35
)

// Syllables finds the syllables of the reference by their peaks of loudness (Mermelstein's idea: split at dips), and says for each
// whether the aligned recording has it: its level against the median of all, and its spectral shape.
func Syllables(ref, heard speech.Sound, band Band) []Syllable {
	a, b := newMelGram(ref, band), newMelGram(heard, band)
	la, lb := soften(a.loudness()), soften(b.loudness())
	spans := split(la)
	gain := medianGain(la, lb, spans)
	var out []Syllable
	for _, s := range spans {
		y := Syllable{From: float64(s[0]) * melHop / melRate, To: float64(s[1]) * melHop / melRate}
		y.Level = levelLost(la, lb, s, gain)
		y.Like = spectral(a, b, s[0], s[1])
		y.Present = y.Level < lostLevel && y.Like > lostLike
		out = append(out, y)
	}
	return out
}

// soften averages over 50 ms, so that pitch periods are not syllables.
func soften(x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = mean(x[max(0, i-2):min(len(x), i+3)])
	}
	return out
}

// split cuts at the lowest place between two peaks that stand out by syllableDip; each span runs from dip to dip.
func split(level []float64) [][2]int {
	top := peak(level)
	var spans [][2]int
	start, high, low := 0, math.Inf(-1), math.Inf(1)
	dip, falling := 0, false
	for i, v := range level {
		switch {
		case !falling && v > high:
			high = v
		case !falling && v < high-syllableDip:
			falling, low, dip = true, v, i
		case falling && v < low:
			low, dip = v, i
		case falling && v > low+syllableDip:
			if high > top-syllableFloor {
				spans = append(spans, [2]int{start, dip})
			}
			start, high, falling = dip, v, false
		}
	}
	if high > top-syllableFloor {
		spans = append(spans, [2]int{start, len(level)})
	}
	return spans
}

// loudest gives the frame of the span's peak.
func loudest(level []float64, s [2]int) int {
	at := s[0]
	for i := s[0]; i < s[1]; i++ {
		if level[i] > level[at] {
			at = i
		}
	}
	return at
}

func medianGain(la, lb []float64, spans [][2]int) float64 {
	var gains []float64
	for _, s := range spans {
		if at := loudest(la, s); at < len(lb) {
			gains = append(gains, lb[at]-la[at])
		}
	}
	return Percentile(gains, 50)
}

// levelLost compares the peak of a syllable with the best level within 30 ms of it in the recording.
func levelLost(la, lb []float64, s [2]int, gain float64) float64 {
	at := loudest(la, s)
	best := math.Inf(-1)
	for i := max(0, at-3); i <= at+3 && i < len(lb); i++ {
		best = math.Max(best, lb[i])
	}
	return la[at] + gain - best
}
