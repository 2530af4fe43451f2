package bundle

import (
	"math"
	"time"
)

// epoch is where DTN time begins, in milliseconds of Unix time: 2000-01-01 (RFC 9171 §4.2.6).
const epoch = 946684800000

// DTNTime is a time in milliseconds since 2000-01-01 UTC. Zero is no time: whoever wrote it had no clock.
type DTNTime uint64

// DTNTimeOf converts; what is before 2000 is no time.
func DTNTimeOf(t time.Time) DTNTime { return DTNTime(max(0, t.UnixMilli()-epoch)) }

// Time converts; what is beyond the last time.UnixMilli is cut there.
func (t DTNTime) Time() time.Time {
	return time.UnixMilli(int64(min(uint64(t), math.MaxInt64-epoch)) + epoch).UTC()
}

// Timestamp is when a bundle was made, and a sequence number that tells apart those of the same millisecond, or of a source without a clock
// (RFC 9171 §4.2.7).
type Timestamp struct {
	Time DTNTime
	Seq  uint64
}

// CheckTime refuses a bundle that is out of lifetime (ErrExpired) or was made more than ahead milliseconds later than now (ErrFuture). Now is
// zero for who has no clock; then, and when the source had none, the age block counts: ErrNoAge when there is none. It gives what is left, in milliseconds.
func (b *Bundle) CheckTime(now DTNTime, ahead uint64) (left uint64, err error) {
	p := &b.Primary
	if p.Created.Time == 0 || now == 0 {
		age, ok, err := b.Age()
		switch {
		case err != nil:
			return 0, err
		case !ok && p.Created.Time == 0:
			return 0, ErrNoAge
		case !ok:
			return p.Lifetime, nil
		case age >= p.Lifetime:
			return 0, refuse(ErrExpired, "age %d ms of %d", age, p.Lifetime)
		}
		return p.Lifetime - age, nil
	}
	if p.Created.Time > now {
		early := uint64(p.Created.Time - now)
		if early > ahead {
			return 0, refuse(ErrFuture, "by %d ms", early)
		}
		return p.Lifetime, nil
	}
	age := uint64(now - p.Created.Time)
	if age >= p.Lifetime {
		return 0, refuse(ErrExpired, "age %d ms of %d", age, p.Lifetime)
	}
	return p.Lifetime - age, nil
}
