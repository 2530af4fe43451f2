package api

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/guantong-net/guantong/fusion"
)

// sourceOf names where a request comes from, for limits and the audit: the IPv4 address, or the /64 of an IPv6 one, which is what one
// subscriber has. Forwarding headers are claims and are not looked at.
func sourceOf(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "unknown"
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.Addr().String()
}

func isLoopback(remote string) bool {
	ap, err := netip.ParseAddrPort(remote)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// maxSources bounds how many addresses are remembered by the request limiter.
const maxSources = 10000

// limiter lets so many requests a second through for each address.
type limiter struct {
	rate  rate.Limit
	burst int
	now   func() time.Time
	mu    sync.Mutex
	each  map[string]*bucket
}

type bucket struct {
	*rate.Limiter
	seen time.Time
}

func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	return &limiter{rate: rate.Limit(perSecond), burst: burst, now: now, each: make(map[string]*bucket)}
}

func (l *limiter) allow(source string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.each[source]
	if b == nil {
		if len(l.each) >= maxSources {
			l.forget(now)
		}
		b = &bucket{Limiter: rate.NewLimiter(l.rate, l.burst)}
		l.each[source] = b
	}
	b.seen = now
	return b.AllowN(now, 1)
}

// forget drops addresses whose bucket is full again: nothing is known of them that a new bucket would not say.
func (l *limiter) forget(now time.Time) {
	refill := time.Duration(float64(l.burst) / float64(l.rate) * float64(time.Second))
	for s, b := range l.each {
		if now.Sub(b.seen) > refill {
			delete(l.each, s)
		}
	}
	for s := range l.each { // all are busy: the map's order picks the ones to go
		if len(l.each) < maxSources {
			return
		}
		delete(l.each, s)
	}
}

// tally counts what is open per key, with a bound for each and for all.
type tally struct {
	mu     sync.Mutex
	each   map[string]int
	all    int
	perKey int
	total  int
}

func newTally(perKey, all int) *tally {
	return &tally{each: make(map[string]int), perKey: perKey, total: all}
}

// enter counts one more; ok is false when that would be too many. leave may be called more than once.
func (t *tally) enter(key string) (leave func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all >= t.total || t.each[key] >= t.perKey {
		return nil, false
	}
	t.all++
	t.each[key]++
	var once sync.Once
	return func() { once.Do(func() { t.drop(key) }) }, true
}

func (t *tally) drop(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	if t.each[key]--; t.each[key] == 0 {
		delete(t.each, key)
	}
}

// listener closes connections that are too many before TLS costs anything.
type listener struct {
	net.Listener
	open *tally
	over func()
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		leave, ok := l.open.enter(sourceOf(c.RemoteAddr().String()))
		if !ok {
			l.over()
			_ = c.Close()
			continue
		}
		return &counted{Conn: c, leave: leave}, nil
	}
}

type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}

// limited refuses an address that asks too much, before anything of its request is read.
func (s *Server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.rate.allow(sourceOf(r.RemoteAddr)) {
			s.refuse(w, r, fusion.E(fusion.Busy, "too_many_requests", "this address asks too much"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
