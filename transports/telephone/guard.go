package telephone

import (
	"net/netip"
	"sync"
	"time"
)

// guard decides, before a message is parsed or remembered, whether its source may cost us anything.
//
// There are three purses. A flow that has proved itself (a registered telephone, a call, a trunk) has a bucket of its own.
// A stranger draws from its address's bucket and from the one of all strangers. So a flood of strangers leaves
// telephones, and first of all the duty telephones, untouched.
type guard struct {
	limits Limits
	now    func() time.Time
	trunks []netip.Prefix

	mu        sync.Mutex
	sources   map[netip.Addr]*bucket
	strangers bucket
	flows     map[netip.AddrPort]*flow
}

// flow is a source address and port that proved itself.
type flow struct {
	bucket
	refs int // registrations and calls that live on it
}

// bucket is a token bucket.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(now time.Time, rate float64, burst int) bool {
	if b.last.IsZero() {
		b.tokens = float64(burst)
	} else if d := now.Sub(b.last).Seconds(); d > 0 {
		b.tokens = min(float64(burst), b.tokens+d*rate)
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func newGuard(l Limits, trunks []netip.Prefix, now func() time.Time) *guard {
	return &guard{
		limits: l, trunks: trunks, now: now,
		sources: make(map[netip.Addr]*bucket), flows: make(map[netip.AddrPort]*flow),
	}
}

type verdict int

const (
	drop verdict = iota
	stranger
	known
)

func canonical(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// admit charges one message to its source.
func (g *guard) admit(src netip.AddrPort) verdict {
	src = canonical(src)
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.flows[src]; f != nil {
		if f.take(now, g.limits.PhoneRate, g.limits.PhoneBurst) {
			return known
		}
		return drop
	}
	trusted := g.trunk(src.Addr())
	rate, burst := g.limits.StrangerRate, g.limits.StrangerBurst
	if trusted {
		rate, burst = g.limits.PhoneRate, g.limits.PhoneBurst
	}
	if !g.source(src.Addr(), now).take(now, rate, burst) {
		return drop
	}
	if trusted {
		return known
	}
	if !g.strangers.take(now, g.limits.StrangersRate, g.limits.StrangersBurst) {
		return drop
	}
	return stranger
}

func (g *guard) trunk(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range g.trunks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// setTrunks replaces the addresses that trunks call from.
func (g *guard) setTrunks(p []netip.Prefix) {
	g.mu.Lock()
	g.trunks = p
	g.mu.Unlock()
}

// source finds the bucket of an address. A full table forgets some address: its bucket starts full again, which the bucket
// of all strangers bounds.
func (g *guard) source(a netip.Addr, now time.Time) *bucket {
	b := g.sources[a]
	if b != nil {
		return b
	}
	if len(g.sources) >= g.limits.Sources {
		for old := range g.sources {
			delete(g.sources, old)
			break
		}
	}
	b = &bucket{}
	g.sources[a] = b
	return b
}

// hold makes a source known until as many releases.
func (g *guard) hold(src netip.AddrPort) {
	src = canonical(src)
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.flows[src]
	if f == nil {
		f = &flow{}
		g.flows[src] = f
	}
	f.refs++
}

func (g *guard) release(src netip.AddrPort) {
	src = canonical(src)
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.flows[src]; f != nil {
		if f.refs--; f.refs <= 0 {
			delete(g.flows, src)
		}
	}
}

// sweep forgets addresses whose bucket is full again.
func (g *guard) sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	full := time.Duration(float64(g.limits.StrangerBurst) / g.limits.StrangerRate * float64(time.Second))
	for a, b := range g.sources {
		if now.Sub(b.last) > full {
			delete(g.sources, a)
		}
	}
}
