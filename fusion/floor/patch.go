package floor

import (
	"cmp"
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Merge joins the floors of several groups into one (派接). The machines handed in are done with. When two of them talk the
// winner is the one that Outranks; the others are revoked at once and their bursts end, kept as far as they came. Queues become one queue.
//
// A patch is loop-free by construction: it is one machine that each device joins once, whatever number of its groups it is in.
func Merge(cfg Config, epoch uint64, now time.Time, floors ...*Machine) (*Machine, []Output) {
	m := New(cfg, epoch)
	m.now = now
	if len(floors) > 0 {
		m.trace = floors[0].trace
	}
	winner := m.gather(floors)
	for _, f := range floors {
		if f.hold.seat != nil && f != winner {
			m.retire(f)
		}
	}
	m.state = m.rest(floors)
	if winner != nil {
		m.carryOver(winner)
	}
	m.mergeQueues(floors)
	for _, f := range floors {
		f.abandon()
	}
	m.fire(Regrouped)
	m.serve()
	return m, m.out
}

// gather seats everybody of the floors and finds the talker that stays.
func (m *Machine) gather(floors []*Machine) (winner *Machine) {
	for _, f := range floors {
		m.now = latest(m.now, f.now)
		m.seq, m.strays = max(m.seq, f.seq), m.strays+f.strays
		for _, s := range f.seats {
			for _, p := range s.parts {
				n := m.sit(p)
				n.retry, n.scolded, n.strayed = latest(n.retry, s.retry), latest(n.scolded, s.scolded), latest(n.strayed, s.strayed)
			}
		}
		for _, a := range f.alarms {
			if !slices.Contains(m.alarms, a) {
				m.alarms = append(m.alarms, a)
			}
		}
		if f.hold.seat != nil && (winner == nil || Outranks(f.hold.Holding, winner.hold.Holding, m.cfg.Home)) {
			winner = f
		}
	}
	return winner
}

// rest is the state of a patch in which nobody talks.
func (m *Machine) rest(floors []*Machine) State {
	for _, f := range floors {
		if f.state == Initialising {
			m.settle = latest(m.settle, f.settle)
		}
	}
	switch {
	case !m.settle.IsZero():
		return Initialising
	case len(m.seats) == 0:
		return StartStop
	}
	return Idle
}

// retire ends a burst that lost.
func (m *Machine) retire(f *Machine) {
	h := m.hold
	m.hold = f.hold
	m.tellRevoke(BurstPreempted, 0)
	o := m.stream(BurstEnd)
	o.Ended, o.Cut = Superseded, true
	m.say(o)
	m.hold = h
}

// carryOver takes the holding of f with its timers; its seat is among those of m.
func (m *Machine) carryOver(f *Machine) {
	m.state, m.hold, m.ending, m.inCall = f.state, f.hold, f.ending, f.inCall && m.cfg.Kind == Broadcast
	m.hold.seat = m.byID[f.hold.Seat]
	m.t1, m.t2, m.warn, m.t3, m.settle = f.t1, f.t2, f.warn, f.t3, time.Time{}
}

// mergeQueues makes one queue: of rank, then of time. Whoever waited twice, or talks, waits no more for the rest.
func (m *Machine) mergeQueues(floors []*Machine) {
	var all []entry
	for _, f := range floors {
		all = append(all, f.queue...)
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.arrival, b.arrival)) })
	for i := range all {
		m.arrivals++
		all[i].arrival, all[i].seat, all[i].told = m.arrivals, m.byID[all[i].Seat], 0
	}
	m.queue = all
	m.sort()
	for i := 0; i < len(m.queue); {
		e := m.queue[i]
		if e.seat == m.hold.seat || m.queued(e.seat) < i {
			m.cancel(i)
			continue
		}
		i++
	}
	for len(m.queue) > max(m.cfg.QueueDepth, 1) && !m.queue[len(m.queue)-1].rank.emergency {
		m.cancel(len(m.queue) - 1)
	}
}

// abandon makes a machine that is done with an empty one.
func (m *Machine) abandon() {
	m.stopAll()
	m.state, m.seats, m.queue, m.hold, m.alarms, m.tail = StartStop, nil, nil, holding{}, nil, tail{}
	m.byID = make(map[fusion.ID]*seat)
}

// Part splits a patch in one action: every participant goes back to the groups that it came from, the talk burst goes on in
// the talker's group alone, queued requests go with their groups. There is one machine for each of groups, named by Config.Group, in
// that order; whoever came from none of them is gone. The patch's machine is done with.
func (m *Machine) Part(epoch uint64, now time.Time, groups ...Config) ([]*Machine, []Output) {
	m.begin(now)
	m.serve()
	var out []Output
	parted := make([]*Machine, len(groups))
	for i, cfg := range groups {
		parted[i] = m.split(cfg, epoch)
	}
	if m.hold.seat != nil && !slices.ContainsFunc(parted, func(p *Machine) bool { return p.hold.seat != nil }) {
		m.retire(m)
	}
	out = append(out, m.out...)
	for _, p := range parted {
		p.fire(Regrouped)
		p.serve()
		out = append(out, p.out...)
	}
	m.abandon()
	return parted, out
}

// split makes the machine of one group out of a patch.
func (m *Machine) split(cfg Config, epoch uint64) *Machine {
	p := New(cfg, epoch)
	p.now, p.seq, p.arrivals, p.settle, p.trace = m.now, m.seq, m.arrivals, m.settle, m.trace
	for _, s := range m.seats {
		for _, part := range s.parts {
			if part.Group == cfg.Group {
				n := p.sit(part)
				n.retry, n.scolded, n.strayed = s.retry, s.scolded, s.strayed
			}
		}
	}
	for _, a := range m.alarms {
		if a.unit != 0 || p.byID[a.seat] != nil {
			p.alarms = append(p.alarms, a)
		}
	}
	p.state = p.rest([]*Machine{m})
	if m.hold.seat != nil && m.hold.Group == cfg.Group && p.byID[m.hold.Seat] != nil {
		p.carryOver(m)
	}
	for _, e := range m.queue {
		if e.Group == cfg.Group && p.byID[e.Seat] != nil {
			e.seat, e.told = p.byID[e.Seat], 0
			p.queue = append(p.queue, e)
		}
	}
	return p
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
