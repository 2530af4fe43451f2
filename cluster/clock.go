package cluster

import (
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion/clock"
	"github.com/guantong-net/guantong/fusion/state"
)

// hybrid is the node's clock. Its high-water mark is in the state: the latest stamp of all commands applied.
type hybrid struct {
	mu    sync.Mutex
	hlc   *clock.HLC
	now   func() time.Time
	ahead uint64 // foreign stamps more than 5 minutes ahead, that did not move it
}

func (n *Node) openClock() error {
	n.clock.now = n.cfg.Now
	return n.View(func(v *state.View) error {
		high, err := v.LastHLC()
		n.clock.hlc = clock.New(clock.Stamp(high))
		return err
	})
}

// Stamp gives the next stamp of the node's hybrid logical clock, and the wall clock in milliseconds UTC.
func (n *Node) Stamp() (stamp clock.Stamp, at int64) {
	n.clock.mu.Lock()
	defer n.clock.mu.Unlock()
	at = n.clock.now().UnixMilli()
	return n.clock.hlc.Now(at), at
}

func (h *hybrid) observe(stamp uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hlc.Observe(clock.Stamp(stamp), h.now().UnixMilli()) != nil {
		h.ahead++
	}
}

func (h *hybrid) counted() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ahead
}
