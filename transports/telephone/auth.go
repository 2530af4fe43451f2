package telephone

import (
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// failures slows down whoever guesses: per (address, user), so that guessing at the duty telephone's password from
// elsewhere never locks the duty telephone out.
type failures struct {
	mu    sync.Mutex
	max   int
	after int
	m     map[failKey]*failure
}

type failKey struct {
	addr netip.Addr
	user string
}

type failure struct {
	n     int
	until time.Time
}

func newFailures(after, max int) *failures {
	return &failures{after: after, max: max, m: make(map[failKey]*failure)}
}

// blocked reports whether this user is to be refused unheard from this address.
func (f *failures) blocked(k failKey, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.m[k]
	return e != nil && now.Before(e.until)
}

// failed counts; from the limit on each failure doubles the time: 1 s up to 5 min.
func (f *failures) failed(k failKey, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.m[k]
	if e == nil {
		if len(f.m) >= f.max {
			for old := range f.m {
				delete(f.m, old)
				break
			}
		}
		e = &failure{}
		f.m[k] = e
	}
	if e.n++; e.n >= f.after {
		e.until = now.Add(min(time.Second<<min(e.n-f.after, 10), 5*time.Minute))
	}
}

func (f *failures) passed(k failKey) {
	f.mu.Lock()
	delete(f.m, k)
	f.mu.Unlock()
}

// sourceOf is where a request came from.
func sourceOf(req *sip.Request) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(req.Source())
	return canonical(ap)
}

// authenticate finds whose request it is. When it is nobody's it has been answered.
func (s *Server) authenticate(req *sip.Request, tx sip.ServerTransaction) (Account, bool) {
	src, now := sourceOf(req), s.now()
	c, ok := authorization(req)
	if !ok {
		s.respond(tx, s.challenge(req, src.Addr(), false))
		return Account{}, false
	}
	key := failKey{src.Addr(), c.user}
	if s.failures.blocked(key, now) {
		s.counters.Limited.Add(1)
		res := sip.NewResponseFromRequest(req, 503, "Service Unavailable", nil)
		res.AppendHeader(sip.NewHeader("Retry-After", "10"))
		s.respond(tx, res)
		return Account{}, false
	}
	state, made := s.nonces.check(now, c.nonce, src.Addr())
	if state != nonceGood || c.realm != s.cfg.Realm {
		s.counters.AuthStale.Add(1)
		s.respond(tx, s.challenge(req, src.Addr(), state == nonceStale))
		return Account{}, false
	}
	acc, found := s.deps.Accounts.ByUser(c.user)
	if !found || !c.proves(acc, string(req.Method)) || !sameTarget(c.uri, req) {
		s.counters.AuthFailed.Add(1)
		s.failures.failed(key, now)
		s.deps.Log.Warn("telephone: log-in failed", "user", c.user, "source", src, "method", req.Method)
		s.respond(tx, sip.NewResponseFromRequest(req, sip.StatusForbidden, "Forbidden", nil))
		return Account{}, false
	}
	if s.nonces.use(c.nonce, made, c.count()) != nonceGood {
		s.counters.AuthStale.Add(1)
		s.respond(tx, s.challenge(req, src.Addr(), true))
		return Account{}, false
	}
	s.failures.passed(key)
	return acc, true
}

// sameTarget reports whether the digest was made for this request's target (RFC 7616 §3.4.6): the user it names. Hosts are rewritten
// by address translators.
func sameTarget(uri string, req *sip.Request) bool {
	var u sip.Uri
	return sip.ParseUri(uri, &u) == nil && u.User == req.Recipient.User
}
