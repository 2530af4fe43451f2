package tone

import (
	"math"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// VoiceConfig sets a voice detector. The zero value means the defaults in brackets.
type VoiceConfig struct {
	Above float64       // dB above the noise that count as voice [9]
	Least float64       // dBm0 below which nothing is voice [-45]
	Onset time.Duration // of voice in a row that opens [40 ms]
	Hang  time.Duration // without voice that closes [600 ms]
	Roll  time.Duration // of what came before the onset that is given out with it [200 ms, at most 500]
}

func (c VoiceConfig) withDefaults() VoiceConfig {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if c.Above <= 0 {
		c.Above = 9
	}
	if c.Least == 0 {
		c.Least = -45
	}
	set(&c.Onset, 2*frameTime)
	set(&c.Hang, 600*time.Millisecond)
	set(&c.Roll, 200*time.Millisecond)
	c.Roll = min(c.Roll, maxRoll*frameTime)
	return c
}

const (
	frameTime = 20 * time.Millisecond
	maxRoll   = 25 // frames
	// The noise floor falls at once and rises by at most 1.5 dB a second, so that a long sentence is not taken for noise.
	noiseRise  = 1.5 * 0.02
	speechRise = 0.5 * 0.02
)

// Voice says when someone speaks, for telephones whose owner has no key to press: energy against a noise floor that
// follows the place, with a hangover, and a pre-roll so that the first syllable is not clipped.
type Voice struct {
	cfg   VoiceConfig
	noise float64 // dBm0
	known bool
	on    bool
	loud  int // frames in a row
	quiet int
	roll  [maxRoll][codec.FrameSamples]int16
	kept  int
	next  int
}

// NewVoice makes a voice detector that is closed.
func NewVoice(cfg VoiceConfig) *Voice { return &Voice{cfg: cfg.withDefaults()} }

// Active reports whether someone speaks.
func (v *Voice) Active() bool { return v.on }

// Noise is the noise floor in dBm0.
func (v *Voice) Noise() float64 { return v.noise }

// Feed takes one frame and appends to dst what is to be passed on: nothing while nobody speaks, the frames of
// the pre-roll with the frame that opens, and then each frame as it comes.
func (v *Voice) Feed(dst []int16, frame *[codec.FrameSamples]int16) []int16 {
	was := v.on
	v.follow(Level(frame[:]))
	switch {
	case v.on && was:
		return append(dst, frame[:]...)
	case v.on:
		dst = v.drain(dst)
		return append(dst, frame[:]...)
	}
	v.keep(frame)
	return dst
}

// follow moves the state by one frame of the given level.
func (v *Voice) follow(level float64) {
	if !v.known {
		v.noise, v.known = min(level, -30), true
	}
	voice := level > v.cfg.Least && level > v.noise+v.cfg.Above
	switch {
	case level < v.noise:
		v.noise = max(level, -70)
	case voice:
		v.noise += speechRise
	default:
		v.noise = min(v.noise+noiseRise, level)
	}
	if voice {
		v.loud, v.quiet = v.loud+1, 0
	} else {
		v.loud, v.quiet = 0, v.quiet+1
	}
	switch {
	case !v.on && time.Duration(v.loud)*frameTime >= v.cfg.Onset:
		v.on = true
	case v.on && time.Duration(v.quiet)*frameTime >= v.cfg.Hang:
		v.on = false
	}
}

func (v *Voice) keep(frame *[codec.FrameSamples]int16) {
	v.roll[v.next] = *frame
	v.next = (v.next + 1) % maxRoll
	v.kept = min(v.kept+1, int(v.cfg.Roll/frameTime))
}

func (v *Voice) drain(dst []int16) []int16 {
	for i := v.kept; i > 0; i-- {
		dst = append(dst, v.roll[(v.next-i+maxRoll)%maxRoll][:]...)
	}
	v.kept = 0
	return dst
}

// Level is the level of PCM in dBm0; -96 for silence.
func Level(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	if sum == 0 {
		return -96
	}
	// A full-scale sine has an RMS of 32767/√2 and is +3.14 dBm0.
	return max(-96, 10*math.Log10(2*sum/float64(len(pcm))/(32767*32767))+3.14)
}
