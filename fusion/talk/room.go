package talk

import (
	"slices"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
	"github.com/guantong-net/guantong/fusion/voice"
)

// showEvery bounds how often a conversation's State is published.
const showEvery = 50 * time.Millisecond

// comingUp is how old a burst may be for one who joins to get it from its beginning: a leg whose media was not up yet when it began.
// Whoever joins later hears what is said now.
const comingUp = 500 * time.Millisecond

// room is one floor with those who are at it: a group, a patch of groups, or a call. A full-duplex call has no floor (m is nil).
type room struct {
	x     *Exchange
	talks []fusion.Talk // more than one in a patch
	patch fusion.ID

	mu    sync.Mutex
	gone  bool // replaced by a patch or parted: its seats are elsewhere
	over  bool // a call that was closed
	m     *floor.Machine
	seats map[fusion.ID]*seat
	order []*seat // by joining
	air   *air    // the burst on the air
	tails []*air  // bursts that have ended but whose last packets are still on their way
	timer *time.Timer
	show  *time.Timer   // runs while a State is yet to be published
	now   *voice.Packet // the packet that is being handled

	follows bool      // another node arbitrates
	arbiter Arbiter   // who does
	lost    lostBurst // the burst that was on the air when its node was lost
}

func (x *Exchange) open(talks []fusion.Talk, m *floor.Machine) *room {
	r := &room{x: x, talks: talks, m: m, seats: make(map[fusion.ID]*seat), arbiter: x.site.arbiter}
	r.follows = len(talks) > 0 && !x.rules(talks[0])
	return r
}

// admit seats s, which hears at once what is being said. r.mu is held, and everything below wants it held.
func (r *room) admit(s *seat) {
	r.seats[s.id] = s
	r.order = append(r.order, s)
	if r.m == nil {
		r.admitDuplex(s)
		r.changed()
		return
	}
	r.handle(floor.Input{Kind: floor.Join, Seat: s.id, Who: s.participant()})
	if r.follows {
		s.told = s.able()
	}
	if r.air != nil && r.hears(s) {
		r.attach(r.air, s, time.Since(r.air.start) < comingUp)
	}
	r.changed()
}

// hears reports whether the floor counts s as a listener: the seat of a device that came by two patched groups counts once.
func (r *room) hears(s *seat) bool { return slices.Contains(r.m.Hears(), s.id) }

// dismiss takes s away.
func (r *room) dismiss(s *seat) {
	if r.seats[s.id] == nil {
		return
	}
	for _, a := range append(slices.Clone(r.tails), r.air) {
		if a != nil && s.node == "" {
			r.detach(a, s)
		}
	}
	if r.m == nil {
		r.dismissDuplex(s)
	} else {
		r.handle(floor.Input{Kind: floor.Leave, Seat: s.id})
	}
	r.unseat(s)
	if r.m != nil && r.air != nil {
		r.relisten()
	}
	r.changed()
}

// unseat forgets a seat.
func (r *room) unseat(s *seat) {
	delete(r.seats, s.id)
	r.order = slices.DeleteFunc(r.order, func(o *seat) bool { return o == s })
}

// relisten lets those hear whom the floor now counts as listeners, and nobody else: when one seat of a device leaves another takes its place, and
// of the seats that a patch brings together one goes on hearing.
func (r *room) relisten() {
	hears := r.m.Hears()
	for _, s := range r.order {
		if !slices.Contains(hears, s.id) {
			r.detach(r.air, s)
		}
	}
	for _, s := range r.order {
		if slices.Contains(hears, s.id) && r.air.talker != s {
			r.attach(r.air, s, false)
		}
	}
}

// handle gives the floor one input and does what it says.
func (r *room) handle(in floor.Input) {
	if r.follows {
		r.pass(in)
		return
	}
	r.runAll(slices.Clone(r.m.Handle(time.Now(), in)))
	r.arm()
}

// runAll does what the floor says, here or at the nodes that it is for.
func (r *room) runAll(outs []floor.Output) {
	for _, o := range outs {
		if s := r.seats[subject(o)]; s == nil || s.node == "" || o.Type == floor.BurstEnd {
			r.run(o)
		}
	}
	if !r.x.alone() {
		r.relay(outs)
	}
}

// tick serves the floor's timers.
func (r *room) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone || r.follows {
		return
	}
	r.runAll(slices.Clone(r.m.Tick(time.Now())))
	r.arm()
}

// arm sets the timer to the floor's next deadline.
func (r *room) arm() {
	at := r.m.Deadline()
	if r.follows {
		at = time.Time{}
	}
	switch {
	case at.IsZero() && r.timer != nil:
		r.timer.Stop()
	case at.IsZero():
	case r.timer == nil:
		r.timer = time.AfterFunc(time.Until(at), r.tick)
	default:
		r.timer.Reset(time.Until(at))
	}
}

// run does one thing that the floor says.
func (r *room) run(o floor.Output) {
	switch o.Type {
	case floor.BurstStart:
		r.start(o, r.turn())
		r.changed()
	case floor.BurstEnd:
		r.finish(o)
		r.changed()
	case floor.MediaTail:
		r.tailPacket(o)
	default: // CallEnd too: a broadcast is over, but its group stays, and who sits there hears the next one
		name, hearing := "", 0
		if t := r.seats[o.Talker]; t != nil {
			name = t.opt.Name
		}
		if s := r.seats[o.To]; s != nil && o.Type == floor.FloorGranted {
			hearing = r.hearing(s)
		}
		r.tell(o, name, hearing)
	}
}

