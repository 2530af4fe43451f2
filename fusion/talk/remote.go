package talk

import (
	"slices"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// Bursts of other nodes. Each burst goes to every node of the site: late entry works everywhere, and what its own node recorded is not lost with it.

const (
	earlyBursts = 64              // bursts of which frames came before their announcement
	earlyFrames = 50              // of each
	earlyFor    = time.Second     // that they are kept
	tailMost    = 2 * time.Second // that a burst which another one has replaced may still go on without an end
)

// incoming finds the burst of a frame. It has a lock of its own, for moments only: frames come 50 times a second for each talker.
type incoming struct {
	mu    sync.Mutex
	airs  map[fusion.ID]*air
	early map[fusion.ID]*early
	stray uint64
}

// early keeps the first frames of a burst whose announcement is on its way.
type early struct {
	since  time.Time
	frames [][]byte
}

// lostBurst is what was on the air here when its node was lost: its talker may come back by another leg.
type lostBurst struct {
	burst      fusion.ID
	talker     fusion.Number
	origin     string
	turn       uint64
	precedence fusion.Precedence
	emergency  bool
}

// nodeLost is why a burst ended whose node is not heard any more.
const nodeLost = "node_lost"

// push sends one packet of our own talker to all who hear it, here and at the other nodes.
func (a *air) push(p *voice.Packet) {
	a.stream.Push(p)
	x := a.talker.x
	if a.local || x.alone() {
		return
	}
	b := x.frames.Get().(*[]byte)
	frame := appendFrame((*b)[:0], a.info.Burst, p)
	for _, node := range *x.others.Load() {
		x.d.Nodes.Frame(node, frame)
	}
	*b = frame
	x.frames.Put(b)
}

// begin is how a burst of ours is announced.
func (a *air) begin() *begin {
	i := a.info
	return &begin{
		Burst: i.Burst, Talk: a.talker.talk, Seat: a.talker.id, Terminal: a.talker.opt.Terminal, Talker: i.Talker, Name: i.Name, Precedence: i.Precedence,
		Emergency: i.Emergency, Exercise: i.Exercise, Codec: a.stream.Source(), Press: a.press, Turn: a.turn, Age: time.Since(a.start).Milliseconds(),
	}
}

// hearBegin opens a burst of another node here. x.mu is held.
func (x *Exchange) hearBegin(node string, b begin) {
	r := x.rooms[b.Talk]
	if r == nil {
		if b.Talk.Group == 0 {
			return
		}
		var err error
		if r, err = x.find(b.Talk); err != nil {
			x.d.Log.Warn("a burst of another node in a group that is not known here", "node", node, "talk", b.Talk.String())
			return
		}
	}
	if x.site.incoming.find(b.Burst) != nil || b.Burst.IsZero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hearBegin(node, b)
}

func (r *room) hearBegin(node string, b begin) {
	s := r.seats[b.Seat]
	if s == nil || s.node != node {
		s = r.x.proxySeat(node, chair{ID: b.Seat, Talk: b.Talk, Unit: b.Talker, Name: b.Name, Terminal: b.Terminal})
	}
	info := voice.Info{
		Burst: b.Burst, Talk: b.Talk, Talker: b.Talker, Name: b.Name, Precedence: b.Precedence, Emergency: b.Emergency, Exercise: b.Exercise,
	}
	age := min(max(time.Duration(b.Age)*time.Millisecond, 0), time.Hour)
	a := r.open(s, info, b.Codec, node, time.Now().Add(-age))
	a.press, a.turn = b.Press, b.Turn
	for _, f := range r.x.site.incoming.add(a) {
		a.hear(f, time.Now())
	}
	if r.air != nil && r.air.turn > a.turn {
		r.linger(a) // it was over before we learnt of it: kept, not heard
		return
	}
	r.replace()
	r.air, r.lost = a, lostBurst{}
	hears := r.m.Hears()
	for _, l := range r.order {
		if slices.Contains(hears, l.id) {
			r.attach(a, l, true)
		}
	}
	r.changed()
}

// replace makes room for a later burst. The one that was there ends by itself: its node has been told, or will be.
func (r *room) replace() {
	if r.air != nil {
		r.linger(r.air)
		r.air = nil
	}
}

// linger lets a burst go on beside the one on the air until its end comes.
func (r *room) linger(a *air) {
	r.tails = append(r.tails, a)
	if a.timer == nil {
		a.timer = time.AfterFunc(tailMost, func() { r.x.wipe(a) })
	}
}

// restore puts a burst back on the air that another one had replaced and that goes on: grants that met, of which it was the one to stay.
func (r *room) restore() {
	if r.air != nil || r.m == nil {
		return
	}
	for _, a := range r.tails {
		if !a.finished && (r.air == nil || a.turn > r.air.turn) {
			r.air = a
		}
	}
	if r.air == nil {
		return
	}
	if r.air.timer != nil {
		r.air.timer.Stop()
		r.air.timer = nil
	}
	r.tails = slices.DeleteFunc(r.tails, func(a *air) bool { return a == r.air })
	r.relisten()
	r.changed()
}

// carried lists what the arbiter is told of our bursts on the air.
func (r *room) carried() (list []input) {
	for _, a := range append(slices.Clone(r.tails), r.air) {
		if a != nil && a.ours && !a.finished {
			list = append(list, a.carried())
		}
	}
	return list
}

// wipe ends a burst whose time is over.
func (x *Exchange) wipe(a *air) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := a.talker.room.Load()
	if r == nil {
		r = x.rooms[a.talker.talk]
	}
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.air == a {
		return // it was put back meanwhile
	}
	r.tails = slices.DeleteFunc(r.tails, func(t *air) bool { return t == a })
	if a.ours && !a.finished {
		a.cause = floor.Superseded.String()
		a.talker.out.CompareAndSwap(a, nil)
		r.tellEnd(a, true)
	}
	a.over()
	r.forget()
}

