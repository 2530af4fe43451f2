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
	Node   string // at which other node of the site; "" at this one, or when it is not there
	Since  time.Time
}

// Way is how a unit is there at this node: what other nodes are told.
type Way struct {
	Unit  fusion.Number
	Via   string
	Since time.Time
	Gone  bool
}

// Board is who is there. All methods are for any goroutine.
type Board struct {
	now   func() time.Time
	mu    sync.Mutex
	units map[fusion.Number]*unit
	watch map[int]func(Entry)
	share func(Way)
	last  int
}

type unit struct {
	ways []way // in the order in which they came
	gone time.Time
}

type way struct {
	via   string
	node  string // "" is this one
	count int
	since time.Time
}

// New makes an empty board.
func New(now func() time.Time) *Board {
	return &Board{now: now, units: make(map[fusion.Number]*unit), watch: make(map[int]func(Entry)), share: func(Way) {}}
}

// Enter notes that a unit is there by one more way. The returned function takes that back; it may be called more than once.
func (b *Board) Enter(n fusion.Number, via string) (leave func()) {
	b.change(n, way{via: via}, 1)
	var once sync.Once
	return func() { once.Do(func() { b.change(n, way{via: via}, -1) }) }
}

// Elsewhere notes what another node says of its own units: that one is there by a way since a moment, or is no longer.
func (b *Board) Elsewhere(node string, w Way) {
	b.mu.Lock()
	known := false
	if u := b.units[w.Unit]; u != nil {
		known = u.find(w.Via, node) >= 0
	}
	b.mu.Unlock()
	switch {
	case w.Gone && known:
		b.change(w.Unit, way{via: w.Via, node: node}, -1)
	case !w.Gone && !known:
		b.change(w.Unit, way{via: w.Via, node: node, since: w.Since}, 1)
	}
}

// Share calls f with what other nodes must be told of this one, beginning with how it is. F must not block and must not call the board.
func (b *Board) Share(f func(Way)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share = f
	for n, u := range b.units {
		for _, w := range u.ways {
			if w.node == "" {
				f(Way{Unit: n, Via: w.via, Since: w.since})
			}
		}
	}
}

// change counts a way in or out, and tells of it when what is shown has changed. Watchers are called with the lock held, so that the
// last they hear is how it is.
func (b *Board) change(n fusion.Number, w way, by int) {
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
	now := b.now()
	if w.since.IsZero() {
		w.since = now
	}
	before, had := u.entry(n), u.find(w.via, w.node) >= 0
	u.count(w, by, now)
	if has := u.find(w.via, w.node) >= 0; w.node == "" && has != had {
		b.share(Way{Unit: n, Via: w.via, Since: w.since, Gone: !has})
	}
	after := u.entry(n)
	if before == after {
		return
	}
	for _, f := range b.watch {
		f(after)
	}
}

func (u *unit) find(via, node string) int {
	return slices.IndexFunc(u.ways, func(w way) bool { return w.via == via && w.node == node })
}

func (u *unit) count(w way, by int, now time.Time) {
	i := u.find(w.via, w.node)
	switch {
	case i < 0 && by > 0:
		w.count = by
		u.ways = append(u.ways, w)
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
	first := u.ways[0]
	for _, w := range u.ways { // how it is reached from here says more than how from elsewhere
		if w.node == "" {
			first = w
			break
		}
	}
	return Entry{Unit: n, Online: true, Via: first.via, Node: first.node, Since: first.since}
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

// Here tells whether a unit is there at this node, by a way.
func (b *Board) Here(n fusion.Number, via string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.units[n]
	return u != nil && u.find(via, "") >= 0
}

// Count counts the units that are at this node by one way.
func (b *Board) Count(via string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, u := range b.units {
		if u.find(via, "") >= 0 {
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
