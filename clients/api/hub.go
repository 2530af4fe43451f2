package api

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/presence"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
)

// ringSize is how many of the latest events are kept at hand, encoded once for all connections.
const ringSize = 2048

// encoded is a durable event and the message that carries it.
type encoded struct {
	state.Event
	frame []byte
}

// hub knows every WebSocket and carries to them what happens: durable events as they are committed, live state as it changes.
type hub struct {
	s       *Server
	sockets *tally // per source
	users   *tally // per user

	mu     sync.Mutex
	conns  map[*conn]bool
	closed string // why no more are taken; "" while serving

	ringMu sync.RWMutex
	ring   []encoded // consecutive
	last   uint64    // the last event that was read
}

func newHub(s *Server) *hub {
	return &hub{s: s, conns: make(map[*conn]bool), sockets: newTally(s.cfg.SocketsSource, s.cfg.Sockets), users: newTally(s.cfg.SocketsUser, s.cfg.Sockets)}
}

func (h *hub) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// admit takes a connection in, within the limits.
func (h *hub) admit(c *caller) (leave func(), err error) {
	busy := fusion.E(fusion.Busy, "too_many_connections", "too many connections are open")
	source, ok := h.sockets.enter(c.source)
	if !ok {
		return nil, busy
	}
	user, ok := h.users.enter(c.user.Name)
	if !ok {
		source()
		return nil, busy
	}
	return func() { source(); user() }, nil
}

func (h *hub) add(c *conn) (closed string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed == "" {
		h.conns[c] = true
	}
	return h.closed
}

func (h *hub) remove(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

func (h *hub) all() []*conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*conn, 0, len(h.conns))
	for c := range h.conns {
		out = append(out, c)
	}
	return out
}

// closeAll says goodbye to everybody, takes no more, and waits a moment until they are gone.
func (h *hub) closeAll(why string) {
	h.mu.Lock()
	h.closed = why
	h.mu.Unlock()
	all := h.all()
	for _, c := range all {
		c.close(why)
	}
	patience := time.NewTimer(2 * time.Second)
	defer patience.Stop()
	for _, c := range all {
		select {
		case <-c.gone:
		case <-patience.C:
			return
		}
	}
}

// run carries what happens to the connections until ctx ends.
func (h *hub) run(ctx context.Context) {
	cancels := []func(){
		h.s.d.Talks.Subscribe(func(st talk.State) { h.each(func(c *conn) { c.live.talk(st) }) }),
		h.s.d.Presence.Subscribe(func(e presence.Entry) { h.each(func(c *conn) { c.live.presence(e) }) }),
	}
	if h.s.d.Desk != nil {
		cancels = append(cancels, h.s.d.Desk.Subscribe(func(i wire.CallInfo) { h.each(func(c *conn) { c.live.call(i) }) }))
	}
	defer func() {
		for _, f := range cancels {
			f()
		}
	}()
	var wg sync.WaitGroup
	wg.Go(func() { h.tellStatus(ctx) })
	wg.Go(func() { h.beat(ctx) })
	defer wg.Wait()
	for ctx.Err() == nil {
		if err := h.follow(ctx); err != nil && ctx.Err() == nil {
			h.s.d.Log.Error("events cannot be read", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (h *hub) each(f func(*conn)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		f(c)
	}
}

// follow reads the events that are new, and waits for more.
func (h *hub) follow(ctx context.Context) error {
	h.ringMu.RLock()
	last, begun := h.last, h.ring != nil
	h.ringMu.RUnlock()
	if !begun {
		var err error
		if last, err = view(h.s, (*state.View).LastEvent); err != nil {
			return err
		}
		h.ringMu.Lock()
		h.last, h.ring = last, []encoded{}
		h.ringMu.Unlock()
		h.each(func(c *conn) { c.events.poke() })
	}
	if err := h.s.d.Record.Wait(ctx, last); err != nil {
		return err
	}
	fresh, err := view(h.s, func(v *state.View) ([]state.Event, error) { return v.Events(last, state.MaxLimit) })
	if err != nil {
		return err
	}
	h.append(fresh)
	h.react(fresh)
	h.each(func(c *conn) { c.events.poke() })
	return nil
}

func (h *hub) append(fresh []state.Event) {
	h.ringMu.Lock()
	defer h.ringMu.Unlock()
	for _, e := range fresh {
		h.ring = append(h.ring, encoded{Event: e, frame: frameOf(e)})
		h.last = e.Seq
	}
	if len(h.ring) > ringSize {
		h.ring = append([]encoded(nil), h.ring[len(h.ring)-ringSize*3/4:]...)
	}
}

// after gives the kept events that follow seq; ok is false when they are not all kept.
func (h *hub) after(seq uint64, limit int) (list []encoded, ok bool) {
	h.ringMu.RLock()
	defer h.ringMu.RUnlock()
	if h.ring == nil || seq > h.last {
		return nil, h.ring != nil
	}
	if seq == h.last {
		return nil, true
	}
	if len(h.ring) == 0 || h.ring[0].Seq > seq+1 {
		return nil, false
	}
	from := int(seq + 1 - h.ring[0].Seq)
	return h.ring[from:min(len(h.ring), from+limit)], true
}

// frameOf is the message that carries an event.
func frameOf(e state.Event) []byte {
	data, err := json.Marshal(struct {
		T string `json:"t"`
		state.Event
	}{"event", e})
	if err != nil {
		return nil // nothing in state fails to encode: a test holds every type of event against this
	}
	return data
}

// react does what an event calls for besides being told: rights that changed, alerts that sound.
func (h *hub) react(fresh []state.Event) {
	rights, nodes := false, false
	for _, e := range fresh {
		nodes = nodes || e.Type == "node"
		rights = rights || changesSight(e)
		a, isAlert := e.Data.(state.Alert)
		if isAlert && a.State == state.AlertRaised && a.Stage >= 1 {
			h.each(func(c *conn) { c.sound(a) })
		}
	}
	if nodes {
		st := h.s.status()
		h.each(func(c *conn) { c.live.status(st) })
	}
	if !rights {
		return
	}
	h.s.checkSessions()
	h.each(func(c *conn) { c.stale() })
}

// tellStatus tells everybody what the node is doing, and at once when something has become better or worse.
func (h *hub) tellStatus(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var told time.Time
	degraded := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if h.len() == 0 {
			continue
		}
		st := h.s.status()
		now := joined(st.Degraded)
		if time.Since(told) < statusPeriod && now == degraded {
			continue
		}
		told, degraded = time.Now(), now
		h.each(func(c *conn) { c.live.status(st) })
	}
}

func joined(list []string) string {
	out := ""
	for _, s := range list {
		out += s + "\n"
	}
	return out
}

// statusFor leaves out what a caller without the right may not know. That something is wrong, everybody may.
func statusFor(c *caller, st wire.Status) wire.Status {
	if c.may(identity.SeeStatus) {
		return st
	}
	return wire.Status{Node: st.Node, Version: st.Version, Time: st.Time, Leader: st.Leader, Quorum: st.Quorum, Degraded: st.Degraded, Nodes: st.Nodes}
}
