package talk

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
	"github.com/guantong-net/guantong/fusion/voice"
)

// tailTime is how long after a release the last packets of a burst may still arrive.
const tailTime = 300 * time.Millisecond

// Recorder keeps bursts. Its methods do not block: they are called with a conversation's lock held.
type Recorder interface {
	Begin(BurstInfo) Recording
}

// Recording is one burst that is being recorded.
type Recording interface {
	voice.Tap
	// End closes the recording; cause says why the burst ended. It is called once, after the last packet.
	End(cause string, at time.Time)
}

// BurstInfo describes a burst as it begins.
type BurstInfo struct {
	voice.Info
	Groups []fusion.Number // every group that hears it; none in a call
	Start  time.Time
	Codec  string // of what the talker sends
	Origin string // the node whose leg speaks; empty: this one
}

// Deps are what an Exchange needs.
type Deps struct {
	Switch   *voice.Switch
	Recorder Recorder
	Groups   func(fusion.Number) (GroupConfig, bool) // looks a group up; it does not block
	Exercise func() string                           // the exercise under way, or empty
	NewID    func() fusion.ID
	Note     func(FloorEvent) // for the journal; it does not block
	Epoch    uint64           // of the arbiter: the Raft term; where there are Nodes, Arbitrate says it
	Self     string           // this node
	Nodes    Nodes            // the others of the site; nil: none
	Log      *slog.Logger
}

// Exchange holds all conversations of a node. All methods are for any goroutine.
type Exchange struct {
	d Deps

	mu      sync.Mutex // taken before the lock of any room
	rooms   map[fusion.Talk]*room
	seats   map[fusion.ID]*seat // of this node
	site    site
	turns   atomic.Uint64 // counts the grants of this node as arbiter
	frames  sync.Pool
	others  atomic.Pointer[[]string] // the nodes that speech goes to
	pressMu sync.Mutex
	heard   map[press]*seat // which seat of a device hears a press that is spoken in several conversations
	watch   map[int]func(State)
	watches int
	closed  bool

	showing sync.Mutex // States are told one after the other, so that the last one told is the newest
}

// press is one press as one device hears it.
type press struct {
	terminal, press fusion.ID
}

// New makes an exchange with no conversations.
func New(d Deps) *Exchange {
	x := &Exchange{d: d, rooms: make(map[fusion.Talk]*room), seats: make(map[fusion.ID]*seat), heard: make(map[press]*seat), watch: make(map[int]func(State))}
	x.others.Store(new([]string))
	x.site.shown = make(map[fusion.Talk]shownState)
	x.frames.New = func() any { return new([]byte) }
	return x
}

// Join seats a leg in a conversation: a group that exists, or a call that was opened. What is being said there is heard at once.
func (x *Exchange) Join(_ context.Context, t fusion.Talk, leg Leg, opt JoinOptions) (Seat, error) {
	s := &seat{x: x, id: x.d.NewID(), talk: t, leg: leg, opt: opt}
	if s.opt.Terminal.IsZero() {
		s.opt.Terminal = s.id
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, fusion.E(fusion.CutOff, "shutting_down", "this node is stopping")
	}
	r, err := x.find(t)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.room.Store(r)
	x.seats[s.id] = s
	r.admit(s)
	return s, nil
}

// find gives the room of a conversation and makes that of a group when it is the first. x.mu is held.
func (x *Exchange) find(t fusion.Talk) (*room, error) {
	if r := x.rooms[t]; r != nil {
		return r, nil
	}
	if t.Group == 0 {
		return nil, fusion.E(fusion.NotFound, "call_unknown", "no such call: %s", t)
	}
	g, ok := x.d.Groups(t.Group)
	if !ok {
		return nil, fusion.E(fusion.NotFound, "group_unknown", "no such group: %s", t)
	}
	r := x.open([]fusion.Talk{t}, x.newFloor(floorConfig(t.Group, g)))
	x.rooms[t] = r
	return r, nil
}

// newFloor makes the floor of a group. One that has just become the arbiter hears first what the other nodes carry. x.mu is held.
func (x *Exchange) newFloor(c floor.Config) *floor.Machine {
	now := time.Now()
	if x.alone() || x.site.arbiter.Node != x.d.Self || now.After(x.site.settled) {
		return floor.New(c, x.epoch())
	}
	return floor.Resume(c, x.epoch(), now)
}

// epoch numbers the arbitration. x.mu is held.
func (x *Exchange) epoch() uint64 {
	if x.alone() {
		return x.d.Epoch
	}
	return x.site.arbiter.epoch()
}

// ordinary is the precedence of a press that names none.
func (x *Exchange) ordinary(t fusion.Talk) fusion.Precedence {
	if g, ok := x.d.Groups(t.Group); ok && t.Group != 0 {
		return g.Prec
	}
	return fusion.Routine
}

func floorConfig(n fusion.Number, g GroupConfig) floor.Config {
	c := floor.DefaultConfig()
	c.Group, c.Home, c.GroupPriority = n, n.Site(), g.Priority
	if g.TalkLimit > 0 {
		c.TalkLimit = g.TalkLimit
	}
	switch {
	case g.Broadcast:
		c.Kind = floor.Broadcast
	case g.Temporary:
		c.Kind = floor.Temporary
	}
	return c
}

