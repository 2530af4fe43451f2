package tone

import (
	"fmt"
	"math"
	"math/cmplx"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// Digits are the signals of ITU-T Q.23, row by row.
const Digits = "123A456B789C*0#D"

var (
	rows    = [4]float64{697, 770, 852, 941}
	columns = [4]float64{1209, 1336, 1477, 1633}
)

// DTMF is a pattern that dials digits: each sounds for on and is followed by off. It fails for what is no digit.
func DTMF(digits string, on, off time.Duration) (Pattern, error) {
	var p Pattern
	for _, d := range digits {
		i := indexDigit(d)
		if i < 0 {
			return Pattern{}, fmt.Errorf("tone: %q is no DTMF digit", d)
		}
		p.Parts = append(p.Parts, Part{For: on, Hz: [2]float64{rows[i/4], columns[i%4]}, Level: -9}, Part{For: off})
	}
	return p, nil
}

func indexDigit(d rune) int {
	for i, c := range Digits {
		if c == d {
			return i
		}
	}
	return -1
}

// What a signal must be (ITU-T Q.24, table 1, with the values of most administrations): frequencies within 1.5 % are taken, beyond 3.5 %
// refused; 40 ms are taken, 23 ms refused; a pause of 40 ms parts two signals, a dropout of 10 ms does not.
const (
	block     = codec.PCMRate / 100 // 10 ms hop
	window    = 2 * block           // 20 ms window: 50 Hz wide
	least     = 3                   // windows that agree: 40 ms of signal at any alignment
	mostGap   = 2                   // windows without it that do not end a signal
	twist     = 6.31                // 8 dB either way, between column and row
	minPower  = 203 * 203           // of the weaker tone: -38 dBm0
	purity    = 0.75                // of the window's power, that is in the two tones
	secondGap = 4.0                 // 6 dB, from the strongest to the next in each group
	offset    = 0.025               // of the frequency: between what must be taken and what must be refused
)

// Detector finds DTMF signals by Goertzel filters. It wants two pure tones and next to nothing else, for three windows on
// end, which speech does not give it.
type Detector struct {
	ring    [window]float64
	filled  int // samples since the last hop
	shape   [window]float64
	omega   [8]float64
	coeff   [8]float64
	now     [8]complex128 // the filters' outputs for this window
	before  [8]complex128 // and for the one before
	last    byte          // the digit that the one before looked like
	current byte          // being signalled, 0 for none
	maybe   byte          // seen in the last windows
	count   int
	gap     int
}

// NewDetector makes a detector.
func NewDetector() *Detector {
	d := &Detector{}
	for i := range d.shape {
		d.shape[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/window)
	}
	for i := range 4 {
		d.omega[i], d.omega[4+i] = 2*math.Pi*rows[i]/codec.PCMRate, 2*math.Pi*columns[i]/codec.PCMRate
	}
	for i, w := range d.omega {
		d.coeff[i] = 2 * math.Cos(w)
	}
	return d
}

// Event is a digit that began or ended.
type Event struct {
	Digit byte
	Begin bool
}

// Feed takes PCM and appends what began and ended in it to events.
func (d *Detector) Feed(pcm []int16, events []Event) []Event {
	for len(pcm) > 0 {
		n := min(len(pcm), block-d.filled)
		at := window - block + d.filled
		for i, s := range pcm[:n] {
			d.ring[at+i] = float64(s)
		}
		d.filled += n
		pcm = pcm[n:]
		if d.filled == block {
			events = d.judge(d.look(), events)
			copy(d.ring[:], d.ring[block:])
			d.filled = 0
		}
	}
	return events
}

// Active is the digit that is being signalled, or 0.
func (d *Detector) Active() byte { return d.current }

// judge follows the windows.
func (d *Detector) judge(seen byte, events []Event) []Event {
	if seen == d.maybe && seen != 0 {
		d.count++
	} else {
		d.maybe, d.count = seen, 1
	}
	if d.current != 0 {
		if seen == d.current {
			d.gap = 0
			return events
		}
		if d.gap++; d.gap <= mostGap {
			return events
		}
		events = append(events, Event{Digit: d.current})
		d.current = 0
	}
	if seen != 0 && d.count >= least {
		d.current, d.gap = seen, 0
		events = append(events, Event{Digit: seen, Begin: true})
	}
	return events
}

// look gives the digit in the window, or 0. Two windows on end also tell the frequencies to a few Hz, by how far the
// phase has turned: what is beside them is refused, and a voice's gliding harmonics with it.
func (d *Detector) look() byte {
	d.before = d.now
	digit, row, column := d.shapeOf()
	same := digit != 0 && digit == d.last
	d.last = digit
	if same && !(d.onFrequency(row) && d.onFrequency(4+column)) {
		return 0
	}
	return digit
}

// shapeOf judges the window by the power of its tones alone.
func (d *Detector) shapeOf() (digit byte, row, column int) {
	var power [8]float64
	for i := range d.coeff {
		d.now[i] = d.goertzel(i)
		re, im := real(d.now[i]), imag(d.now[i])
		power[i] = re*re + im*im
	}
	total := 0.0
	for i, s := range d.ring {
		v := s * d.shape[i]
		total += v * v
	}
	total /= window * 0.375 // the mean square of the Hann window
	row, column = strongest(power[:4]), strongest(power[4:])
	r, c := power[row], power[4+column]
	switch {
	case r < minPower || c < minPower:
	case c > r*twist || r > c*twist:
	case !standsOut(power[:4], row) || !standsOut(power[4:], column):
	case r+c < purity*total:
	default:
		return Digits[row*4+column], row, column
	}
	return 0, row, column
}

// goertzel is the window's part at one frequency, as RMS and phase at the window's end.
func (d *Detector) goertzel(i int) complex128 {
	var s1, s2 float64
	for k, x := range d.ring {
		s1, s2 = x*d.shape[k]+d.coeff[i]*s1-s2, s1
	}
	const norm = math.Sqrt2 / (window * 0.5) // the mean of the Hann window is a half
	return complex((s1-s2*math.Cos(d.omega[i]))*norm, s2*math.Sin(d.omega[i])*norm)
}

// onFrequency compares how far filter i's phase has turned in a hop with how far its frequency turns.
func (d *Detector) onFrequency(i int) bool {
	turned := cmplx.Phase(d.now[i] * cmplx.Conj(d.before[i]))
	off := math.Remainder(turned-d.omega[i]*block, 2*math.Pi)
	return math.Abs(off) < offset*d.omega[i]*block
}

func strongest(p []float64) int {
	best := 0
	for i := range p {
		if p[i] > p[best] {
			best = i
		}
	}
	return best
}

func standsOut(p []float64, best int) bool {
	for i := range p {
		if i != best && p[i]*secondGap > p[best] {
			return false
		}
	}
	return true
}

// lookAhead is how much the muter holds back: what the detector needs to be sure, and the beginning of its first window. 60 ms.
const lookAhead = 6 * block

// Muter keeps DTMF out of what is passed on. Speech passes unchanged, 60 ms later: long enough that a signal is known before
// its first sample leaves.
type Muter struct {
	det   *Detector
	delay [lookAhead]int16
	mute  [lookAhead / block]bool // of each block in delay, oldest first
	part  []int16                 // input that does not fill a block yet
	tail  int                     // blocks to mute still after the signal
}

// NewMuter makes a muter.
func NewMuter() *Muter { return &Muter{det: NewDetector(), part: make([]int16, 0, block)} }

// Feed takes PCM, appends as much to dst, 60 ms late and without DTMF, and the events to events. Pieces that are no multiple of 10 ms come
// out in such blocks.
func (m *Muter) Feed(dst, pcm []int16, events []Event) ([]int16, []Event) {
	for len(pcm) > 0 {
		n := min(len(pcm), block-len(m.part))
		m.part = append(m.part, pcm[:n]...)
		pcm = pcm[n:]
		if len(m.part) < block {
			break
		}
		events = m.det.Feed(m.part, events)
		dst = m.shift(dst)
		m.part = m.part[:0]
	}
	return dst, events
}

// shift puts one block out and another in.
func (m *Muter) shift(dst []int16) []int16 {
	const last = lookAhead/block - 1
	quiet := m.mute[0]
	at := len(dst)
	dst = append(dst, m.delay[:block]...)
	if quiet {
		clear(dst[at:])
	}
	copy(m.delay[:], m.delay[block:])
	copy(m.delay[lookAhead-block:], m.part)
	copy(m.mute[:], m.mute[1:])
	m.mute[last] = false
	switch {
	case m.det.Active() != 0:
		// All that led to the decision, and a block before it: the signal began somewhere in there.
		for i := last - least - 1; i <= last; i++ {
			m.mute[i] = true
		}
		m.tail = 2
	case m.tail > 0:
		m.tail--
		m.mute[last] = true
	}
	return dst
}
