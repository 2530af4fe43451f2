package live

import (
	"cmp"
	"slices"
)

// PeerStatus is how another node is reached.
type PeerStatus struct {
	Node   string `json:"node"`
	Up     bool   `json:"up"`
	Direct bool   `json:"direct"`             // by the path between us
	Via    string `json:"via,omitempty"`      // else by this node
	Heard  int64  `json:"heard_ms,omitempty"` // since the last heartbeat by any way; 0: never
	Held   int    `json:"held"`               // messages that it has not acknowledged
}

// Peers tells how the other nodes are reached, by name.
func (l *Link) Peers() []PeerStatus {
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []PeerStatus
	for id, p := range l.peers {
		s := PeerStatus{Node: id, Up: p.up, Direct: p.direct(now, l.cfg.Quiet), Held: len(p.unacked)}
		if !p.known.IsZero() {
			s.Heard = max(1, now.Sub(p.known).Milliseconds())
		}
		if via := l.relayTo(id, now); !s.Direct && via != nil {
			s.Via = via.id
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return cmp.Compare(a.Node, b.Node) })
	return out
}

// Up reports whether a node is there; this one always is.
func (l *Link) Up(node string) bool {
	if node == l.cfg.Self {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.peers[node]
	return p != nil && p.up
}

// Strayed counts frames that could not be read, or not be brought on.
func (l *Link) Strayed() uint64 { return l.strayed.Load() }

// Arbiter is who arbitrates for this node now.
func (l *Link) Arbiter() Arbiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arbiter
}
