package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

const (
	queueSize    = 256             // messages that wait for one client
	writeWait    = 5 * time.Second // for one message to leave
	frameRate    = 100             // messages a second that a client may send
	frameBurst   = 200
	sessionCheck = 10 * time.Second // an open WebSocket keeps its session alive
)

// conn is one WebSocket. One goroutine reads, one writes; what is to be said waits in a bounded queue (answers, floor messages), as its
// newest state (live), or in the record (events).
type conn struct {
	s      *Server
	ws     *websocket.Conn
	id     fusion.ID // the device, for conversations that it joins
	out    chan []byte
	live   *live
	events *eventFeed
	desk   *seats
	gone   chan struct{} // closed when all is over
	room   outgoing
	sent   atomic.Int64 // when something was sent last, in ns

	writing sync.Mutex // held while something is sent
	ended   bool       // nothing may follow: the goodbye is out

	mu     sync.Mutex
	caller *caller
	sight  *sight
	old    bool // caller and sight are to be read anew
	end    string
	stop   context.CancelFunc
}

// socket takes a WebSocket. A page proves itself by its cookie and must be ours.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	if origin := r.Header.Get("Origin"); c.cookie || origin != "" && !s.ofSite(origin) {
		if err := s.checkOrigin(r); err != nil {
			return err
		}
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return bad("no_websocket", "this address is a WebSocket")
	}
	leave, err := s.hub.admit(c)
	if err != nil {
		return err
	}
	defer leave()
	up := websocket.Upgrader{
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, HandshakeTimeout: 5 * time.Second,
		CheckOrigin:  func(*http.Request) bool { return true }, // checked above
		Subprotocols: []string{ownProtocol},
	}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return nil // Upgrade has answered
	}
	s.serveSocket(context.WithoutCancel(r.Context()), ws, c)
	return nil
}

func (s *Server) serveSocket(ctx context.Context, ws *websocket.Conn, who *caller) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c := &conn{s: s, ws: ws, id: s.d.NewID(), out: make(chan []byte, queueSize), live: newLive(), events: newEventFeed(), gone: make(chan struct{}),
		room: outgoingOf(ws.NetConn()), caller: who, old: true, stop: stop}
	c.desk = newSeats(c)
	defer close(c.gone)
	defer func() { _ = ws.Close() }()
	if why := s.hub.add(c); why != "" {
		c.bye(why)
		return
	}
	defer s.hub.remove(c)
	leave := s.d.Presence.Enter(who.unit.Number, "console")
	defer leave()
	defer c.desk.leaveAll()
	var wg sync.WaitGroup
	wg.Go(func() { c.write(ctx) })
	wg.Go(func() { c.watchSession(ctx) })
	c.read(ctx)
	stop()
	wg.Wait()
}

// close ends the connection; the client is told why. It does not block and may be called more than once.
func (c *conn) close(why string) {
	c.mu.Lock()
	if c.end == "" {
		c.end = why
	}
	c.mu.Unlock()
	c.stop()
}

// watchSession ends the connection with its session: seats leave at once.
func (c *conn) watchSession(ctx context.Context) {
	tick := time.NewTicker(sessionCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.caller.session.Done():
			c.desk.leaveAll()
			c.close(c.caller.session.Why())
			return
		case <-tick.C:
			c.s.d.Sessions.Touch(c.caller.session)
		}
	}
}

// send queues a message. A client whose queue is full cannot be helped: floor messages must not be lost, so it starts over.
func (c *conn) send(v any) {
	data, err := encodeFrame(v)
	if err != nil {
		c.s.d.Log.Error("message not sent", "error", err)
		return
	}
	select {
	case c.out <- data:
	default:
		c.s.count.slow.Inc()
		c.close("too_slow")
	}
}

func (c *conn) reply(id *int64, err error) {
	if err != nil {
		f := shown(err)
		if f.Fault == fusion.Broken.String() {
			c.s.d.Log.Error("message of a client failed", "error", err)
		}
		c.send(replyFrame{T: "error", Re: id, Error: &f})
		return
	}
	if id != nil {
		c.send(replyFrame{T: "ok", Re: id})
	}
}

// stale has caller and sight read anew before they are used again, and gives up seats that are no longer allowed.
func (c *conn) stale() {
	c.mu.Lock()
	c.old = true
	c.mu.Unlock()
	c.desk.check()
}

// who gives the caller and its sight as of now.
func (c *conn) who() (*sight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.old && c.sight != nil {
		return c.sight, nil
	}
	fresh := &caller{session: c.caller.session, source: c.caller.source, cookie: c.caller.cookie}
	if err := c.s.refresh(fresh); err != nil {
		return nil, err
	}
	st, err := view(c.s, func(v *state.View) (*sight, error) { return sightOf(v, fresh) })
	if err != nil {
		return nil, err
	}
	c.sight, c.old = st, false
	return st, nil
}

