package clock_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion/clock"
)

func TestNowFollowsTheWallClock(t *testing.T) {
	c := clock.New(0)
	s := c.Now(1_800_000_000_000)
	if s.Millis() != 1_800_000_000_000 || s.Counter() != 0 {
		t.Fatalf("got %v", s)
	}
}

func TestNowStaysMonotonicWhenTheWallClockJumpsBack(t *testing.T) {
	c := clock.New(0)
	first := c.Now(2000)
	second := c.Now(1000)
	if second <= first || second.Millis() != 2000 || second.Counter() != 1 {
		t.Fatalf("first %v, second %v", first, second)
	}
}

func TestCounterCarriesIntoMilliseconds(t *testing.T) {
	c := clock.New(0)
	var last clock.Stamp
	for range 1<<16 + 1 {
		last = c.Now(5)
	}
	if last.Millis() != 6 || last.Counter() != 0 {
		t.Fatalf("got %v", last)
	}
}

func TestARestartDoesNotGoBack(t *testing.T) {
	before := clock.New(0)
	high := before.Now(9000)
	after := clock.New(before.Last())
	if s := after.Now(100); s <= high {
		t.Fatalf("%v after restart, %v before", s, high)
	}
}

func TestAStampFarAheadIsReportedAndDoesNotMoveUs(t *testing.T) {
	c := clock.New(0)
	now := int64(1_000_000)
	if err := c.Observe(clock.At(now+clock.MaxAhead), now); err != nil {
		t.Fatalf("exactly 5 minutes is allowed: %v", err)
	}
	before := c.Last()
	err := c.Observe(clock.At(now+clock.MaxAhead+1), now)
	if !errors.Is(err, clock.ErrAhead) || c.Last() != before {
		t.Fatalf("err %v, last %v, before %v", err, c.Last(), before)
	}
}

func TestStampsGrowWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clock.New(clock.Stamp(rapid.Uint64Max(1<<50).Draw(t, "high water")))
		last := c.Last()
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			wall := rapid.Int64Range(0, 1<<40).Draw(t, "wall")
			if rapid.Bool().Draw(t, "observe") {
				foreign := clock.Stamp(rapid.Uint64Max(1<<60).Draw(t, "foreign"))
				err := c.Observe(foreign, wall)
				if (err != nil) != (foreign.Millis()-wall > clock.MaxAhead) {
					t.Fatalf("observe %v at %d: %v", foreign, wall, err)
				}
			}
			s := c.Now(wall)
			if s <= last {
				t.Fatalf("%v after %v", s, last)
			}
			last = s
		}
	})
}
