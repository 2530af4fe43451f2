package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/site"
)

// scribes write messages through all nodes of a site, each again and again under its ID, at one node after the other, until it is acknowledged.
type scribes struct {
	s  *site.Site
	to fusion.Number

	mu    sync.Mutex
	acked map[fusion.ID]bool
	last  time.Time // when the last one was acknowledged
	gap   time.Duration
	stop  context.CancelFunc
	done  sync.WaitGroup
}

const (
	scribeTry  = 2 * time.Second // until another node is asked
	scribePace = 40 * time.Millisecond
)

// write sets so many scribes to work.
func (d *drill) write(ctx context.Context, s *site.Site, n int) *scribes {
	ctx, stop := context.WithCancel(ctx)
	w := &scribes{s: s, to: local(1), acked: map[fusion.ID]bool{}, last: time.Now(), stop: stop}
	for i := range n {
		w.done.Go(func() {
			for turn := i; ctx.Err() == nil; turn++ {
				w.message(ctx, turn)
				_ = pause(ctx, scribePace) // the end is seen above
			}
		})
	}
	return w
}

// message writes one message, beginning at a node.
func (w *scribes) message(ctx context.Context, turn int) {
	id := sdk.NewID()
	for try := turn; ctx.Err() == nil; try++ {
		one, cancel := context.WithTimeout(ctx, scribeTry)
		err := post(one, w.s.Nodes[try%len(w.s.Nodes)], id, w.to)
		cancel()
		if err == nil {
			w.acknowledged(id)
			return
		}
		_ = pause(ctx, 10*time.Millisecond) // the end is seen above
	}
}

// post sends a message once, by one node.
func post(ctx context.Context, n *site.Node, id fusion.ID, to fusion.Number) error {
	m := wire.MessageRequest{To: []fusion.Number{to}, Text: "演练 " + id.String(), Precedence: fusion.Routine}
	var got state.Message
	err := n.Admin().CallAs(ctx, id, http.MethodPost, "/messages", m, &got)
	if err == nil && got.ID != id {
		err = fmt.Errorf("message %s was answered with %s", id, got.ID)
	}
	return err
}

func (w *scribes) acknowledged(id fusion.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[id] = true
	w.gap = max(w.gap, time.Since(w.last))
	w.last = time.Now()
}

// worst gives the longest time without an acknowledgement since it was last asked.
func (w *scribes) worst() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := max(w.gap, time.Since(w.last))
	w.gap = 0
	return out
}

// since is how long ago something was acknowledged.
func (w *scribes) since() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.last)
}

// rest ends the writing.
func (w *scribes) rest() {
	w.stop()
	w.done.Wait()
}

// audit looks for every acknowledged message on every node, once the nodes have the same.
func (w *scribes) audit(ctx context.Context) (lost, twice []string, err error) {
	if err := w.s.Even(ctx, 0); err != nil {
		return nil, nil, err
	}
	for _, n := range w.s.Nodes {
		all, err := load.List[state.Message](ctx, n.Admin(), fmt.Sprintf("/messages?to=%d&limit=500", w.to))
		if err != nil {
			return lost, twice, fmt.Errorf("audit %s: %w", n.ID, err)
		}
		have := map[fusion.ID]int{}
		for _, m := range all {
			if have[m.ID]++; have[m.ID] == 2 {
				twice = append(twice, n.ID+": "+m.ID.String())
			}
		}
		for id := range maps.Keys(w.acked) {
			if have[id] == 0 {
				lost = append(lost, n.ID+": "+id.String())
			}
		}
	}
	slices.Sort(lost)
	return lost, twice, nil
}

// account reports the audit.
func (d *drill) account(ctx context.Context, w *scribes) error {
	lost, twice, err := w.audit(ctx)
	if err != nil {
		return err
	}
	if len(lost)+len(twice) > 0 {
		d.say("lost %.400q, twice %.400q", lost, twice)
	}
	d.figure("messages", float64(len(w.acked)))
	d.atMost("acknowledged_lost", float64(len(lost)), 0)
	d.atMost("applied_twice", float64(len(twice)), 0)
	return nil
}