// sound tells dispatchers of an alert that nobody took.
func (c *conn) sound(a state.Alert) {
	c.mu.Lock()
	st := c.sight
	c.mu.Unlock()
	if st != nil && st.may(identity.TalkAnywhere) {
		c.send(soundFrame{"sound", a})
	}
}

// read takes the client's messages until it is gone, silent, or talks nonsense.
func (c *conn) read(ctx context.Context) {
	go func() { // a blocked read ends with the connection
		<-ctx.Done()
		_ = c.ws.SetReadDeadline(time.Unix(1, 0))
	}()
	c.ws.SetReadLimit(maxFrame)
	rate := newLimiter(frameRate, frameBurst, c.s.d.Now)
	for ctx.Err() == nil {
		if err := c.ws.SetReadDeadline(time.Now().Add(c.s.cfg.Patience)); err != nil || ctx.Err() != nil {
			return
		}
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			if errors.Is(err, websocket.ErrReadLimit) { // the client has been told by close code 1009
				c.s.count.frames.WithLabelValues("bad").Inc()
			}
			return
		}
		if !rate.allow("") {
			c.s.count.frames.WithLabelValues("bad").Inc()
			c.close("too_many_messages")
			return
		}
		if kind != websocket.TextMessage {
			c.s.count.frames.WithLabelValues("bad").Inc()
			c.reply(nil, bad("bad_message", "messages are text"))
			continue
		}
		f, err := decodeFrame(data)
		if err != nil {
			c.s.count.frames.WithLabelValues("bad").Inc()
			c.reply(f.ID, err)
			continue
		}
		c.handle(ctx, f)
	}
}

// handlers name what is done with each message of a client.
func (c *conn) handler(t string) func(context.Context, clientFrame) error {
	switch t {
	case "hello":
		return c.hello
	case "offer":
		return c.desk.offer
	case "join":
		return c.desk.join
	case "leave":
		return c.desk.leave
	case "press":
		return c.desk.press
	case "release":
		return c.desk.release
	case "force_clear":
		return c.forceClear
	case "end_emergency":
		return c.endEmergency
	case "pong":
		return func(context.Context, clientFrame) error { return nil }
	}
	return nil
}

func (c *conn) handle(ctx context.Context, f clientFrame) {
	h := c.handler(f.T)
	if h == nil {
		c.s.count.frames.WithLabelValues("bad").Inc()
		c.reply(f.ID, bad("bad_message", "there is no message %q", clip(f.T)))
		return
	}
	c.s.count.frames.WithLabelValues(f.T).Inc()
	if f.T != "hello" && f.T != "pong" && !c.events.begun() {
		c.reply(f.ID, bad("no_hello", "the first message is hello"))
		return
	}
	err := h(ctx, f)
	if err != nil && fusion.FaultOf(err) == fusion.NotAllowed {
		c.s.audit.refusal(state.Audit{By: c.caller.user.Name, Action: "refused", Target: clip(f.T + " " + f.Talk.String()), Result: fusion.ReasonOf(err), From: c.caller.source})
	}
	switch f.T {
	case "hello", "offer", "join": // these answer by themselves
		if err == nil {
			return
		}
	case "pong":
		return
	}
	c.reply(f.ID, err)
}

// maxAhead is how many events a client may know that this node has still to get.
const maxAhead = 100_000

// hello begins the stream of events after the last one that the client saw, and tells how things stand.
func (c *conn) hello(_ context.Context, f clientFrame) error {
	if c.events.begun() {
		return fusion.E(fusion.Conflict, "hello_twice", "hello was said already")
	}
	st, err := c.who()
	if err != nil {
		return err
	}
	info, err := c.s.info()
	if err != nil {
		return err
	}
	last, err := view(c.s, func(v *state.View) (uint64, error) {
		last, err := v.LastEvent()
		if err != nil || f.After == nil || *f.After < 0 {
			return last, err
		}
		if after := uint64(*f.After); after > last && after-last <= maxAhead && f.Incarnation != 0 && f.Incarnation == info.Incarnation {
			return uint64(*f.After), nil // another node told it what has still to reach this one
		}
		// Events that are forgotten, or of another history, are found out now and not in the middle of the stream.
		_, err = v.Events(uint64(*f.After), 1)
		return uint64(*f.After), err
	})
	if err != nil {
		return err
	}
	c.send(welcomeFrame{T: "welcome", Re: f.ID, Seq: last, Site: info, Me: st.me(), Time: msOf(c.s.d.Now())})
	c.tellAll(st)
	c.events.begin(last)
	return nil
}

