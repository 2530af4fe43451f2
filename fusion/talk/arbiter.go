package talk

import (
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// proxy stands at the arbiter for a leg of another node. Its own node lets it hear, and tells it what the floor says.
type proxy struct {
	unit fusion.Number
}

func (p *proxy) Unit() fusion.Number          { return p.unit }
func (p *proxy) Outlet() voice.Outlet         { return nil }
func (p *proxy) Format() codec.Params         { return codec.Params{} }
func (p *proxy) SingleStream() bool           { return false }
func (p *proxy) Begin(voice.Info) (int, bool) { return 0, false }
func (p *proxy) End(voice.Info, int)          {}
func (p *proxy) Indicate(Indication)          {}

// proxySeat makes the seat of another node's leg.
func (x *Exchange) proxySeat(node string, c chair) *seat {
	s := &seat{x: x, id: c.ID, talk: c.Talk, node: node, leg: &proxy{c.Unit}}
	s.learn(c)
	return s
}

// learn takes over what another node says of its seat.
func (s *seat) learn(c chair) {
	s.opt = JoinOptions{
		Name: c.Name, Via: c.Via, Terminal: c.Terminal, MayTalk: c.MayTalk, MayEmergency: c.MayEmergency, Priority: c.Priority,
		Dispatcher: c.Dispatcher, Monitor: c.Monitor,
	}
	s.deaf = c.Deaf
}

// chair is the reverse.
func (s *seat) chair() chair {
	o := s.opt
	return chair{
		ID: s.id, Talk: s.talk, Unit: s.leg.Unit(), Name: o.Name, Via: o.Via, Terminal: o.Terminal, Priority: o.Priority, MayTalk: o.MayTalk,
		MayEmergency: o.MayEmergency, Dispatcher: o.Dispatcher, Monitor: o.Monitor, Deaf: !s.able(),
	}
}

// arbitrate takes what another node asks of the arbiter. x.mu is held.
func (x *Exchange) arbitrate(node string, w word) {
	if x.site.arbiter.Node != x.d.Self || w.Epoch != x.site.arbiter.epoch() {
		x.send(node, word{Refuse: true})
		return
	}
	if w.Input != nil {
		x.takeInput(node, *w.Input)
		return
	}
	here := make(map[fusion.ID]bool, len(w.Sync.Chairs))
	for _, c := range w.Sync.Chairs {
		here[c.ID] = true
		x.takeInput(node, input{Kind: floor.Join, Seat: c.ID, Talk: c.Talk, Chair: &c})
	}
	for _, in := range append(w.Sync.Carries, w.Sync.Asks...) {
		x.takeInput(node, in)
	}
	for _, r := range x.distinct() {
		r.mu.Lock()
		for _, s := range slices.Clone(r.order) {
			if s.node == node && !here[s.id] {
				r.dismiss(s)
			}
		}
		r.forget()
		r.mu.Unlock()
	}
	x.tellStates(node)
}

// takeInput does at the floor what happened at a seat of another node. x.mu is held.
func (x *Exchange) takeInput(node string, in input) {
	r := x.rooms[in.Talk]
	if r == nil && in.Kind == floor.Join && in.Talk.Group != 0 {
		r, _ = x.find(in.Talk) // a group that we do not know yet: the node tells us again
	}
	if r == nil || in.Talk.Group == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seats[in.Seat]
	switch {
	case in.Kind == floor.ForceClear || in.Kind == floor.EmergencyClear:
		r.handle(in.floor(time.Now()))
	case in.Kind == floor.Join && s == nil && in.Chair != nil:
		s = x.proxySeat(node, *in.Chair)
		s.room.Store(r)
		r.admit(s)
	case s == nil || s.node != node: // it has left, or is not that node's
	case in.Kind == floor.Join && in.Chair != nil:
		s.learn(*in.Chair)
	case in.Kind == floor.Leave:
		r.dismiss(s)
		r.forget()
	case in.Kind == floor.Carry:
		r.carry(s, in)
	default:
		r.handle(in.floor(time.Now()))
	}
	r.changed()
}

// carry takes a burst over that another node has on the air. Its talker has been granted the floor before.
func (r *room) carry(s *seat, in input) {
	outs := slices.Clone(r.m.Handle(time.Now(), in.floor(time.Now())))
	outs = slices.DeleteFunc(outs, func(o floor.Output) bool { return o.Type == floor.FloorGranted && o.To == s.id })
	r.runAll(outs)
	r.arm()
}

// lead makes this node the arbiter of a room that it followed. r.mu and x.mu are held.
func (r *room) lead(a Arbiter) {
	if r.talks[0].Group == 0 || r.m == nil {
		return
	}
	r.follows, r.arbiter = false, a
	now := time.Now()
	r.m = floor.Resume(r.m.Config(), a.epoch(), now)
	for _, t := range r.talks {
		r.m.Alarm(r.x.site.shown[t].State.Alarms...)
	}
	var outs []floor.Output
	do := func(in floor.Input) { outs = append(outs, r.m.Handle(now, in)...) }
	for _, s := range r.order {
		do(floor.Input{Kind: floor.Join, Seat: s.id, Who: s.participant()})
	}
	outs = outs[:0] // they know who talks, and will be told when that changes
	for _, b := range r.carried() {
		do(b.floor(now))
		outs = slices.DeleteFunc(outs, func(o floor.Output) bool { return o.Type == floor.FloorGranted })
	}
	for _, s := range r.order {
		if s.waits != nil {
			do(s.waits.floor(now))
		}
	}
	r.runAll(slices.Clone(outs))
	r.arm()
	r.changed()
}

// lose forgets a node: at the arbiter its seats leave, everywhere its bursts end. r.mu is held.
func (r *room) lose(node string) {
	for _, s := range slices.Clone(r.order) {
		if s.node == node {
			r.dismiss(s)
		}
	}
	for _, a := range append(slices.Clone(r.tails), r.air) {
		if a != nil && a.origin == node {
			r.endOf(a, ending{Burst: a.info.Burst, Cause: nodeLost, Cut: true})
		}
	}
}

// relay sends outputs to the nodes whose seats they are for, those that say the same in one.
func (r *room) relay(outs []floor.Output) {
	byNode := make(map[string][]order)
	for _, o := range outs {
		s := r.seats[subject(o)]
		if s == nil || s.node == "" {
			continue
		}
		list := byNode[s.node]
		w := r.orderOf(o, s)
		if n := len(list); n > 0 && list[n-1].same(w) {
			list[n-1].To = append(list[n-1].To, s.id)
		} else {
			byNode[s.node] = append(list, w)
		}
	}
	for node, list := range byNode {
		r.x.send(node, word{Epoch: r.arbiter.epoch(), Orders: list})
	}
}

// subject is the seat that an output is about, and whose node carries it out.
func subject(o floor.Output) fusion.ID {
	if o.Type == floor.BurstStart || o.Type == floor.BurstEnd {
		return o.Talker
	}
	return o.To
}

func (r *room) orderOf(o floor.Output, s *seat) order {
	w := order{
		Type: o.Type, To: []fusion.ID{s.id}, Burst: o.Burst, Unit: o.Unit, Precedence: o.Precedence, Emergency: o.Emergency, Deny: o.Deny,
		Revoked: o.Revoked, Ended: o.Ended, Cut: o.Cut, Left: o.Left, Position: o.Position,
	}
	if t := r.seats[o.Talker]; t != nil {
		w.Name = t.opt.Name
	}
	switch o.Type {
	case floor.FloorGranted:
		w.Hearing = r.hearing(s)
	case floor.BurstStart:
		w.Turn = r.turn()
	}
	return w
}

// same reports whether two orders differ only in whom they are for.
func (o order) same(p order) bool {
	switch o.Type {
	case floor.FloorTaken, floor.FloorIdle:
		return o.Type == p.Type && o.Burst == p.Burst && o.Name == p.Name && o.Unit == p.Unit && o.Precedence == p.Precedence && o.Emergency == p.Emergency
	}
	return false
}

// turn numbers a grant: the later one counts, whatever order the nodes learn of them in.
func (r *room) turn() uint64 {
	return r.arbiter.epoch()<<32 | r.x.turns.Add(1)&0xffffffff
}
