package hearing

import (
	"fmt"
	"math"
	"slices"

	"github.com/guantong-net/guantong/testbed/speech"
)

// Verdict is all that is known of one listener's recording of one sentence.
type Verdict struct {
	Start     float64 // s in the recording at which the sentence begins
	Like      float64 // normalised cross-correlation at that place
	Spectral  float64
	STOI      float64
	Syllables int
	Missing   []Syllable
	Head      float64 // ms clipped at the beginning
	Tail      float64 // ms clipped at the end
	Wander    float64 // ms between the smallest and the largest lag: what the jitter buffer stretched
	Lags      []Lag
}

// Compare judges a recording that holds the reference somewhere.
func Compare(ref, rec speech.Sound, band Band) Verdict {
	var v Verdict
	if len(rec.Samples) == 0 {
		return Verdict{Head: ref.Seconds() * 1000, Tail: ref.Seconds() * 1000}
	}
	v.Start, v.Like = Align(ref, rec)
	v.Lags = Lags(ref, rec, v.Start)
	heard := Follow(ref, rec, v.Start, v.Lags, melRate)
	v.Spectral, v.STOI = Spectral(ref, heard, band), STOI(ref, heard)
	for _, s := range Syllables(ref, heard, band) {
		v.Syllables++
		if !s.Present {
			v.Missing = append(v.Missing, s)
		}
	}
	v.Head, v.Tail = ClippedHead(ref, heard, band), ClippedTail(ref, heard, band)
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range v.Lags {
		low, high = math.Min(low, l.Start), math.Max(high, l.Start)
	}
	if len(v.Lags) > 0 {
		v.Wander = (high - low) * 1000
	}
	return v
}

// Heard reports whether the sentence is in the recording at all. A recording in which somebody else speaks, or nobody, gives false:
// it is what "nobody hears without permission" is checked with.
func (v Verdict) Heard() bool { return v.Spectral > 0.55 && v.STOI > 0.45 }

// String is the verdict in one line.
func (v Verdict) String() string {
	return fmt.Sprintf("at %.3f s: spectral %.3f, STOI %.3f, syllables %d of %d, clipped %.0f ms head, %.0f ms tail, lag wanders %.0f ms",
		v.Start, v.Spectral, v.STOI, v.Syllables-len(v.Missing), v.Syllables, v.Head, v.Tail, v.Wander)
}

// Percentile is the value below which p per cent of x lie (nearest rank); 0 where x is empty.
func Percentile(x []float64, p float64) float64 {
	if len(x) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(x))
	return s[max(0, min(len(s)-1, int(math.Ceil(p/100*float64(len(s))))-1))]
}