// tellAll tells the live state as it is.
func (c *conn) tellAll(st *sight) {
	for _, e := range c.s.d.Presence.Online() {
		c.live.presence(e)
	}
	if c.s.d.Desk != nil {
		for _, i := range c.s.d.Desk.Calls() {
			c.live.call(i)
		}
	}
	groups, err := view(c.s, (*state.View).Groups)
	if err == nil {
		for _, g := range groups {
			if x, ok := c.s.d.Talks.State(fusion.GroupTalk(g.Number)); ok {
				c.live.talk(x)
			}
		}
	}
	c.live.status(c.s.status())
	open, err := view(c.s, (*state.View).OpenAlerts)
	if err != nil {
		return
	}
	for _, a := range open {
		if a.State == state.AlertRaised && a.Stage >= 1 {
			c.sound(a)
		}
	}
	_ = st
}

func (c *conn) forceClear(_ context.Context, f clientFrame) error {
	st, err := c.who()
	if err != nil {
		return err
	}
	if err := st.need(identity.ForceClear); err != nil {
		return err
	}
	if err := c.s.d.Talks.ForceClear(f.Talk, st.user.Name); err != nil {
		return err
	}
	c.s.audit.used(st.caller, identity.ForceClear, f.Talk.String())
	return nil
}

func (c *conn) endEmergency(_ context.Context, f clientFrame) error {
	st, err := c.who()
	if err != nil {
		return err
	}
	var whose fusion.Number // everybody's
	if !st.may(identity.ForceClear) {
		whose = st.unit.Number // who raised it may take it back
	}
	if err := c.s.d.Talks.EndEmergency(f.Talk, whose, st.user.Name); err != nil {
		return err
	}
	c.s.audit.did(st.caller, "end_emergency", f.Talk.String(), "")
	return nil
}

// write sends what waits: answers and floor messages first, then live state, then events. The hub sends pings in between.
func (c *conn) write(ctx context.Context) {
	defer c.stop()
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for {
		select { // what is urgent goes before all else
		case data := <-c.out:
			if !c.put(data) {
				return
			}
			continue
		default:
		}
		select {
		case <-ctx.Done():
			c.farewell()
			return
		case data := <-c.out:
			if !c.put(data) {
				return
			}
		case <-c.live.wake:
			if !c.putLive(again) {
				return
			}
		case <-again.C:
			if !c.putLive(again) {
				return
			}
		case <-c.events.wake:
			if !c.putEvents() {
				return
			}
		}
	}
}

func (c *conn) put(data []byte) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	now := time.Now()
	if err := c.ws.SetWriteDeadline(now.Add(writeWait)); err != nil {
		return false
	}
	c.sent.Store(now.UnixNano())
	return c.ws.WriteMessage(websocket.TextMessage, data) == nil
}

func (c *conn) putFrame(v any) bool {
	data, err := encodeFrame(v)
	if err != nil {
		c.s.d.Log.Error("message not sent", "error", err)
		return true
	}
	return c.put(data)
}

// putLive tells what has changed, as far as the client may know it.
func (c *conn) putLive(again *time.Timer) bool {
	if !c.events.begun() {
		return true // hello will tell everything
	}
	st, err := c.who()
	if err != nil {
		c.close("revoked")
		return true
	}
	d := c.live.take(time.Now())
	if d.again > 0 {
		again.Reset(d.again)
	}
	for _, x := range d.talks {
		if c.mayHearOf(st, x.Talk) && !c.putFrame(talkFrame{"talk", talkState(x)}) {
			return false
		}
	}
	for _, i := range d.calls {
		if st.live(i) && !c.putFrame(callFrame{"call", i}) {
			return false
		}
	}
	if len(d.units) > 0 {
		f := presenceFrame{T: "presence"}
		for _, e := range d.units {
			f.Presence = append(f.Presence, presenceOf(e))
		}
		if !c.putFrame(f) {
			return false
		}
	}
	return d.status == nil || c.putFrame(statusFrame{"status", statusFor(st.caller, *d.status)})
}

func (c *conn) mayHearOf(st *sight, t fusion.Talk) bool {
	return t.Group != 0 && st.joins(t.Group) || c.desk.in(t)
}

// putEvents sends the next events. When there are more, it comes back after what is urgent.
func (c *conn) putEvents() bool {
	st, err := c.who()
	if err != nil {
		c.close("revoked")
		return true
	}
	list, more, err := c.events.next(c.s, st)
	if err != nil {
		c.s.d.Log.Warn("events cannot be sent", "error", err)
		c.close("events_lost")
		return true
	}
	for _, frame := range list {
		if !c.put(frame) {
			return false
		}
	}
	if more {
		c.events.poke()
	}
	return true
}

// farewell sends what is queued and says why it is over.
func (c *conn) farewell() {
	for {
		select {
		case data := <-c.out:
			if !c.put(data) {
				return
			}
			continue
		default:
		}
		break
	}
	c.mu.Lock()
	why := c.end
	c.mu.Unlock()
	if why != "" {
		c.bye(why)
	}
}

func (c *conn) bye(why string) {
	sent := c.putFrame(byeFrame{"bye", why})
	c.writing.Lock()
	c.ended = true
	c.writing.Unlock()
	if sent {
		_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, why), time.Now().Add(time.Second))
	}
}