// tell passes a floor message on to the leg of ours that it is for: who talks is called name, and so many hear.
func (r *room) tell(o floor.Output, name string, hearing int) {
	s := r.seats[o.To]
	if s == nil {
		return
	}
	in := Indication{Talk: s.talk, Burst: o.Burst, Emergency: o.Emergency, Prec: o.Precedence}
	switch o.Type {
	case floor.FloorGranted:
		in.Kind, in.Request, in.Limit, in.Hearing = Granted, o.Burst, int(o.Left/time.Second), hearing
	case floor.FloorTaken:
		in.Kind, in.Talker, in.Name = Taken, o.Unit, name
	case floor.FloorDeny:
		in.Kind, in.Request, in.Cause = Denied, o.Burst, o.Deny.String()
	case floor.FloorIdle:
		in.Kind = Idle
	case floor.FloorRevoke:
		in.Kind, in.Cause = Revoked, o.Revoked.String()
	case floor.QueuePositionInfo:
		in.Kind, in.Request, in.Place = Queued, o.Burst, o.Position
		r.changed()
	case floor.QueueCancel:
		in.Kind, in.Request = Unqueued, o.Burst
		r.changed()
	case floor.TalkWarning:
		in.Kind, in.Limit = Expiring, int(o.Left/time.Second)
	default:
		return
	}
	if in.Kind == Granted || in.Kind == Denied || in.Kind == Unqueued {
		if s.waits != nil && s.waits.Burst == o.Burst {
			s.waits = nil
		}
	}
	if (in.Kind == Taken || in.Kind == Idle) && s.last == (toldLast{in.Kind, in.Burst}) {
		return // a new arbiter says what the old one said
	}
	s.last = toldLast{in.Kind, in.Burst}
	s.leg.Indicate(in)
	switch in.Kind {
	case Granted, Denied, Queued, Unqueued, Revoked:
		r.note(s, string(in.Kind), o.Burst, in.Cause)
	}
}

// clear ends the conversation for everybody.
func (r *room) clear(cause string) {
	r.mu.Lock()
	all := slices.Clone(r.order)
	r.mu.Unlock()
	for _, s := range all {
		s.end(cause)
	}
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.x.tidy(r)
}

// forget closes a room that nothing keeps: nobody sits there, no patch stands, no call is open, and no emergency is uncleared, which
// outlives the legs of its unit. x.mu and r.mu are held.
func (r *room) forget() {
	call := r.talks[0].Group == 0
	if r.air != nil && !r.air.ours || slices.ContainsFunc(r.tails, func(a *air) bool { return !a.ours }) {
		return // a burst of another node is recorded here, whoever hears it
	}
	if len(r.seats) > 0 || r.gone || !r.patch.IsZero() || call && !r.over || !call && len(r.m.Emergencies()) > 0 {
		return
	}
	r.changed()
	r.close()
	for _, t := range r.talks {
		if r.x.rooms[t] == r {
			delete(r.x.rooms, t)
		}
	}
}

// close stops what the room runs.
func (r *room) close() {
	r.gone = true
	if r.timer != nil {
		r.timer.Stop()
	}
	for _, a := range r.tails {
		a.over()
	}
	r.tails = nil
}

// seated lists the seats of one of the room's conversations.
func (r *room) seated(t fusion.Talk) []*seat {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*seat
	for _, s := range r.order {
		if s.talk == t {
			list = append(list, s)
		}
	}
	return list
}

// changed publishes the State soon.
func (r *room) changed() {
	if r.show != nil || r.gone {
		return
	}
	r.show = time.AfterFunc(showEvery, func() {
		r.mu.Lock()
		r.show = nil
		r.hearers()
		r.mu.Unlock()
		r.x.publish(r.talks)
	})
}

// hearing counts those who would hear s talk.
func (r *room) hearing(talker *seat) int {
	n := 0
	counted := make(map[fusion.ID]bool, len(r.order))
	for _, s := range r.order {
		if s.opt.Monitor || s.same(talker) || counted[s.opt.Terminal] || !s.able() {
			continue
		}
		counted[s.opt.Terminal] = true
		n++
	}
	return n
}

// state makes the snapshot that is shown of one of the room's conversations.
func (r *room) state(t fusion.Talk) State {
	st := State{Talk: t, Patch: r.patch}
	var talker *seat
	if r.air != nil {
		a := r.air
		talker = a.talker
		st.Talker, st.Name, st.Burst, st.Since, st.Emergency = a.info.Talker, a.info.Name, a.info.Burst, a.start, a.info.Emergency
	}
	for _, s := range r.order {
		if s.opt.Monitor {
			continue
		}
		if s.talk == t {
			st.Seats = append(st.Seats, s.shown())
		}
		if s.talk == t && !s.able() {
			st.Deaf = append(st.Deaf, s.opt.Name)
		}
	}
	st.Hearing = r.hearing(talker)
	if r.m == nil {
		return st
	}
	st.Alarms = r.m.Emergencies()
	for _, w := range r.m.Queue() {
		if s := r.seats[w.Seat]; s != nil {
			st.Queue = append(st.Queue, s.shown())
		}
	}
	return st
}
