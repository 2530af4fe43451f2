package peer

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/guantong-net/guantong/testbed/speech"
)

// rawTap is one tap as console.js hands it over.
type rawTap struct {
	Rate  int       `json:"rate"`
	Size  int       `json:"size"`
	Count int       `json:"count"`
	Last  float64   `json:"last"`
	N     []int     `json:"n"`
	At    []float64 `json:"at"`
	PCM   string    `json:"pcm"`
}

// Capture is a stretch of what a tap took: sound on the machine's monotonic clock.
type Capture struct {
	Sound speech.Sound
	Begin float64 // ms, monotonic clock, of the first sample
	Loud  float64 // ms of it that is not digital silence
}

// At is the time of a place in the capture, in ms of the monotonic clock.
func (c Capture) At(seconds float64) float64 { return c.Begin + seconds*1000 }

// capture lays the frames on one timeline by their running numbers, which are exact, and takes the times' median offset, for a single frame's time has the jitter of a
// thread that woke late. Frames that the tap numbered after dropping some would shift: the times tell, and the numbers are moved by whole frames.
func (r rawTap) capture() (Capture, error) {
	if len(r.N) == 0 || r.Size == 0 || r.Rate == 0 {
		return Capture{}, nil
	}
	raw, err := base64.StdEncoding.DecodeString(r.PCM)
	if err != nil || len(raw) != 2*r.Size*len(r.N) || len(r.At) != len(r.N) {
		return Capture{}, fmt.Errorf("peer: a tap of %d frames has %d octets: %w", len(r.N), len(raw), err)
	}
	frame := 1000 * float64(r.Size) / float64(r.Rate) // ms
	places := r.places(frame)
	first, last := places[0], places[len(places)-1]
	out := Capture{Sound: speech.Sound{Rate: r.Rate, Samples: make([]float64, (last-first+1)*r.Size)}, Loud: float64(len(r.N)) * frame}
	var begins []float64
	for i, p := range places {
		at := (p - first) * r.Size
		for k := range r.Size {
			out.Sound.Samples[at+k] = float64(int16(binary.LittleEndian.Uint16(raw[2*(i*r.Size+k):]))) / 32768
		}
		begins = append(begins, r.At[i]-float64(p-first)*frame)
	}
	slices.Sort(begins)
	out.Begin = begins[len(begins)/2]
	return out, nil
}

// places gives each frame's place on the timeline. A jump of the times against the numbers of five frames or more that lasts is a gap in the numbers.
func (r rawTap) places(frame float64) []int {
	out := make([]int, len(r.N))
	shift := 0
	for i, n := range r.N {
		if i > 0 {
			drift := (r.At[i] - r.At[i-1]) - float64(n-r.N[i-1])*frame
			if drift > 5*frame && r.lasts(i, drift, frame) {
				shift += int(drift/frame + 0.5)
			}
		}
		out[i] = n + shift
	}
	return out
}

// lasts tells a gap from a thread that woke late: after it the frames do not hurry to catch up.
func (r rawTap) lasts(i int, drift, frame float64) bool {
	end := min(i+10, len(r.N)-1)
	took, should := r.At[end]-r.At[i], float64(r.N[end]-r.N[i])*frame
	return took > should-drift/2
}
