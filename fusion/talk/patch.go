package talk

import (
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
)

// Patch joins groups under one floor (派接), in one action. A burst that is on the air goes on and is heard by all; when two are, the more
// urgent one stays. A group that is in another patch already is a conflict, and nothing changes.
func (x *Exchange) Patch(id fusion.ID, groups []fusion.Number) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	groups = slices.Compact(slices.Sorted(slices.Values(groups)))
	if len(groups) < 2 {
		return fusion.E(fusion.BadRequest, "patch_too_small", "a patch joins two groups or more")
	}
	if x.closed {
		return fusion.E(fusion.CutOff, "shutting_down", "this node is stopping")
	}
	rooms, err := x.parts(id, groups)
	if err != nil || rooms == nil {
		x.sweep(groups)
		return err
	}
	for _, r := range rooms { // in the order of their numbers
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	x.merge(id, rooms)
	return nil
}

// sweep forgets the rooms that were made for a patch that did not come about. x.mu is held.
func (x *Exchange) sweep(groups []fusion.Number) {
	for _, g := range groups {
		if r := x.rooms[fusion.GroupTalk(g)]; r != nil {
			r.mu.Lock()
			r.forget()
			r.mu.Unlock()
		}
	}
}

// parts finds the rooms of the groups that a patch is to join; none when the patch stands already. x.mu is held.
func (x *Exchange) parts(id fusion.ID, groups []fusion.Number) ([]*room, error) {
	var rooms []*room
	standing := 0
	for _, g := range groups {
		t := fusion.GroupTalk(g)
		r, err := x.find(t)
		switch {
		case err != nil:
			return nil, err
		case r.patch == id:
			standing++
		case !r.patch.IsZero():
			return nil, fusion.E(fusion.Conflict, "group_patched", "group %s is in another patch", g)
		default:
			rooms = append(rooms, r)
		}
	}
	if standing > 0 && len(rooms) > 0 {
		return nil, fusion.E(fusion.Conflict, "patch_stands", "patch %s stands with other groups", id)
	}
	return rooms, nil
}

// merge makes one room of several. All locks are held.
func (x *Exchange) merge(id fusion.ID, rooms []*room) {
	var floors []*floor.Machine
	var cfgs []floor.Config
	p := x.open(nil, nil)
	p.follows = rooms[0].follows
	p.mu.Lock()
	defer p.mu.Unlock()
	p.patch = id
	var airs []*air
	for _, r := range rooms {
		cfgs = append(cfgs, r.m.Config())
		floors = append(floors, r.m)
		p.talks = append(p.talks, r.talks...)
		if r.air != nil {
			airs = append(airs, r.air)
		}
		p.tails, r.tails = append(p.tails, r.tails...), nil
	}
	var outs []floor.Output
	p.m, outs = floor.Merge(p.config(cfgs), x.epoch(), time.Now(), floors...)
	for _, r := range rooms {
		r.move(p, func(*seat) bool { return true })
		r.air = nil
		r.close()
	}
	for _, t := range p.talks {
		x.rooms[t] = p
	}
	p.resume(airs, outs)
}

// config is that of a room's floor: the group's own, or for a patch what suits all its groups.
func (r *room) config(cfgs []floor.Config) floor.Config {
	if r.patch.IsZero() {
		return cfgs[0]
	}
	c := floor.DefaultConfig()
	c.Home = cfgs[0].Home
	for _, o := range cfgs {
		c.GroupPriority = max(c.GroupPriority, o.GroupPriority)
		c.TalkLimit = max(c.TalkLimit, o.TalkLimit)
	}
	return c
}

// reshape gives the floor another configuration. x.mu and r.mu are held.
func (r *room) reshape(c floor.Config) {
	if c == r.m.Config() {
		return
	}
	var outs []floor.Output
	r.m, outs = floor.Merge(c, r.x.epoch(), time.Now(), r.m)
	airs := []*air{r.air}
	r.air = nil
	r.resume(airs, outs)
}

// resume goes on with the burst that the new floor has taken over, and does what the floor says.
func (r *room) resume(airs []*air, outs []floor.Output) {
	r.air = r.keeps(airs)
	for _, a := range airs {
		if a != nil && a != r.air && (r.follows || !a.ours) {
			r.linger(a)
		}
	}
	var rest []floor.Output
	for _, o := range outs {
		switch {
		case r.follows:
		case o.Type == floor.BurstEnd && (r.air == nil || o.Burst != r.air.info.Burst):
			r.drop(airs, o)
			r.relay([]floor.Output{o})
		default:
			rest = append(rest, o)
		}
	}
	r.runAll(rest)
	if r.air != nil {
		r.relisten()
	}
	r.arm()
	r.changed()
}

