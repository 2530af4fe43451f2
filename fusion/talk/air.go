package talk

import (
	"slices"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
	"github.com/guantong-net/guantong/fusion/voice"
)

// air is one burst on the air: its stream and its recording.
type air struct {
	stream *voice.Stream
	rec    Recording
	info   voice.Info
	talker *seat
	start  time.Time
	press  fusion.ID
	free   bool // there is no floor: a side of a full-duplex call
	cause  string
	timer  *time.Timer

	ours    bool      // the talker's leg is at this node
	local   bool      // no other node hears it: a call
	origin  string    // the node that the talker is at; empty: this one
	turn    uint64    // which grant it is, of all at the site
	resumed fusion.ID // the burst that it goes on from, when its talker came from a node that was lost

	finished bool // only its tail is still out
	ended    sync.Once
	hearing  sync.Mutex   // of packet
	packet   voice.Packet // that came from another node
}

// over lets the stream's tail out and closes the recording. It happens once.
func (a *air) over() {
	a.ended.Do(func() {
		if a.timer != nil {
			a.timer.Stop()
		}
		if !a.ours {
			a.talker.x.site.incoming.remove(a.info.Burst)
		}
		a.stream.Close()
		a.rec.End(a.cause, time.Now())
	})
}

// start opens the stream of a burst that the floor has granted to a seat of ours.
func (r *room) start(o floor.Output, turn uint64) {
	s := r.seats[o.Talker]
	if s == nil {
		return
	}
	info := voice.Info{
		Burst: o.Burst, Talk: s.talk, Talker: s.leg.Unit(), Name: s.opt.Name,
		Precedence: o.Precedence, Emergency: o.Emergency, Exercise: r.x.d.Exercise(),
	}
	a := r.broadcast(s, info)
	a.press, a.turn = s.press(o.Burst), turn
	r.replace()
	r.air, r.lost = a, lostBurst{}
	if !a.local && !r.x.alone() {
		r.x.send("", word{Begin: a.begin()})
	}
	for _, id := range r.m.Hears() {
		if l := r.seats[id]; l != nil {
			r.attach(a, l, true)
		}
	}
	s.media.Store(0)
	s.out.Store(a)
}

// broadcast opens the stream of a seat of ours.
func (r *room) broadcast(s *seat, info voice.Info) *air {
	return r.open(s, info, s.leg.Format().ID, "", time.Now())
}

// groups lists the room's groups.
func (r *room) groups() []fusion.Number {
	var list []fusion.Number
	for _, t := range r.talks {
		if t.Group != 0 {
			list = append(list, t.Group)
		}
	}
	return list
}

// attach lets s hear a burst, unless it is its own device's, or the device hears the same press in another conversation.
func (r *room) attach(a *air, s *seat, fromStart bool) {
	if s.node != "" || s.same(a.talker) || s.held || !r.x.claim(a, s) {
		return
	}
	a.stream.Attach(s.ear(), fromStart)
}

func (r *room) detach(a *air, s *seat) {
	a.stream.Detach(s.ear())
	if r.x.disclaim(a, s) {
		go r.x.rehear(a.press) // its device may hear on elsewhere; takes the locks of other rooms
	}
}

// claim makes s the one seat of its device that hears a press. r.mu is held; the table has a lock of its own.
func (x *Exchange) claim(a *air, s *seat) bool {
	if a.press.IsZero() {
		return true
	}
	k := press{s.opt.Terminal, a.press}
	x.pressMu.Lock()
	defer x.pressMu.Unlock()
	if o := x.heard[k]; o != nil && o != s {
		return false
	}
	x.heard[k] = s
	return true
}

// disclaim gives the claim of s on a press back, if it has it.
func (x *Exchange) disclaim(a *air, s *seat) bool {
	if a.press.IsZero() {
		return false
	}
	k := press{s.opt.Terminal, a.press}
	x.pressMu.Lock()
	defer x.pressMu.Unlock()
	if x.heard[k] != s {
		return false
	}
	delete(x.heard, k)
	return true
}

// finish ends a burst, on the air or one that another has replaced. Unless it is cut, its last packets have a moment to arrive. That of
// another node ends when that node says so, but for a cut.
func (r *room) finish(o floor.Output) {
	a := r.burst(o.Burst)
	if a == nil {
		return
	}
	if !a.ours {
		r.endOf(a, ending{Burst: o.Burst, Cause: o.Ended.String(), Cut: o.Cut})
		return
	}
	if a.finished {
		return // only its tail is still out
	}
	a.finished = true
	a.talker.out.CompareAndSwap(a, nil)
	if a == r.air {
		r.air = nil
		r.tails = append(r.tails, a)
	}
	a.cause = o.Ended.String()
	r.note(a.talker, "ended", a.info.Burst, a.cause)
	r.tellEnd(a, o.Cut)
	r.release(a)
	defer r.restore()
	if a.timer != nil {
		a.timer.Stop()
	}
	if o.Cut {
		r.tails = slices.DeleteFunc(r.tails, func(t *air) bool { return t == a })
		a.over()
		return
	}
	a.timer = time.AfterFunc(tailTime, func() { r.x.wipe(a) })
}

// burst finds a burst that is on the air, or lingers.
func (r *room) burst(id fusion.ID) *air {
	if r.air != nil && r.air.info.Burst == id {
		return r.air
	}
	for _, a := range r.tails {
		if a.info.Burst == id {
			return a
		}
	}
	return nil
}

// release gives back the claims on a burst. Who heard the press here may go on hearing it in another conversation.
func (r *room) release(a *air) {
	if a.press.IsZero() {
		return
	}
	for _, s := range r.order {
		r.x.disclaim(a, s)
	}
	go r.x.rehear(a.press) // takes the locks of other rooms
}

// rehear lets devices hear a press that they heard in a conversation where it is over.
func (x *Exchange) rehear(id fusion.ID) {
	for _, r := range x.all() {
		r.mu.Lock()
		if !r.gone && r.air != nil && r.air.press == id {
			r.relisten()
		}
		r.mu.Unlock()
	}
}

// tailPacket sends the packet that is being handled to the burst that it belongs to.
func (r *room) tailPacket(o floor.Output) {
	if r.now == nil {
		return
	}
	for _, a := range r.tails {
		if a.info.Burst == o.Burst {
			a.push(r.now)
		}
	}
}

// rehear makes what s hears fit whether it is on hold.
func (r *room) rehear(s *seat) {
	if r.m == nil {
		r.rehearDuplex(s)
		return
	}
	if r.air == nil {
		return
	}
	if s.held {
		r.detach(r.air, s)
	} else if r.hears(s) {
		r.attach(r.air, s, false)
	}
}
