package identity

import (
	"slices"
	"time"
)

// Saved is a session as it is kept over a restart. The token is not in it, only its hash.
type Saved struct {
	Key     []byte    `json:"key"` // SHA-256 of the token
	User    string    `json:"user"`
	Epoch   uint64    `json:"epoch"`
	Source  string    `json:"source"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Seen    time.Time `json:"seen"`
}

// Changes counts log-ins, ends and renewals: what is saved is old when it has grown.
func (x *Sessions) Changes() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.changes
}

// Save lists all sessions.
func (x *Sessions) Save() []Saved {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := make([]Saved, 0, len(x.all))
	for _, s := range x.all {
		list = append(list, Saved{Key: slices.Clone(s.key[:]), User: s.User, Epoch: s.Epoch, Source: s.Source, Created: s.Created, Expires: s.Expires, Seen: s.seen})
	}
	return list
}

// Restore takes saved sessions up again; those that are over meanwhile are left out. Whether the user still may is asked with
// every request, by the user's epoch.
func (x *Sessions) Restore(list []Saved) {
	now := x.cfg.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, v := range list {
		s := &Session{User: v.User, Epoch: v.Epoch, Source: v.Source, Created: v.Created, Expires: v.Expires, seen: v.Seen, done: make(chan struct{})}
		if copy(s.key[:], v.Key) != len(s.key) || len(v.Key) != len(s.key) || x.over(s, now) || len(x.all) >= x.cfg.Total {
			continue
		}
		x.all[s.key] = s
	}
}
