package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Held is what a node has of a burst that it did not find indexed.
type Held struct {
	Heard int64 // ms of speech; of several recordings the most
	Own   bool  // the talker was here: it will be indexed by this node
	Open  bool  // it is still being recorded
	None  bool
}

// Site is what a recorder asks of the other nodes of its site. The methods may take a moment.
type Site interface {
	// Alive reports whether a node can be reached.
	Alive(node string) bool
	// Copies asks every node that can be reached what it has of a burst: by node, this one not among them. One that did not answer is missing.
	Copies(ctx context.Context, burst fusion.ID) map[string]Held
	// Located reports whether a content is here, or can be had from a node that can be reached.
	Located(ctx context.Context, name string) bool
}

const (
	settleEvery = time.Second
	settleGrace = 5 * time.Second  // after the end of a burst, for its own node to index it
	patience    = 10 * time.Minute // with a node that should index its fuller copy, or its own recording, and does not
	longestLull = 5 * time.Minute  // between two looks at a copy that is still needed
)

// kept is a sealed copy. It belongs to the settler.
type kept struct {
	name   string
	ended  time.Time
	read   bool // what follows is known
	id     fusion.ID
	origin string
	heard  int64 // ms
	next   time.Time
	lull   time.Duration
	w      waiting
}

// Held tells what this node has of a burst.
func (r *Recorder) Held(id fusion.ID) Held {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := Held{None: true}
	for _, rec := range r.active {
		if rec.meta.ID == id {
			h.None, h.Open, h.Own = false, true, h.Own || !rec.copy()
		}
	}
	if r.waits[id] > 0 {
		h.None, h.Own = false, true
	}
	for name, k := range r.copies {
		if idIn(name) == id {
			h.None, h.Heard, h.Open = false, max(h.Heard, k.heard), h.Open || !k.read // how full it is will be known in a moment
		}
	}
	return h
}

// idIn is the burst that a finished recording's name tells; zero when it tells none.
func idIn(name string) fusion.ID {
	_, rest, _ := strings.Cut(name, ".")
	id, err := fusion.ParseID(rest[:min(len(rest), 2*len(fusion.ID{}))])
	if err != nil {
		return fusion.ID{}
	}
	return id
}

// settleAll decides about copies until ctx ends. Those that are left are decided about after the next start.
func (r *Recorder) settleAll(ctx context.Context) {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.settleSome(ctx, time.Now())
		}
	}
}

// settleSome looks at the copies that are due. The first that cannot be indexed ends the round: when there is no quorum for one there is none for the others.
func (r *Recorder) settleSome(ctx context.Context, now time.Time) {
	r.mu.Lock()
	var due []*kept
	for _, k := range r.copies {
		if !k.next.After(now) {
			due = append(due, k)
		}
	}
	r.mu.Unlock()
	for _, k := range due {
		if ctx.Err() != nil {
			return
		}
		settled, err := r.settle(ctx, k, now)
		if err == nil && settled {
			r.mu.Lock()
			delete(r.copies, k.name)
			r.mu.Unlock()
			continue
		}
		k.next = now.Add(k.lull)
		if err != nil {
			r.cfg.Log.Warn("copy of a burst not settled yet", "file", k.name, "error", err)
			return
		}
	}
}

// settle decides about one copy: it is dropped when what is indexed holds as much and can be had, indexed when nobody else will do that better, and else it waits.
func (r *Recorder) settle(ctx context.Context, k *kept, now time.Time) (settled bool, err error) {
	path := filepath.Join(r.cfg.Dir, copyDir, k.name)
	k.lull = settleEvery
	if err := r.measure(k, path); err != nil {
		return true, r.setAside(k.name, path, err)
	}
	entry, indexed, err := r.cfg.Entry(k.id)
	if err != nil {
		return false, err
	}
	if indexed && entry.Heard >= k.heard {
		if !r.cfg.Site.Located(ctx, entry.File) {
			k.lull = min(longestLull, max(settleEvery, now.Sub(k.ended)/4)) // it may be what remains of the burst
			return false, nil
		}
		return true, os.Remove(path)
	}
	if now.Sub(k.ended) < settleGrace || !r.mine(ctx, k, indexed, now) {
		return false, nil
	}
	err = r.commit(ctx, &k.w, path, r.cfg.IndexCopy)
	if fusion.ReasonOf(err) == "burst_gone" { // retention has taken the burst
		return true, os.Remove(path)
	}
	if err == nil {
		r.cfg.Log.Info("a burst was indexed from a copy", "burst", k.id.String(), "origin", k.origin, "heard_ms", k.heard)
	}
	return err == nil, err
}

// measure finds out what a copy holds.
func (r *Recorder) measure(k *kept, path string) error {
	if k.read {
		return nil
	}
	s, err := sound(path)
	if err != nil {
		return err
	}
	if s.meta.ID != idIn(k.name) {
		return errors.Join(ErrFormat, errOtherBurst)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k.read, k.id, k.origin, k.heard, k.w = true, s.meta.ID, s.meta.Origin, s.heard.Milliseconds(), waiting{name: k.name}
	return nil
}

var errOtherBurst = errors.New("journal: a copy holds another burst than its name says")

// mine tells whether this node is the one to index its copy: its own node does not, nobody has a fuller one, and of those with as full a one no reachable node is
// named lower.
func (r *Recorder) mine(ctx context.Context, k *kept, indexed bool, now time.Time) bool {
	if h := r.Held(k.id); h.Open || h.Heard > k.heard {
		return false // there is another piece of it here
	}
	if now.Sub(k.ended) > patience {
		return true // the record keeps the fullest of all that come
	}
	answers := r.cfg.Site.Copies(ctx, k.id)
	if !indexed && r.cfg.Site.Alive(k.origin) {
		if h, answered := answers[k.origin]; !answered || h.Own || h.Open {
			return false
		}
	}
	for node, h := range answers {
		if h.Open || !h.None && (h.Heard > k.heard || h.Heard == k.heard && !h.Own && node < r.cfg.Node) {
			return false
		}
	}
	return true
}
