package identity

import (
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

const (
	freeTries   = 3               // wrong passwords before the first delay
	longestWait = 5 * time.Minute // between two tries of a stranger
	knownWait   = 5 * time.Second // between two tries where this user has logged in before
	sourceTries = 20              // wrong passwords of one address, for whatever users, before it waits as a whole
	forgetWait  = time.Hour       // without a failure
	maxTracked  = 20000           // pairs and addresses that are remembered
)

// Throttle slows guessers down: per (address, user), and per address over all users. No failure at one address makes
// another one wait, and where a user has logged in before it never waits longer than a few seconds.
type Throttle struct {
	now   func() time.Time
	mu    sync.Mutex
	pairs map[pair]*tries
	known map[pair]time.Time
}

type pair struct{ source, user string } // user "" is the address as a whole

type tries struct {
	failed int
	last   time.Time
}

// ThrottleConfig hands a Throttle its clock.
type ThrottleConfig struct {
	Now func() time.Time
}

// NewThrottle makes one that has seen nothing.
func NewThrottle(cfg ThrottleConfig) *Throttle {
	return &Throttle{now: cfg.Now, pairs: make(map[pair]*tries), known: make(map[pair]time.Time)}
}

// Allow reports how long the address must wait before it may try this user. 0: go on. A try counts as failed until Success says otherwise, so
// that many at once gain nothing.
func (t *Throttle) Allow(source, user string) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	_, known := t.known[pair{source, user}]
	most := longestWait
	if known {
		most = knownWait
	}
	wait = t.pairs[pair{source, user}].wait(now, freeTries, most)
	if !known {
		wait = max(wait, t.pairs[pair{source, ""}].wait(now, sourceTries, longestWait))
	}
	if wait > 0 {
		return wait
	}
	t.count(pair{source, user}, now)
	t.count(pair{source, ""}, now)
	return 0
}

func (x *tries) wait(now time.Time, free int, most time.Duration) time.Duration {
	if x == nil || x.failed < free {
		return 0
	}
	delay := most
	if shift := x.failed - free; shift < 9 {
		delay = min(most, time.Second<<shift)
	}
	return max(0, delay-now.Sub(x.last))
}

func (t *Throttle) count(p pair, now time.Time) {
	x := t.pairs[p]
	if x == nil {
		t.makeRoom(now)
		x = &tries{}
		t.pairs[p] = x
	}
	if now.Sub(x.last) > forgetWait {
		x.failed = 0
	}
	x.failed, x.last = x.failed+1, now
}

// makeRoom forgets what is old; if all is fresh, one of the entries with the fewest failures among a few.
func (t *Throttle) makeRoom(now time.Time) {
	if len(t.pairs) < maxTracked {
		return
	}
	var weakest pair
	least, looked := 0, 0
	for p, x := range t.pairs {
		if now.Sub(x.last) > forgetWait {
			delete(t.pairs, p)
			continue
		}
		if looked == 0 || x.failed < least {
			weakest, least = p, x.failed
		}
		if looked++; looked == 64 {
			break
		}
	}
	if len(t.pairs) >= maxTracked {
		delete(t.pairs, weakest)
	}
}

// Success takes the failures of the pair back and remembers that the user logs in from there.
func (t *Throttle) Success(source, user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pairs, pair{source, user})
	if x := t.pairs[pair{source, ""}]; x != nil && x.failed > 0 {
		x.failed--
	}
	if len(t.known) >= maxTracked {
		var oldest pair
		var at time.Time
		for p, seen := range t.known {
			if at.IsZero() || seen.Before(at) {
				oldest, at = p, seen
			}
		}
		delete(t.known, oldest)
	}
	t.known[pair{source, user}] = t.now()
}

// Known reports whether the user has logged in from there since the start.
func (t *Throttle) Known(source, user string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.known[pair{source, user}]
	return ok
}

// ErrWait is the refusal of a try that came too soon.
func ErrWait(wait time.Duration) error {
	return fusion.E(fusion.Busy, "login_throttled", "too many wrong passwords from here; wait %d s", int(wait.Seconds())+1)
}

// Forgive takes back the failure that Allow counted for a try that turned out right but is not a whole log-in yet.
func (t *Throttle) Forgive(source, user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range []pair{{source, user}, {source, ""}} {
		if x := t.pairs[p]; x != nil && x.failed > 0 {
			x.failed--
		}
	}
}
