package voice

import (
	"slices"
	"sync/atomic"
)

// group is the members that hear the same packets. Its list is guarded by Switch.mu; those who deliver read the
// fanout, which is replaced whole and never changed.
type group struct {
	members []*member
	fan     atomic.Pointer[fanout]
	empty   func() // called with Switch.mu held when the last member has left
}

// fanout is a group in the form in which packets are delivered.
type fanout struct {
	batches []batch
	fresh   []newcomer
}

// newcomer is a member whose next packet is its first on this route.
type newcomer struct {
	member  *member
	outlet  Outlet
	to      []Target // just the one
	preRoll bool
}

type batch struct {
	outlet Outlet
	to     []Target
}

func (g *group) add(m *member) {
	m.in, m.fresh = g, true
	g.members = append(g.members, m)
	g.publish()
}

// remove takes m out; it may be in another group by then.
func (g *group) remove(m *member) {
	if m.in == g {
		m.in = nil
	}
	g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
	g.publish()
	if len(g.members) == 0 && g.empty != nil {
		g.empty()
	}
}

func (g *group) publish() {
	f := &fanout{}
	index := make(map[Outlet]int)
	for _, m := range g.members {
		t := Target{Sink: m.sink, Handle: m.handle}
		if m.fresh {
			f.fresh = append(f.fresh, newcomer{member: m, outlet: m.outlet, to: []Target{t}, preRoll: m.preRoll})
			continue
		}
		i, ok := index[m.outlet]
		if !ok {
			i = len(f.batches)
			index[m.outlet] = i
			f.batches = append(f.batches, batch{outlet: m.outlet})
		}
		f.batches[i].to = append(f.batches[i].to, t)
	}
	g.fan.Store(f)
}

// settled says that the fresh members of f have had their first packet.
func (g *group) settled(f *fanout) {
	for i := range f.fresh {
		if m := f.fresh[i].member; m.in == g && m.handle == f.fresh[i].to[0].Handle {
			m.fresh, m.preRoll = false, false
		}
	}
	g.publish()
}

// deliver sends p to everyone but the fresh: one call per outlet.
func (f *fanout) deliver(p *Packet) {
	for i := range f.batches {
		f.batches[i].outlet.Deliver(p, f.batches[i].to)
	}
}

// deliverFresh sends p to the fresh, marked as the first of a new numbering.
func (f *fanout) deliverFresh(p *Packet) {
	first := *p
	first.Marker = true
	for i := range f.fresh {
		f.fresh[i].outlet.Deliver(&first, f.fresh[i].to)
	}
}
