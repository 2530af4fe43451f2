package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/linear"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/site"
)

// Config of a run.
type Config struct {
	Seed uint64
	Plan *Plan
	Last time.Duration // no fault begins after it
	Say  func(format string, args ...any)
}

// Result is what a run came to.
type Result struct {
	Faults   map[Kind]int
	Messages int // acknowledged
	Edits    int // done or refused
	Receipts int
	Grants   int
	Apart    int // grants that were counted apart
	Worst    time.Duration
	Lost     []string // acknowledged and not on a node
	Twice    []string // on a node more than once
	Order    error    // of acceptance
	Swaps    error
	Pushes   error
	Floor    error
	Doubles  []linear.Double // two had the floor of one group
}

// check is how long porcupine may think about one history.
const check = time.Minute

// gathering is how long a site may take to come together after a fault.
const gathering = 40 * time.Second

// run is a run under way.
type run struct {
	c    Config
	s    *site.Site
	unit fusion.Number // of who writes

	log    linear.Log
	groups linear.Register
	signs  linear.Ratchet
	floor  linear.Lock
	harm   harm

	mu     sync.Mutex
	acked  []fusion.ID
	ripe   chan fusion.ID // acknowledged, to be signed for
	apart  int
	grants int
}

// Run lets clients work on a site while it is harmed, until the time is over, and judges.
func Run(ctx context.Context, s *site.Site, c Config) (Result, error) {
	r := &run{c: c, s: s, log: linear.NewLog(), groups: linear.NewRegister(), signs: linear.NewRatchet(), floor: linear.NewLock(), ripe: make(chan fusion.ID, 64)}
	var me struct {
		Unit state.Unit `json:"unit"`
	}
	if err := s.Nodes[0].Admin().Call(ctx, "GET", "/me", nil, &me); err != nil {
		return Result{}, fmt.Errorf("chaos: %w", err)
	}
	r.unit = me.Unit.Number
	out := Result{Faults: map[Kind]int{}}
	working, stop := context.WithCancel(ctx)
	defer stop()
	var clients sync.WaitGroup
	r.employ(working, &clients)
	err := r.faults(ctx, &out)
	if err == nil {
		err = pause(ctx, time.Second) // what was asked is answered
	}
	stop()
	clients.Wait()
	if err != nil {
		return out, err
	}
	return out, r.judge(ctx, &out)
}

// faults harms the site again and again.
func (r *run) faults(ctx context.Context, out *Result) error {
	begun := time.Now()
	for end := begun.Add(r.c.Last); ; {
		f := r.c.Plan.Next()
		if err := pause(ctx, f.After); err != nil {
			return err
		}
		if time.Now().After(end) {
			return nil
		}
		r.c.Say("%v (%.1f s)", f, time.Since(begun).Seconds())
		out.Faults[f.Kind]++
		lift := r.harm.begin(f, len(r.s.Nodes))
		err := f.Do(ctx, r.s)
		healed := time.Now()
		if err == nil {
			gather, cancel := context.WithTimeout(ctx, gathering)
			err = r.s.Even(gather, 64)
			cancel()
		}
		lift()
		if err != nil {
			return fmt.Errorf("chaos: %v: %w", f, err)
		}
		out.Worst = max(out.Worst, time.Since(healed))
	}
}

// judge compares what clients were told with one another and with what is on the nodes.
func (r *run) judge(ctx context.Context, out *Result) error {
	if err := r.s.Even(ctx, 0); err != nil {
		return err
	}
	out.Messages, out.Edits, out.Receipts = len(r.acked), r.groups.Len(), r.signs.Len()
	out.Grants, out.Apart = r.grants, r.apart
	for _, n := range r.s.Nodes {
		have, err := messages(ctx, n)
		if err != nil {
			return err
		}
		for id, times := range have {
			if times > 1 {
				out.Twice = append(out.Twice, fmt.Sprintf("%s: %s %d times", n.ID, id, times))
			}
		}
		for _, id := range r.acked {
			if have[id] == 0 {
				out.Lost = append(out.Lost, fmt.Sprintf("%s: %s", n.ID, id))
			}
		}
	}
	out.Doubles = r.floor.Doubles()
	out.Order, out.Swaps, out.Pushes, out.Floor = r.log.Check(check), r.groups.Check(check), r.signs.Check(check), r.floor.Check(check)
	return nil
}

// messages counts every message that a node has.
func messages(ctx context.Context, n *site.Node) (map[fusion.ID]int, error) {
	all, err := load.List[state.Message](ctx, n.Admin(), "/messages?limit=500")
	if err != nil {
		return nil, fmt.Errorf("chaos: %s: %w", n.ID, err)
	}
	out := make(map[fusion.ID]int)
	for _, m := range all {
		out[m.ID]++
	}
	return out, nil
}

// Err joins what was found wrong.
func (r Result) Err() error {
	err := errors.Join(r.Order, r.Swaps, r.Pushes, r.Floor)
	if len(r.Lost) > 0 {
		err = errors.Join(err, fmt.Errorf("chaos: %d acknowledged and lost: %.300q", len(r.Lost), r.Lost))
	}
	if len(r.Twice) > 0 {
		err = errors.Join(err, fmt.Errorf("chaos: %d applied twice: %.300q", len(r.Twice), r.Twice))
	}
	return err
}

// harm knows which nodes are, or have just been, not themselves.
type harm struct {
	mu   sync.Mutex
	now  map[int]bool
	last map[int]time.Time // when a node was whole again
}

// aftermath is how long after a fault what a node says of the floor is counted apart still: it may be the old arbiter, or an island, and not know yet that it
// is not any more.
const aftermath = 3 * time.Second

func (h *harm) begin(f Fault, nodes int) (lift func()) {
	which := []int{f.Node}
	if f.Kind == Cut {
		which = append(which, f.Other)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now == nil {
		h.now, h.last = make(map[int]bool, nodes), make(map[int]time.Time, nodes)
	}
	for _, n := range which {
		h.now[n] = true
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, n := range which {
			h.now[n] = false
			h.last[n] = time.Now()
		}
	}
}

// since reports whether a node was harmed at any time since then.
func (h *harm) since(n int, then time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now[n] || h.last[n].Add(aftermath).After(then)
}

// refused reports a refusal that asking again does not mend.
func refused(err error, reason string) bool {
	var refusal *peer.Refusal
	return errors.As(err, &refusal) && refusal.Reason == reason
}
