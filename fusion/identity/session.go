package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// SessionConfig says how long sessions last.
type SessionConfig struct {
	Idle     time.Duration // without a request [30 min]
	Absolute time.Duration // in all [12 h: a shift]
	PerUser  int           // sessions of one user; the oldest one goes [32]
	Total    int           // [20000]
	Now      func() time.Time
	Rand     io.Reader
}

func (c SessionConfig) withDefaults() SessionConfig {
	if c.Idle <= 0 {
		c.Idle = 30 * time.Minute
	}
	if c.Absolute <= 0 {
		c.Absolute = 12 * time.Hour
	}
	if c.PerUser <= 0 {
		c.PerUser = 32
	}
	if c.Total <= 0 {
		c.Total = 20000
	}
	return c
}

// Session is one log-in.
type Session struct {
	User    string
	Epoch   uint64 // of the user when it logged in: a higher one ends the session
	Source  string // where it logged in from
	Created time.Time
	Expires time.Time // at the latest

	seen time.Time // guarded by Sessions
	told time.Time // the last time of use that other nodes were told
	key  [32]byte
	done chan struct{}
	why  string
}

// Done is closed when the session ends.
func (s *Session) Done() <-chan struct{} { return s.done }

// Why says, after Done, why the session ended: logged_out, revoked, expired.
func (s *Session) Why() string {
	select {
	case <-s.done:
		return s.why
	default:
		return ""
	}
}

// Sessions holds the sessions of the site as one node knows them, in memory. Save and Merge carry them over a restart and between nodes;
// Share has others told of changes.
type Sessions struct {
	cfg   SessionConfig
	mu    sync.Mutex
	all   map[[32]byte]*Session
	ended map[[32]byte]ended // that were ended on purpose, so that they do not come back with old data

	tell    func([]Saved)
	changes uint64
}

// NewSessions makes an empty set.
func NewSessions(cfg SessionConfig) *Sessions {
	return &Sessions{cfg: cfg.withDefaults(), all: make(map[[32]byte]*Session), ended: make(map[[32]byte]ended), tell: func([]Saved) {}}
}

// Open begins a session and gives its token: 256 random bits, of which only the hash is kept.
func (x *Sessions) Open(user string, epoch uint64, source string) (token string, s *Session, err error) {
	var raw [32]byte
	if _, err := io.ReadFull(x.cfg.Rand, raw[:]); err != nil {
		return "", nil, fmt.Errorf("open session: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(raw[:])
	now := x.cfg.Now()
	s = &Session{User: user, Epoch: epoch, Source: source, Created: now, Expires: now.Add(x.cfg.Absolute), seen: now, told: now,
		key: sha256.Sum256([]byte(token)), done: make(chan struct{})}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.makeRoom(user)
	if len(x.all) >= x.cfg.Total {
		return "", nil, fusion.E(fusion.Busy, "too_many_sessions", "this node has %d sessions", len(x.all))
	}
	x.all[s.key] = s
	x.changed(s)
	return token, s, nil
}

// makeRoom ends the user's oldest session when it has as many as it may.
func (x *Sessions) makeRoom(user string) {
	n := 0
	var oldest *Session
	for _, s := range x.all {
		if s.User != user {
			continue
		}
		n++
		if oldest == nil || s.seen.Before(oldest.seen) {
			oldest = s
		}
	}
	if n >= x.cfg.PerUser {
		x.endFor(oldest, anyEpoch, "expired")
	}
}

// Find gives the session of a token and notes that it was used. It is looked up by the token's hash, so the time that it
// takes says nothing about other tokens.
func (x *Sessions) Find(token string) (*Session, bool) {
	if len(token) == 0 || len(token) > 64 {
		return nil, false
	}
	key := sha256.Sum256([]byte(token))
	now := x.cfg.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.all[key]
	if s == nil {
		return nil, false
	}
	if x.over(s, now) {
		x.forget(s, "expired")
		return nil, false
	}
	x.use(s, now)
	return s, true
}

// Touch notes that a session is in use: an open WebSocket is.
func (x *Sessions) Touch(s *Session) {
	now := x.cfg.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over(s, now) {
		x.forget(s, "expired")
		return
	}
	x.use(s, now)
}

// tellUse is how far behind other nodes may be about when a session was used last.
const tellUse = time.Minute

func (x *Sessions) use(s *Session, now time.Time) {
	s.seen = now
	if x.all[s.key] == s && now.Sub(s.told) >= tellUse {
		s.told = now
		x.tell([]Saved{s.saved()})
	}
}

// changed notes and tells that a session has begun or was renewed.
func (x *Sessions) changed(s *Session) {
	x.changes++
	s.told = s.seen
	x.tell([]Saved{s.saved()})
}

func (x *Sessions) over(s *Session, now time.Time) bool {
	return !now.Before(s.Expires) || now.Sub(s.seen) >= x.cfg.Idle
}

// End ends one session, at every node and for good.
func (x *Sessions) End(s *Session, why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.endFor(s, anyEpoch, why)
}

// Forget ends a session at this node, by what this node alone may know: another one that knows better tells of it again.
func (x *Sessions) Forget(s *Session, why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(s, why)
}

// forget closes a session without a word to others. Time is judged by every node for itself: one with a wrong clock must not end
// the sessions of all.
func (x *Sessions) forget(s *Session, why string) {
	if x.all[s.key] != s {
		return
	}
	delete(x.all, s.key)
	x.changes++
	s.why = why
	close(s.done)
}

// EndUser ends the sessions of a user that began before an epoch, at every node. Disabled users are given the highest one.
func (x *Sessions) EndUser(user string, epoch uint64, why string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, s := range x.all {
		if s.User == user && s.Epoch < epoch {
			x.endFor(s, epoch, why)
			n++
		}
	}
	return n
}

// ForgetUser forgets the sessions of a user whom this node does not know.
func (x *Sessions) ForgetUser(user, why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.all {
		if s.User == user {
			x.forget(s, why)
		}
	}
}

// Renew lets one session of a user live on in a new epoch: the one in which it changed its own password.
func (x *Sessions) Renew(s *Session, epoch uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Epoch = max(s.Epoch, epoch)
	if x.all[s.key] == s {
		x.changed(s)
	}
}

// EpochOf reads the epoch that a session is in now.
func (x *Sessions) EpochOf(s *Session) uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return s.Epoch
}

// Users lists who has a session.
func (x *Sessions) Users() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	seen := make(map[string]bool)
	var out []string
	for _, s := range x.all {
		if !seen[s.User] {
			seen[s.User] = true
			out = append(out, s.User)
		}
	}
	return out
}

// Sweep ends what has expired.
func (x *Sessions) Sweep() {
	now := x.cfg.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.all {
		if x.over(s, now) {
			x.forget(s, "expired")
		}
	}
	x.sweepEnded(now)
}

// Len counts the sessions.
func (x *Sessions) Len() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.all)
}
