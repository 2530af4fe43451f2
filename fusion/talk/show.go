package talk

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
)

// The arbiter shows everybody how conversations are: it alone knows who is in them at all nodes.

// showOthers tells the other nodes how conversations of ours are now.
func (x *Exchange) showOthers(talks []fusion.Talk) {
	if x.alone() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.site.arbiter.Node != x.d.Self || talks[0].Group == 0 {
		return
	}
	var w states
	for _, t := range talks {
		w.List = append(w.List, x.show(t))
	}
	x.send("", word{Epoch: x.epoch(), States: &w})
}

// tellStates tells one node how all conversations are. x.mu is held.
func (x *Exchange) tellStates(node string) {
	w := states{All: true}
	for t := range x.rooms {
		if t.Group != 0 {
			w.List = append(w.List, x.show(t))
		}
	}
	x.send(node, word{Epoch: x.epoch(), States: &w})
}

// show describes one conversation of ours. x.mu is held.
func (x *Exchange) show(t fusion.Talk) shownState {
	s := shownState{State: State{Talk: t}}
	r := x.rooms[t]
	if r == nil {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.State = r.state(t)
	if !s.State.Burst.IsZero() {
		s.Age = time.Since(s.State.Since).Milliseconds()
	}
	s.State.Since = time.Time{}
	return s
}

// hearStates takes what the arbiter shows. x.mu is held.
func (x *Exchange) hearStates(w states) {
	if x.site.arbiter.Node == x.d.Self {
		return
	}
	news := make(map[fusion.Talk]bool, len(w.List))
	for _, s := range w.List {
		if s.State.Talk.Group == 0 {
			continue
		}
		if !s.State.Burst.IsZero() {
			s.State.Since = time.Now().Add(-time.Duration(s.Age) * time.Millisecond)
		}
		news[s.State.Talk] = true
		x.site.shown[s.State.Talk] = s
		if st := s.State; len(st.Seats)+len(st.Queue)+len(s.State.Alarms) == 0 && st.Burst.IsZero() && st.Patch.IsZero() {
			delete(x.site.shown, s.State.Talk)
		}
	}
	if w.All {
		for t := range x.site.shown {
			if !news[t] {
				delete(x.site.shown, t)
				news[t] = true
			}
		}
	}
	talks := make([]fusion.Talk, 0, len(news))
	for t := range news {
		talks = append(talks, t)
	}
	if len(talks) > 0 {
		go x.publish(talks) // the watchers may take locks of their own
	}
}

// elsewhere gives a dispatcher's power over a conversation that has no legs here to the arbiter. It reports whether there is such a one.
func (x *Exchange) elsewhere(t fusion.Talk, in floor.Input) bool {
	if x.alone() {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	a := x.site.arbiter
	if _, ok := x.site.shown[t]; !ok || a.Node == "" || a.Node == x.d.Self {
		return false
	}
	x.send(a.Node, word{Epoch: a.epoch(), Input: &input{Kind: in.Kind, Talk: t, Unit: in.Unit}})
	return true
}

// deprive takes the right to talk from a seat of another node, at once.
func (s *seat) deprive() {
	r := s.lock()
	defer r.mu.Unlock()
	if r.m != nil && !r.follows && r.seats[s.id] == s {
		r.handle(floor.Input{Kind: floor.Revoke, Seat: s.id})
	}
}
