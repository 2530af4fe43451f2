package talk

import (
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Nodes carries what the exchanges of a site's nodes tell one another. Its methods do not block. What arrives is handed to Up, Down, Hear
// and Frame of the Exchange.
type Nodes interface {
	Send(node string, message []byte) // in order, and once, while the node is up
	Broadcast(message []byte)
	Frame(node string, frame []byte) // soon or never
}

// Arbiter says which node arbitrates the floors of the groups that have legs here.
type Arbiter struct {
	Node   string // empty: nobody is known yet
	Term   uint64 // of Raft
	Island bool   // without a leader
}

// epoch orders the turns of arbiters.
func (a Arbiter) epoch() uint64 {
	e := a.Term << 1
	if a.Island {
		e |= 1
	}
	return e
}

// resyncAfter is how long a node waits before it tells an arbiter again that did not know of its office yet.
const resyncAfter = 50 * time.Millisecond

// site is what an exchange knows of the other nodes. Guarded by Exchange.mu, but for incoming.
type site struct {
	arbiter Arbiter
	up      []string
	settled time.Time // until then floors that are made wait for what other nodes carry
	shown   map[fusion.Talk]shownState
	resync  *time.Timer

	incoming incoming
}

// alone reports whether there are no other nodes.
func (x *Exchange) alone() bool { return x.d.Nodes == nil }

// rules reports whether this node arbitrates a conversation. Calls are each node's own. x.mu is held.
func (x *Exchange) rules(t fusion.Talk) bool {
	return x.alone() || t.Group == 0 || x.site.arbiter.Node == x.d.Self
}

func (x *Exchange) send(node string, w word) {
	b, err := encodeWord(w)
	if err != nil {
		x.d.Log.Error("a word for another node cannot be written", "error", err)
		return
	}
	if node == "" {
		x.d.Nodes.Broadcast(b)
		return
	}
	x.d.Nodes.Send(node, b)
}

// toArbiter sends what happened at a seat of ours. Without an arbiter it is kept in the seats, and told whoever comes. x.mu is not needed.
func (r *room) toArbiter(in input) {
	if a := r.arbiter; a.Node != "" {
		r.x.send(a.Node, word{Epoch: a.epoch(), Input: &in})
	}
}

// Arbitrate says who arbitrates from now on. Calls come one at a time, together with Up, Down and Hear.
func (x *Exchange) Arbitrate(a Arbiter) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || x.alone() {
		return
	}
	was := x.site.arbiter
	x.site.arbiter = a
	switch {
	case a.Node != x.d.Self:
		for _, r := range x.distinct() {
			r.mu.Lock()
			r.follow(a)
			r.forget()
			r.mu.Unlock()
		}
		x.report()
	case was.Node == x.d.Self:
		for _, r := range x.distinct() {
			r.mu.Lock()
			r.arbiter = a
			if r.m != nil {
				r.m.Renew(a.epoch())
			}
			r.mu.Unlock()
		}
	default:
		x.takeOver(a)
	}
}

// takeOver makes this node the arbiter: of its own seats at once, of the others' when they have told what they have.
func (x *Exchange) takeOver(a Arbiter) {
	x.site.settled = time.Now().Add(floorConfig(0, GroupConfig{}).Settle)
	for t, s := range x.site.shown {
		if len(s.State.Alarms) > 0 {
			_, _ = x.find(t) // an emergency outlives its arbiter, also where nobody sits here
		}
	}
	for _, r := range x.distinct() {
		r.mu.Lock()
		r.lead(a)
		r.forget()
		r.mu.Unlock()
	}
	shown := x.site.shown
	x.site.shown = make(map[fusion.Talk]shownState)
	for t := range shown {
		if x.rooms[t] == nil {
			go x.publish([]fusion.Talk{t})
		}
	}
}

// distinct lists every room once. x.mu is held.
func (x *Exchange) distinct() []*room {
	seen := make(map[*room]bool, len(x.rooms))
	var list []*room
	for _, r := range x.rooms {
		if !seen[r] {
			seen[r] = true
			list = append(list, r)
		}
	}
	return list
}

// report tells the arbiter all that this node has. x.mu is held.
func (x *Exchange) report() {
	a := x.site.arbiter
	if a.Node == "" || a.Node == x.d.Self || !slices.Contains(x.site.up, a.Node) {
		return
	}
	var all inventory
	for _, r := range x.distinct() {
		r.mu.Lock()
		r.takeStock(&all)
		r.mu.Unlock()
	}
	x.send(a.Node, word{Epoch: a.epoch(), Sync: &all})
}

// reportSoon tells it again in a moment. x.mu is held.
func (x *Exchange) reportSoon() {
	if x.site.resync != nil {
		return
	}
	x.site.resync = time.AfterFunc(resyncAfter, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.site.resync = nil
		if !x.closed {
			x.report()
		}
	})
}

// Up takes a node in: it is told who talks here, and, if it arbitrates, what we have.
func (x *Exchange) Up(node string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return
	}
	if !slices.Contains(x.site.up, node) {
		x.site.up = append(x.site.up, node)
		x.reach()
	}
	for _, r := range x.distinct() {
		r.mu.Lock()
		for _, a := range append(slices.Clone(r.tails), r.air) {
			if a != nil && a.ours && !a.local && !a.finished {
				x.send(node, word{Begin: a.begin()})
			}
		}
		r.mu.Unlock()
	}
	switch x.site.arbiter.Node {
	case x.d.Self:
		x.tellStates(node)
	case node:
		x.report()
	}
}

// reach says anew to whom speech goes. x.mu is held.
func (x *Exchange) reach() {
	list := slices.Clone(x.site.up)
	x.others.Store(&list)
}

// Down forgets a node: its seats leave, its bursts end.
func (x *Exchange) Down(node string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.site.up = slices.DeleteFunc(x.site.up, func(n string) bool { return n == node })
	x.reach()
	for _, r := range x.distinct() {
		r.mu.Lock()
		r.lose(node)
		r.forget()
		r.mu.Unlock()
	}
}

// Hear takes a message of another node.
func (x *Exchange) Hear(node string, message []byte) {
	w, err := decodeWord(message)
	if err != nil {
		x.d.Log.Warn("a word of another node cannot be read", "node", node, "error", err)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return
	}
	switch {
	case w.Begin != nil:
		x.hearBegin(node, *w.Begin)
	case w.End != nil:
		x.hearEnd(node, *w.End)
	case w.Note != nil:
		w.Note.Event.At = time.UnixMilli(w.Note.At)
		x.d.Note(w.Note.Event)
	case w.Sync != nil || w.Input != nil:
		x.arbitrate(node, w)
	case node != x.site.arbiter.Node:
		// An arbiter that was: what it says counts no more.
	case w.Refuse:
		x.reportSoon()
	case w.States != nil:
		x.hearStates(*w.States)
	case w.Epoch == x.site.arbiter.epoch():
		x.obey(w.Orders)
	}
}
