package api

import "sync"

// owners remembers who uploaded what lately, so that the sender can attach and see a file before a message carries it.
// It is memory only: after a restart the upload is repeated, which costs nothing as the content is there.
type owners struct {
	mu   sync.Mutex
	set  map[[2]string]bool
	ring [][2]string
	next int
}

const maxOwned = 8192

func newOwners() *owners { return &owners{set: make(map[[2]string]bool)} }

func (o *owners) add(user, hash string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := [2]string{user, hash}
	if o.set[k] {
		return
	}
	if len(o.ring) < maxOwned {
		o.ring = append(o.ring, k)
	} else {
		delete(o.set, o.ring[o.next])
		o.ring[o.next] = k
		o.next = (o.next + 1) % maxOwned
	}
	o.set[k] = true
}

func (o *owners) has(user, hash string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.set[[2]string{user, hash}]
}
