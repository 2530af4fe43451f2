package jitter

import (
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// samples converts a duration to samples at codec.PCMRate.
func samples(d time.Duration) int64 { return int64(d) * codec.PCMRate / int64(time.Second) }

func duration(n int64) time.Duration { return time.Duration(n * int64(time.Second) / codec.PCMRate) }

const (
	// jump is how far a timestamp may be from where its arrival puts it before it is taken for a new numbering: 1 s.
	jump = codec.PCMRate
	// halfWindow is half of the time over which the fastest packet is remembered: 2 s.
	halfWindow = 2 * codec.PCMRate
	// bin is the width of a histogram bin: 5 ms.
	bin = codec.PCMRate / 200
)

// timeline fits the talker's timestamps onto one line of samples that never turns back, and learns the delay.
type timeline struct {
	clock   int64 // RTP clock in Hz
	started bool
	stamp   uint32 // of the newest packet
	at      int64  // where it is on the line
	end     int64  // where the line ends so far

	low, lowBefore int64 // smallest delay in this half window and in the one before
	turn           int64 // when the half window ends
	last           int64 // the delay of the packet before

	bins  [41]uint32 // of delay beyond the base, 5 ms each; weights sum to about histogramFull
	total uint32
}

// histogramAdd is the weight of one packet; the histogram forgets with a time constant of 64 packets.
const histogramAdd = 1 << 16

// base is the delay of the fastest packet.
func (t *timeline) base() int64 { return min(t.low, t.lowBefore) }

// place gives the packet's position and whether it starts a new numbering. arrival is in samples.
func (t *timeline) place(stamp uint32, length, arrival int64) (at int64, resync bool) {
	if !t.started {
		t.started, t.stamp, t.at, t.end = true, stamp, arrival, arrival+length
		t.turn = arrival + halfWindow
		return arrival, false
	}
	at = t.at + int64(int32(stamp-t.stamp))*codec.PCMRate/t.clock
	if late := arrival - at - t.base(); late > jump || late < -jump {
		at, resync = max(arrival-t.base(), t.end), true
	}
	if at > t.at || resync {
		t.stamp, t.at = stamp, at
	}
	t.end = max(t.end, at+length)
	return at, resync
}

// observe learns from a packet's delay. Packets that a stall has held back come all at once, each one less late than
// the one before by its own length; only the first of them says something about the path.
func (t *timeline) observe(at, length, arrival int64) {
	delay := arrival - at
	if arrival >= t.turn {
		t.lowBefore, t.low, t.turn = t.low, delay, arrival+halfWindow
	}
	t.low = min(t.low, delay)
	backToBack := delay <= t.last-length*3/4
	t.last = delay
	if backToBack {
		return
	}
	t.total = 0
	for i := range t.bins {
		t.bins[i] -= t.bins[i] >> 6
		t.total += t.bins[i]
	}
	i := min((delay-t.base())/bin, int64(len(t.bins)-1))
	t.bins[i] += histogramAdd
	t.total += histogramAdd
}

// percentile96 is the delay beyond the base that 96 of 100 packets keep to, rounded up to a bin.
func (t *timeline) percentile96() int64 {
	allowed, sum := t.total/25, uint32(0)
	for i := len(t.bins) - 1; i >= 0; i-- {
		if sum += t.bins[i]; sum > allowed {
			return int64(i+1) * bin
		}
	}
	return bin
}
