package clock

import (
	"errors"
	"fmt"
)

const (
	counterBits = 16
	counterMask = 1<<counterBits - 1
	maxMillis   = 1<<48 - 1
)

// MaxAhead is how far ahead of our wall clock, in milliseconds, a foreign stamp may be and still move our clock.
const MaxAhead int64 = 5 * 60 * 1000

// ErrAhead reports a stamp that is more than MaxAhead ahead of us. It did not move our clock.
var ErrAhead = errors.New("clock: stamp is more than 5 minutes ahead")

// Stamp is one moment of a hybrid logical clock.
type Stamp uint64

// At makes a stamp of a physical time in milliseconds with counter 0. Times outside 48 bits are brought to its ends.
func At(ms int64) Stamp {
	return Stamp(uint64(min(max(ms, 0), maxMillis)) << counterBits)
}

// Millis is the physical part, milliseconds since 1970-01-01 UTC.
func (s Stamp) Millis() int64 { return int64(s >> counterBits) }

// Counter is the logical part.
func (s Stamp) Counter() uint16 { return uint16(s & counterMask) }

// String gives "milliseconds.counter".
func (s Stamp) String() string { return fmt.Sprintf("%d.%d", s.Millis(), s.Counter()) }

// HLC is one node's clock. Its zero value is a clock that has stamped nothing.
type HLC struct {
	last Stamp
}

// New makes a clock that goes on after the high-water mark which an earlier run persisted; 0 when there was none.
func New(highWater Stamp) *HLC { return &HLC{last: highWater} }

// Now gives a stamp for the wall clock's reading in milliseconds: later than every stamp given or taken before. When
// the wall clock stands still or jumps back, the counter runs; when the counter overflows, it carries into the milliseconds.
func (c *HLC) Now(physical int64) Stamp {
	c.last = max(At(physical), c.last+1)
	return c.last
}

// Observe takes note of a foreign stamp, so that our next one is later. A stamp more than MaxAhead ahead of
// the wall clock does not move ours: ErrAhead.
func (c *HLC) Observe(foreign Stamp, physical int64) error {
	if ahead := foreign.Millis() - physical; ahead > MaxAhead {
		return fmt.Errorf("%w: by %d ms", ErrAhead, ahead)
	}
	c.last = max(c.last, foreign)
	return nil
}

// Last is the latest stamp given or taken: the high-water mark to persist.
func (c *HLC) Last() Stamp { return c.last }