// hearEnd ends a burst of another node. x.mu is held.
func (x *Exchange) hearEnd(node string, e ending) {
	a := x.site.incoming.find(e.Burst)
	if a == nil || a.origin != node {
		return
	}
	r := x.rooms[a.talker.talk]
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endOf(a, e)
	r.forget()
}

// endOf ends one burst of another node, on the air or lingering.
func (r *room) endOf(a *air, e ending) {
	a.cause, a.finished = e.Cause, true
	if r.air == a {
		r.air = nil
		if e.Cause == nodeLost {
			r.lost = lostBurst{a.info.Burst, a.info.Talker, a.origin, a.turn, a.info.Precedence, a.info.Emergency}
		}
		r.release(a)
		r.tails = append(r.tails, a)
		r.changed()
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	defer r.restore()
	if e.Cut {
		r.tails = slices.DeleteFunc(r.tails, func(t *air) bool { return t == a })
		a.over()
		return
	}
	a.timer = time.AfterFunc(tailTime, func() { r.x.wipe(a) })
}

// Frame takes a frame of speech of another node. It allocates nothing for a burst that is on the air.
func (x *Exchange) Frame(node string, frame []byte) {
	if len(frame) < frameHead {
		return
	}
	now := time.Now()
	if a := x.site.incoming.findOrKeep(fusion.ID(frame[:16]), frame, now); a != nil && a.origin == node {
		a.hear(frame, now)
	}
}

// hear pushes a packet that came from another node. Two paths may bring some at once.
func (a *air) hear(frame []byte, at time.Time) {
	a.hearing.Lock()
	defer a.hearing.Unlock()
	if parseFrame(frame, &a.packet) == nil {
		a.packet.Arrived = at
		a.stream.Push(&a.packet)
	}
}

func (in *incoming) find(burst fusion.ID) *air {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.airs[burst]
}

// findOrKeep finds the burst of a frame, or keeps the frame until the burst is announced.
func (in *incoming) findOrKeep(burst fusion.ID, frame []byte, now time.Time) *air {
	in.mu.Lock()
	defer in.mu.Unlock()
	if a := in.airs[burst]; a != nil {
		return a
	}
	if in.early == nil {
		in.early = make(map[fusion.ID]*early)
	}
	e := in.early[burst]
	if e == nil {
		for id, old := range in.early {
			if now.Sub(old.since) > earlyFor {
				delete(in.early, id)
			}
		}
		if len(in.early) >= earlyBursts {
			in.stray++
			return nil
		}
		e = &early{since: now}
		in.early[burst] = e
	}
	if len(e.frames) >= earlyFrames || now.Sub(e.since) > earlyFor {
		in.stray++
		return nil
	}
	e.frames = append(e.frames, append([]byte(nil), frame...))
	return nil
}

// add registers a burst and gives the packets of it that came before.
func (in *incoming) add(a *air) (before [][]byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.airs == nil {
		in.airs = make(map[fusion.ID]*air)
	}
	in.airs[a.info.Burst] = a
	if e := in.early[a.info.Burst]; e != nil && time.Since(e.since) <= earlyFor {
		before = e.frames
	}
	delete(in.early, a.info.Burst)
	return before
}

func (in *incoming) remove(burst fusion.ID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.airs, burst)
}

// open begins a stream and its recording.
func (r *room) open(s *seat, info voice.Info, source codec.ID, origin string, start time.Time) *air {
	a := &air{info: info, talker: s, start: start, origin: origin, ours: origin == "", local: s.talk.Group == 0}
	a.rec = r.x.d.Recorder.Begin(BurstInfo{Info: info, Groups: r.groups(), Start: start, Codec: source.String(), Origin: origin})
	var self voice.Sink
	if a.ours {
		self = s.ear()
	}
	a.stream = r.x.d.Switch.Open(info, source, a.rec, self)
	return a
}

// tellEnd tells the other nodes that a burst of ours has ended.
func (r *room) tellEnd(a *air, cut bool) {
	if a.ours && !a.local && !r.x.alone() {
		r.x.send("", word{End: &ending{Burst: a.info.Burst, Cause: a.cause, Cut: cut}})
	}
}