// keeps finds the burst that stays on the air: that of the one who holds the floor; where another node arbitrates, the latest.
func (r *room) keeps(airs []*air) (best *air) {
	if !r.follows {
		return pick(airs, r.m)
	}
	for _, a := range airs {
		if a != nil && (best == nil || a.turn > best.turn) {
			best = a
		}
	}
	return best
}

// Part parts a patch in one action: everybody is in their own groups again, and a burst goes on in its talker's group.
func (x *Exchange) Part(id fusion.ID) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.patched(id)
	if p == nil {
		return fusion.E(fusion.NotFound, "patch_unknown", "no patch %s stands", id)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var rooms []*room
	var cfgs []floor.Config
	for _, t := range p.talks {
		g, _ := x.d.Groups(t.Group)
		cfgs = append(cfgs, floorConfig(t.Group, g))
	}
	machines, outs := p.m.Part(x.epoch(), time.Now(), cfgs...)
	outs = slices.Clone(outs)
	for i, m := range machines {
		r := x.open([]fusion.Talk{p.talks[i]}, m)
		r.mu.Lock()
		defer r.mu.Unlock()
		rooms = append(rooms, r)
		x.rooms[p.talks[i]] = r
	}
	x.split(p, rooms, outs)
	return nil
}

func (x *Exchange) patched(id fusion.ID) *room {
	for _, r := range x.rooms {
		if r.patch == id && !id.IsZero() {
			return r
		}
	}
	return nil
}

// split moves everybody of a patch to the rooms of their groups. All locks are held.
func (x *Exchange) split(p *room, rooms []*room, outs []floor.Output) {
	airs := []*air{p.air}
	for _, r := range rooms {
		p.move(r, func(s *seat) bool { return s.talk == r.talks[0] })
	}
	for _, r := range rooms {
		if r.air = r.parted(airs); r.air != nil {
			for _, o := range rooms {
				for _, s := range o.order {
					if o != r && s.node == "" {
						o.detach(r.air, s)
					}
				}
			}
			r.relisten()
		}
	}
	for _, a := range p.tails {
		if r := x.rooms[a.talker.talk]; r != nil {
			r.tails = append(r.tails, a)
		}
	}
	p.tails = nil
	for _, r := range rooms {
		r.restore() // what was not the latest in the patch is in its own group
	}
	p.air = nil
	p.close()
	for _, o := range outs {
		who := o.To
		if o.Type == floor.BurstStart || o.Type == floor.BurstEnd { // they are for nobody: the talker says where
			who = o.Talker
		}
		for _, r := range rooms {
			switch {
			case r.seats[who] == nil || r.follows:
			case o.Type == floor.BurstEnd && (r.air == nil || o.Burst != r.air.info.Burst):
				r.drop(airs, o)
				r.relay([]floor.Output{o})
			default:
				r.runAll([]floor.Output{o})
			}
		}
	}
	for _, r := range rooms {
		r.arm()
		r.changed()
		r.forget()
	}
}

// move takes the seats that belong there from r to another room. Both locks are held.
func (r *room) move(to *room, belongs func(*seat) bool) {
	for _, s := range slices.Clone(r.order) {
		if !belongs(s) {
			continue
		}
		delete(r.seats, s.id)
		r.order = slices.DeleteFunc(r.order, func(o *seat) bool { return o == s })
		to.seats[s.id] = s
		to.order = append(to.order, s)
		s.room.Store(to)
	}
}

// parted finds the burst that goes on in one of the groups of a patch that was parted.
func (r *room) parted(airs []*air) *air {
	a := r.keeps(airs)
	if a != nil && r.follows && a.talker.talk != r.talks[0] {
		return nil
	}
	return a
}

// pick finds the burst of the one who holds the floor.
func pick(airs []*air, m *floor.Machine) *air {
	h, ok := m.Holder()
	for _, a := range airs {
		if ok && a != nil && a.info.Burst == h.Burst {
			return a
		}
	}
	return nil
}

// drop ends a burst that did not survive a patching or parting; what was said is kept. That of another node its node ends.
func (r *room) drop(airs []*air, o floor.Output) {
	for _, a := range airs {
		if a == nil || a.info.Burst != o.Burst || !a.ours {
			continue
		}
		a.talker.out.Store(nil)
		a.cause = o.Ended.String()
		r.note(a.talker, "ended", a.info.Burst, a.cause)
		r.tellEnd(a, true)
		r.release(a)
		a.over()
	}
}
