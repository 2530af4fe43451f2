package presence

import (
	"slices"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Entry says how a unit can be reached.
type Entry struct {
	Unit   fusion.Number
	Online bool
	Via    string // "console", "phone", "terminal"; the way that was there first
	Since  time.Time
}

// Board is who is there. All methods are for any goroutine.
type Board struct {
	now   func() time.Time
	mu    sync.Mutex
	units map[fusion.Number]*unit
	watch map[int]func(Entry)
	last  int
}

type unit struct {
	ways []way // in the order in which they came
	gone time.Time
}

type way struct {
	via   string
	count int
	since time.Time
}

// New makes an empty board.
func New(now func() time.Time) *Board {
	return &Board{now: now, units: make(map[fusion.Number]*unit), watch: make(map[int]func(Entry))}
}

// Enter notes that a unit is there by one more way. The returned function takes that back; it may be called more than once.
func (b *Board) Enter(n fusion.Number, via string) (leave func()) {
	b.change(n, via, 1)
	var once sync.Once
	return func() { once.Do(func() { b.change(n, via, -1) }) }
}

// change counts a way in or out, and tells of it when what is shown has changed. Watchers are called with the lock held, so that the
// last they hear is how it is.
func (b *Board) change(n fusion.Number, via string, by int) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.units[n]
	if u == nil {
		u = &unit{}
		b.units[n] = u
	}
	before := u.entry(n)
	u.count(via, by, b.now())
	after := u.entry(n)
	if before == after {
		return
	}
	for _, f := range b.watch {
		f(after)
	}
}

func (u *unit) count(via string, by int, now time.Time) {
	i := slices.IndexFunc(u.ways, func(w way) bool { return w.via == via })
	switch {
	case i < 0 && by > 0:
		u.ways = append(u.ways, way{via: via, count: by, since: now})
	case i >= 0:
		if u.ways[i].count += by; u.ways[i].count <= 0 {
			u.ways = slices.Delete(u.ways, i, i+1)
		}
	}
	if len(u.ways) == 0 {
		u.gone = now
	}
}

func (u *unit) entry(n fusion.Number) Entry {
	if len(u.ways) == 0 {
		return Entry{Unit: n, Since: u.gone}
	}
	return Entry{Unit: n, Online: true, Via: u.ways[0].via, Since: u.ways[0].since}
}

// Of tells of one unit.
func (b *Board) Of(n fusion.Number) Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if u := b.units[n]; u != nil {
		return u.entry(n)
	}
	return Entry{Unit: n}
}

// Online lists the units that are there, by number.
func (b *Board) Online() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Entry
	for n, u := range b.units {
		if len(u.ways) > 0 {
			out = append(out, u.entry(n))
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return int(a.Unit) - int(b.Unit) })
	return out
}

// Count counts the units that are there by one way.
func (b *Board) Count(via string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, u := range b.units {
		if slices.ContainsFunc(u.ways, func(w way) bool { return w.via == via }) {
			n++
		}
	}
	return n
}

// Subscribe calls f with every change. f must not block and must not call the board.
func (b *Board) Subscribe(f func(Entry)) (cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	id := b.last
	b.watch[id] = f
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watch, id)
	}
}