// OpenCall begins a conversation without a group. With half duplex it has a floor (单呼), else all who are seated speak and hear at once.
// It stands until CloseCall, also while nobody is seated: a page that loses its network for a moment comes back into its call.
func (x *Exchange) OpenCall(id fusion.ID, halfDuplex bool) fusion.Talk {
	t := fusion.CallTalk(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rooms[t] != nil {
		return t
	}
	var m *floor.Machine
	if halfDuplex {
		m = floor.New(floor.DefaultConfig(), x.epoch()) // not floor.Private: that ends when a side leaves, and here the desk ends calls
	}
	x.rooms[t] = x.open([]fusion.Talk{t}, m)
	return t
}

// CloseCall ends a call's conversation: every seat is told so and leaves.
func (x *Exchange) CloseCall(t fusion.Talk, cause string) {
	x.mu.Lock()
	r := x.rooms[t]
	x.mu.Unlock()
	if r != nil && t.Group == 0 {
		r.clear(cause)
	}
}

// CloseGroup removes everybody from a group that is no more.
func (x *Exchange) CloseGroup(n fusion.Number) {
	t := fusion.GroupTalk(n)
	x.mu.Lock()
	r := x.rooms[t]
	x.mu.Unlock()
	if r == nil {
		return
	}
	for _, s := range r.seated(t) {
		s.end("group_gone")
	}
}

// Regroup takes up what has changed in a group: talk limit, priority, kind. Who talks goes on talking, who waits goes on waiting.
func (x *Exchange) Regroup(n fusion.Number) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.rooms[fusion.GroupTalk(n)]
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var cfgs []floor.Config
	for _, t := range r.talks {
		if g, ok := x.d.Groups(t.Group); ok {
			cfgs = append(cfgs, floorConfig(t.Group, g))
		}
	}
	if len(cfgs) > 0 {
		r.reshape(r.config(cfgs))
	}
}

// ForceClear takes the floor from whoever has it and empties the queue (强拆).
func (x *Exchange) ForceClear(t fusion.Talk, by string) error {
	x.note(FloorEvent{At: time.Now(), Talk: t, Kind: "force_clear", By: by})
	return x.handle(t, floor.Input{Kind: floor.ForceClear})
}

// EndEmergency clears the emergency of a unit in the conversation; 0 is everybody's.
func (x *Exchange) EndEmergency(t fusion.Talk, unit fusion.Number, by string) error {
	x.note(FloorEvent{At: time.Now(), Talk: t, Kind: "emergency_cleared", By: by})
	return x.handle(t, floor.Input{Kind: floor.EmergencyClear, Unit: unit})
}

func (x *Exchange) handle(t fusion.Talk, in floor.Input) error {
	x.mu.Lock()
	r := x.rooms[t]
	x.mu.Unlock()
	if r == nil && x.elsewhere(t, in) {
		return nil
	}
	if r == nil || r.m == nil {
		return fusion.E(fusion.NotFound, "talk_unknown", "nobody is in %s", t)
	}
	r.mu.Lock()
	r.handle(in)
	r.changed()
	r.mu.Unlock()
	x.tidy(r)
	return nil
}

// tidy forgets a room that nothing keeps any more.
func (x *Exchange) tidy(r *room) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
}

// Revoke takes the right to talk from a unit in one conversation, or (zero Talk) removes it from all.
func (x *Exchange) Revoke(unit fusion.Number, t fusion.Talk, cause string) {
	x.mu.Lock()
	var all []*seat
	for _, r := range x.rooms {
		r.mu.Lock()
		for _, s := range r.seats {
			if s.leg.Unit() == unit && (t.IsZero() || s.talk == t) {
				all = append(all, s)
			}
		}
		r.mu.Unlock()
	}
	x.mu.Unlock()
	for _, s := range all {
		if s.node != "" {
			s.deprive() // its node, which learns it too, tells it why
			continue
		}
		s.end(cause)
	}
}

// State tells who is in a conversation; ok is false when nobody is.
func (x *Exchange) State(t fusion.Talk) (State, bool) {
	x.mu.Lock()
	r := x.rooms[t]
	if s, ok := x.site.shown[t]; ok {
		x.mu.Unlock()
		return s.State, len(s.State.Seats) > 0 || r != nil
	}
	x.mu.Unlock()
	if r == nil {
		return State{Talk: t}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(t), true
}

// Talking counts the conversations in which somebody talks now.
func (x *Exchange) Talking() int {
	n := 0
	for _, r := range x.all() {
		r.mu.Lock()
		if r.air != nil {
			n++
		}
		r.mu.Unlock()
	}
	return n
}

// all lists every room once.
func (x *Exchange) all() []*room {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.distinct()
}

// Subscribe calls f with each new State, at most 20 times a second per conversation. f must not block.
func (x *Exchange) Subscribe(f func(State)) (cancel func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.watches++
	n := x.watches
	x.watch[n] = f
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.watch, n)
	}
}

// publish tells what the conversations are like now.
func (x *Exchange) publish(talks []fusion.Talk) {
	x.showing.Lock()
	defer x.showing.Unlock()
	x.mu.Lock()
	fs := make([]func(State), 0, len(x.watch))
	for _, f := range x.watch {
		fs = append(fs, f)
	}
	x.mu.Unlock()
	for _, t := range talks {
		s, _ := x.State(t)
		for _, f := range fs {
			f(s)
		}
	}
	x.showOthers(talks)
}

// Close ends all conversations and every recording of them. Nobody can join afterwards.
func (x *Exchange) Close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	for _, r := range x.all() {
		r.clear("shutting_down")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.rooms { // patches
		r.mu.Lock()
		r.close()
		r.mu.Unlock()
	}
	clear(x.rooms)
	if x.site.resync != nil {
		x.site.resync.Stop()
	}
}
