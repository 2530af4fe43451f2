package tone

import (
	"math"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// Part is a stretch of one or two frequencies; with none it is silence.
type Part struct {
	For   time.Duration
	Hz    [2]float64 // 0: none
	Level float64    // dBm0 of each frequency
}

// Pattern is what a caller hears: its parts in order, once or over and over.
type Pattern struct {
	Parts  []Part
	Repeat bool
}

// level of our own signals: -13 dBm0, 3 dB below the busy tone, so that they do not startle in a headset.
const signalLevel = -13

func beep(hz float64, ms int) Part {
	return Part{For: time.Duration(ms) * time.Millisecond, Hz: [2]float64{hz}, Level: signalLevel}
}

func rest(ms int) Part { return Part{For: time.Duration(ms) * time.Millisecond} }

func network(ms int) Part {
	return Part{For: time.Duration(ms) * time.Millisecond, Hz: [2]float64{450}, Level: -10}
}

// The network's tones are those of China: 450 Hz at -10 dBm0 (GB/T 3380, ITU-T E.180 Supplement 2).

// Dial (拨号音) is continuous.
func Dial() Pattern { return Pattern{Parts: []Part{network(1000)}, Repeat: true} }

// RingBack (回铃音) is 1 s on, 4 s off.
func RingBack() Pattern { return Pattern{Parts: []Part{network(1000), rest(4000)}, Repeat: true} }

// Busy (忙音) is 0.35 s on, 0.35 s off.
func Busy() Pattern { return Pattern{Parts: []Part{network(350), rest(350)}, Repeat: true} }

// Congestion (拥塞音) is 0.7 s on, 0.7 s off.
func Congestion() Pattern { return Pattern{Parts: []Part{network(700), rest(700)}, Repeat: true} }

// Unobtainable (空号音) is three short ones and a long one.
func Unobtainable() Pattern {
	return Pattern{Parts: []Part{network(100), rest(100), network(100), rest(100), network(100), rest(100), network(400), rest(400)}, Repeat: true}
}

// Waiting (呼叫等待音) is 0.4 s on, 4 s off.
func Waiting() Pattern { return Pattern{Parts: []Part{network(400), rest(4000)}, Repeat: true} }

// The floor's tones are ours. They differ in rhythm and in direction, so that they can be told apart in noise.

// Grant says: speak now. Two quick rising beeps, 120 ms in all.
func Grant() Pattern { return Pattern{Parts: []Part{beep(800, 50), rest(20), beep(1200, 50)}} }

// Deny says: no. One low falling pair.
func Deny() Pattern { return Pattern{Parts: []Part{beep(480, 150), rest(50), beep(350, 250)}} }

// Queued says: wait, you are in the queue. Three even beeps.
func Queued() Pattern {
	return Pattern{Parts: []Part{beep(650, 80), rest(80), beep(650, 80), rest(80), beep(650, 80)}}
}

// Revoked says: your time is up or someone went before you. A quick falling triple.
func Revoked() Pattern {
	return Pattern{Parts: []Part{beep(1000, 70), rest(20), beep(700, 70), rest(20), beep(450, 140)}}
}

// Deaf says: you may speak, but nobody hears you. A falling warble, unlike any other.
func Deaf() Pattern {
	return Pattern{Parts: []Part{beep(900, 100), beep(600, 100), beep(900, 100), beep(600, 100), rest(100), beep(350, 300)}}
}

// Idle says: the floor is free. One short soft beep.
func Idle() Pattern { return Pattern{Parts: []Part{beep(600, 60)}} }

// Amplitude is the peak of a sine of the given level in dBm0, where +3.14 dBm0 is full scale (ITU-T G.711 §4).
func Amplitude(dBm0 float64) float64 { return 32767 * math.Pow(10, (dBm0-3.14)/20) }

// Generator plays a pattern.
type Generator struct {
	pattern Pattern
	part    int
	left    int // samples of this part
	length  int
	phase   [2]float64
	done    bool
}

// ramp is how long a tone takes to come and go, so that it does not click: 3 ms.
const ramp = codec.PCMRate * 3 / 1000

// NewGenerator begins a pattern.
func NewGenerator(p Pattern) *Generator {
	g := &Generator{pattern: p, part: -1}
	g.advance()
	return g
}

// advance goes to the next part that has any length. A pattern without one is over.
func (g *Generator) advance() {
	for range 2*len(g.pattern.Parts) + 1 {
		g.part++
		if g.part >= len(g.pattern.Parts) {
			if !g.pattern.Repeat || len(g.pattern.Parts) == 0 {
				break
			}
			g.part = 0
		}
		g.length = int(g.pattern.Parts[g.part].For * codec.PCMRate / time.Second)
		g.left, g.phase = g.length, [2]float64{}
		if g.length > 0 {
			return
		}
	}
	g.done = true
}

// Read fills dst and gives how many samples are of the pattern; fewer than len(dst) when it is over, and the rest is zero.
func (g *Generator) Read(dst []int16) int {
	for i := range dst {
		if g.done {
			clear(dst[i:])
			return i
		}
		dst[i] = g.next()
	}
	return len(dst)
}

func (g *Generator) next() int16 {
	p := &g.pattern.Parts[g.part]
	v := 0.0
	for k, hz := range p.Hz {
		if hz > 0 {
			v += math.Sin(g.phase[k])
			g.phase[k] = math.Mod(g.phase[k]+2*math.Pi*hz/codec.PCMRate, 2*math.Pi)
		}
	}
	v *= Amplitude(p.Level) * min(1, float64(g.length-g.left)/ramp, float64(g.left)/ramp)
	if g.left--; g.left == 0 {
		g.advance()
	}
	return int16(max(-32768, min(v, 32767)))
}
