package identity

import (
	"slices"
	"time"
)

// Saved is a session as it is kept over a restart and told to other nodes. The token is not in it, only its hash.
type Saved struct {
	Key     []byte    `json:"key"` // SHA-256 of the token
	User    string    `json:"user"`
	Epoch   uint64    `json:"epoch"`
	Source  string    `json:"source"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Seen    time.Time `json:"seen"`
	Ended   string    `json:"ended,omitempty"` // why it was ended on purpose: then it stays so in every epoch below Epoch
}

// ended is what stays of a session that was ended on purpose. A session in a later epoch is not meant: its user has
// proved itself anew.
type ended struct {
	user    string
	why     string
	epoch   uint64 // of the first session that is not meant
	expires time.Time
}

const (
	anyEpoch  = ^uint64(0)
	maxUser   = 64              // octets of a user's name
	maxSource = 64              // octets of an address
	ahead     = 5 * time.Minute // that a node's clock may be ahead of ours
)

// Share has tell called with every change that other nodes must know. It is called with the set's lock held: it must not block, nor call back.
func (x *Sessions) Share(tell func([]Saved)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tell = tell
}

// Changes counts log-ins, ends and renewals: what is saved is old when it has grown.
func (x *Sessions) Changes() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.changes
}

// Save lists all sessions, and those that were ended on purpose.
func (x *Sessions) Save() []Saved {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := make([]Saved, 0, len(x.all)+len(x.ended))
	for _, s := range x.all {
		list = append(list, s.saved())
	}
	for key, e := range x.ended {
		list = append(list, e.saved(key))
	}
	return list
}

func (s *Session) saved() Saved {
	return Saved{Key: slices.Clone(s.key[:]), User: s.User, Epoch: s.Epoch, Source: s.Source, Created: s.Created, Expires: s.Expires, Seen: s.seen}
}

func (e ended) saved(key [32]byte) Saved {
	return Saved{Key: slices.Clone(key[:]), User: e.user, Epoch: e.epoch, Expires: e.expires, Ended: e.why}
}

// Merge takes what was saved, or what another node tells: an end wins over all but a later epoch, else the latest epoch and use hold. What was new is
// told on. It may come in any order, any number of times, and from anybody: what is over, malformed or too much is left out. Whether the user still
// may is asked with every request, by the user's epoch.
func (x *Sessions) Merge(list []Saved) {
	now := x.cfg.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	var fresh []Saved
	for _, v := range list {
		var key [32]byte
		if copy(key[:], v.Key) != len(key) || len(v.Key) != len(key) || len(v.User) > maxUser || len(v.Source) > maxSource || len(v.Ended) > maxUser {
			continue
		}
		// Another node's clock decides nothing for long.
		if latest := now.Add(x.cfg.Absolute + ahead); v.Expires.After(latest) {
			v.Expires = latest
		}
		if !now.Before(v.Expires) {
			continue
		}
		if v.Ended != "" && x.mergeEnd(key, v) || v.Ended == "" && x.mergeSession(key, v, now) {
			fresh = append(fresh, v)
		}
	}
	if len(fresh) > 0 {
		x.tell(fresh)
	}
}

func (x *Sessions) mergeEnd(key [32]byte, v Saved) (fresh bool) {
	old, there := x.ended[key]
	if there && old.epoch >= v.Epoch {
		return false
	}
	x.remember(key, ended{user: v.User, why: v.Ended, epoch: v.Epoch, expires: v.Expires})
	if s := x.all[key]; s != nil && s.Epoch < v.Epoch {
		x.forget(s, v.Ended)
	}
	x.changes++
	return true
}

func (x *Sessions) mergeSession(key [32]byte, v Saved, now time.Time) (fresh bool) {
	if e, ok := x.ended[key]; ok && (v.Epoch < e.epoch || e.epoch == anyEpoch) {
		return false
	}
	if v.Seen.After(now) {
		v.Seen = now
	}
	s := x.all[key]
	if s == nil {
		s = &Session{User: v.User, Epoch: v.Epoch, Source: v.Source, Created: v.Created, Expires: v.Expires, seen: v.Seen, told: v.Seen, key: key, done: make(chan struct{})}
		if x.over(s, now) || len(x.all) >= x.cfg.Total {
			return false
		}
		x.all[key] = s
		x.changes++
		return true
	}
	if s.User != v.User {
		return false
	}
	fresh = v.Epoch > s.Epoch || v.Seen.Sub(s.told) >= tellUse
	s.Epoch = max(s.Epoch, v.Epoch)
	if v.Seen.After(s.seen) {
		s.seen = v.Seen
	}
	if fresh {
		s.told = s.seen
		x.changes++
	}
	return fresh
}

// endFor ends a session for all epochs below one, and has all nodes do so.
func (x *Sessions) endFor(s *Session, epoch uint64, why string) {
	if x.all[s.key] != s {
		return
	}
	x.forget(s, why)
	e := ended{user: s.User, why: why, epoch: epoch, expires: s.Expires}
	x.remember(s.key, e)
	x.tell([]Saved{e.saved(s.key)})
}

// remember keeps an end until the session would be over anyway. When there are too many, those go that would be over first.
func (x *Sessions) remember(key [32]byte, e ended) {
	if len(x.ended) >= 2*x.cfg.Total {
		x.sweepEnded(x.cfg.Now())
	}
	if len(x.ended) >= 2*x.cfg.Total {
		var times []time.Time
		for _, old := range x.ended {
			times = append(times, old.expires)
		}
		slices.SortFunc(times, time.Time.Compare)
		x.sweepEnded(times[len(times)/8])
	}
	x.ended[key] = e
}

func (x *Sessions) sweepEnded(now time.Time) {
	for key, e := range x.ended {
		if !now.Before(e.expires) {
			delete(x.ended, key)
		}
	}
}
