package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
)

// silence is how long a server may be silent before it is taken for dead where there is no other to go to: three heartbeats, and a margin for a
// busy machine.
const silence = 3 * time.Second

// Event is a durable event; Data is the object's JSON.
type Event struct {
	Seq  uint64          `json:"seq"`
	At   state.Millis    `json:"at"`
	Type string          `json:"type"`
	Key  string          `json:"key"`
	Gone bool            `json:"gone"`
	Data json.RawMessage `json:"data"`
}

// Stream is what plays on a receive slot.
type Stream struct {
	Burst      fusion.ID         `json:"burst"`
	Talk       fusion.Talk       `json:"talk"`
	Talker     fusion.Number     `json:"talker"`
	Name       string            `json:"name"`
	Emergency  bool              `json:"emergency"`
	Precedence fusion.Precedence `json:"precedence"`
}

// Handler is told what comes by a Session. Members may be nil. They are called one at a time and must not block, nor call
// the Session's asking methods.
type Handler struct {
	Event    func(Event)
	Floor    func(talk.Indication)
	Talk     func(wire.TalkState)
	Slot     func(slot int, s *Stream)
	Call     func(wire.CallInfo)
	Presence func([]wire.Presence)
	Status   func(wire.Status)
	Sound    func(state.Alert)
	Media    func(connected bool)
}

// Welcome is the server's answer to hello.
type Welcome struct {
	Seq  uint64        `json:"seq"`
	Site wire.SiteInfo `json:"site"`
	Me   wire.Me       `json:"me"`
	Time state.Millis  `json:"time"`
}

// Session is one WebSocket.
type Session struct {
	Welcome Welcome

	node *place
	ws   *websocket.Conn
	h    Handler
	last atomic.Uint64

	learn func([]wire.NodeInfo)
	heard atomic.Int64 // when something came last, in ns

	writing sync.Mutex
	mu      sync.Mutex
	next    int64
	waiting map[int64]chan incoming
	bye     string
	err     error
	done    chan struct{}

	ponged time.Time // when a ping was answered last; the reader's own
}

// pongEvery is how often a ping is answered at the most.
const pongEvery = time.Second

// incoming is any message of the server.
type incoming struct {
	T      string `json:"t"`
	Re     *int64 `json:"re"`
	Reason string `json:"reason"`
	raw    []byte
}

// Open opens a WebSocket at the node that is asked now, and says hello. After is the last durable event that is known, -1 to begin with what comes
// from now on. The session ends with the node; Roam goes on at the next one.
func (c *Client) Open(ctx context.Context, after int64, h Handler) (*Session, error) {
	return c.openAt(ctx, c.here(), after, h, 0)
}

// openAt opens a WebSocket at a node. Beat is after what silence the node is taken for dead; 0: by a deadline of reading, which costs no timer.
func (c *Client) openAt(ctx context.Context, node *place, after int64, h Handler, beat time.Duration) (*Session, error) {
	d := websocket.Dialer{TLSClientConfig: c.tls, HandshakeTimeout: 10 * time.Second, Proxy: http.ProxyFromEnvironment}
	address := "ws" + strings.TrimPrefix(node.url, "http") + v1 + "/ws"
	ws, res, err := d.DialContext(ctx, address, http.Header{"Authorization": {"Bearer " + c.Token()}})
	if err != nil {
		if res != nil && res.StatusCode >= 400 {
			defer func() { _ = res.Body.Close() }()
			return nil, refusal(res)
		}
		return nil, fusion.E(fusion.CutOff, "unreachable", "open WebSocket: %v", err)
	}
	s := &Session{node: node, ws: ws, h: h, learn: c.learn, waiting: make(map[int64]chan incoming), done: make(chan struct{})}
	s.last.Store(uint64(max(0, after)))
	welcomed := make(chan incoming, 1)
	s.waiting[0] = welcomed
	if beat > 0 {
		s.heard.Store(time.Now().UnixNano())
		go s.listen(beat)
	}
	go s.read(beat == 0)
	hello := map[string]any{"t": "hello", "id": 0, "after": after, "client": "sdk"}
	if n := c.history(); n != 0 && after >= 0 {
		hello["incarnation"] = n
	}
	if err := s.hello(ctx, hello, welcomed); err != nil {
		_ = s.Close()
		return nil, err
	}
	c.welcomed(s.Welcome.Site)
	return s, nil
}

// history is the incarnation of the site as it was known last.
func (c *Client) history() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.incarnation
}

func (c *Client) welcomed(site wire.SiteInfo) {
	c.learn(site.Nodes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.incarnation = site.Incarnation
}

func (s *Session) hello(ctx context.Context, hello map[string]any, welcomed chan incoming) error {
	if err := s.write(hello); err != nil {
		return err
	}
	m, err := s.wait(ctx, welcomed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(m.raw, &s.Welcome); err != nil {
		return fmt.Errorf("read welcome: %w", err)
	}
	return nil
}

// Last is the sequence number of the last durable event that Handler was told, or that the stream began after.
func (s *Session) Last() uint64 { return s.last.Load() }

// Done is closed when the session is over; Err says why then.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err says why the session is over; nil while it is not, or when Close ended it.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bye != "" {
		return fusion.E(fusion.CutOff, s.bye, "the server ended the session")
	}
	return s.err
}

// Close ends the session.
func (s *Session) Close() error {
	err := s.ws.Close()
	<-s.done
	return err
}

func (s *Session) write(v any) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.ws.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	if err := s.ws.WriteJSON(v); err != nil {
		return fusion.E(fusion.CutOff, "unreachable", "write to WebSocket: %v", err)
	}
	return nil
}

// ask sends a request and waits for its answer.
func (s *Session) ask(ctx context.Context, m map[string]any) (incoming, error) {
	answer, err := s.begin(m)
	if err != nil {
		return incoming{}, err
	}
	return s.wait(ctx, answer)
}

// begin sends a request, whose answer comes later.
func (s *Session) begin(m map[string]any) (chan incoming, error) {
	answer := make(chan incoming, 1)
	s.mu.Lock()
	s.next++
	id := s.next
	s.waiting[id] = answer
	s.mu.Unlock()
	m["id"] = id
	return answer, s.write(m)
}

func (s *Session) wait(ctx context.Context, answer chan incoming) (incoming, error) {
	select {
	case m := <-answer:
		if m.T != "error" {
			return m, nil
		}
		var f struct {
			Error wireError `json:"error"`
		}
		if err := json.Unmarshal(m.raw, &f); err != nil {
			return m, fmt.Errorf("read error: %w", err)
		}
		return m, f.Error.err()
	case <-s.done:
		if err := s.Err(); err != nil {
			return incoming{}, err
		}
		return incoming{}, fusion.E(fusion.CutOff, "closed", "the session is closed")
	case <-ctx.Done():
		return incoming{}, ctx.Err()
	}
}

// Join hears a conversation, or (monitor) listens in unlisted.
func (s *Session) Join(ctx context.Context, t fusion.Talk, monitor bool) (wire.TalkState, error) {
	var out wire.TalkState
	m, err := s.ask(ctx, map[string]any{"t": "join", "talk": t, "monitor": monitor})
	if err == nil {
		err = json.Unmarshal(m.raw, &out)
	}
	return out, err
}

// Leave leaves a conversation.
func (s *Session) Leave(ctx context.Context, t fusion.Talk) error {
	_, err := s.ask(ctx, map[string]any{"t": "leave", "talk": t})
	return err
}

// Press is a request for the floor.
type Press struct {
	Talks      []fusion.Talk
	Request    fusion.ID          // zero: a new one
	Precedence *fusion.Precedence // nil: the group's own
	Emergency  bool
	BreakIn    bool
	Resume     fusion.ID // the press for the same talks under which one spoke when the node died; zero: none
}

func (p Press) message() map[string]any {
	m := map[string]any{"t": "press", "talks": p.Talks, "request": p.Request, "emergency": p.Emergency, "break_in": p.BreakIn}
	if p.Precedence != nil {
		m["precedence"] = *p.Precedence
	}
	if !p.Resume.IsZero() {
		m["resume"] = p.Resume
	}
	return m
}

// Press asks for the floor; the answers come by Handler.Floor. It gives the request's ID.
func (s *Session) Press(ctx context.Context, p Press) (fusion.ID, error) {
	if p.Request.IsZero() {
		p.Request = NewID()
	}
	_, err := s.ask(ctx, p.message())
	return p.Request, err
}

// Release gives the floor up; no talks: all.
func (s *Session) Release(ctx context.Context, talks ...fusion.Talk) error {
	_, err := s.ask(ctx, map[string]any{"t": "release", "talks": talks})
	return err
}

// ForceClear takes the floor from whoever has it (强拆).
func (s *Session) ForceClear(ctx context.Context, t fusion.Talk) error {
	_, err := s.ask(ctx, map[string]any{"t": "force_clear", "talk": t})
	return err
}

// EndEmergency ends the emergency in a conversation.
func (s *Session) EndEmergency(ctx context.Context, t fusion.Talk) error {
	_, err := s.ask(ctx, map[string]any{"t": "end_emergency", "talk": t})
	return err
}

// Offer negotiates media: it brings an SDP offer to the server and gives its answer. It is what media.Dial takes as its Signal.
func (s *Session) Offer(ctx context.Context, offer string) (answer string, err error) {
	reply, err := s.ask(ctx, map[string]any{"t": "offer", "sdp": offer})
	if err != nil {
		return "", err
	}
	var a struct {
		SDP string `json:"sdp"`
	}
	if err := json.Unmarshal(reply.raw, &a); err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return a.SDP, nil
}

func (s *Session) read(deadline bool) {
	defer close(s.done)
	defer func() { _ = s.ws.Close() }()
	for {
		if deadline {
			_ = s.ws.SetReadDeadline(time.Now().Add(silence)) // an error shows at the read
		}
		_, data, err := s.ws.ReadMessage()
		if err != nil {
			s.mu.Lock()
			s.err = fusion.E(fusion.CutOff, "unreachable", "the WebSocket broke: %v", err)
			s.mu.Unlock()
			return
		}
		s.heard.Store(time.Now().UnixNano())
		var m incoming
		if json.Unmarshal(data, &m) != nil {
			continue
		}
		m.raw = data
		s.handle(m)
	}
}

// beatEvery is how often a server says something, at the least.
const beatEvery = 250 * time.Millisecond

// listen ends the session of a server that has been silent for so long. A look that itself came late, since this program or machine stood still,
// says nothing of the server.
func (s *Session) listen(patience time.Duration) {
	tick := time.NewTicker(beatEvery / 5)
	defer tick.Stop()
	looked, fresh := time.Now(), time.Now()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(looked) > beatEvery {
			fresh = now.Add(-beatEvery)
		}
		looked = now
		if heard := time.Unix(0, s.heard.Load()); now.Sub(heard) > patience && now.Sub(fresh) > patience {
			_ = s.ws.Close()
			return
		}
	}
}

func (s *Session) handle(m incoming) {
	switch m.T {
	case "ping":
		if now := time.Now(); now.Sub(s.ponged) >= pongEvery {
			s.ponged = now
			_ = s.write(map[string]string{"t": "pong"}) // when it fails, the next read does too
		}
		return
	case "bye":
		s.mu.Lock()
		s.bye = m.Reason
		s.mu.Unlock()
		return
	}
	if m.Re != nil {
		s.mu.Lock()
		answer := s.waiting[*m.Re]
		delete(s.waiting, *m.Re)
		s.mu.Unlock()
		if answer != nil {
			answer <- m
		}
		return
	}
	s.tell(m)
}

// told decodes a message for its handler.
func told[T any](raw []byte, f func(T)) {
	var v T
	if f != nil && json.Unmarshal(raw, &v) == nil {
		f(v)
	}
}

func (s *Session) tell(m incoming) {
	switch m.T {
	case "event":
		told(m.raw, func(e Event) {
			if s.h.Event != nil {
				s.h.Event(e)
			}
			s.last.Store(e.Seq)
		})
	case "floor":
		told(m.raw, s.h.Floor)
	case "talk":
		told(m.raw, s.h.Talk)
	case "call":
		told(m.raw, s.h.Call)
	case "status":
		told(m.raw, s.status)
	case "slot":
		told(m.raw, func(x struct {
			Slot   int     `json:"slot"`
			Stream *Stream `json:"stream"`
		}) {
			if s.h.Slot != nil {
				s.h.Slot(x.Slot, x.Stream)
			}
		})
	case "presence":
		told(m.raw, func(x struct {
			Presence []wire.Presence `json:"presence"`
		}) {
			if s.h.Presence != nil {
				s.h.Presence(x.Presence)
			}
		})
	case "sound":
		told(m.raw, func(x struct {
			Alert state.Alert `json:"alert"`
		}) {
			if s.h.Sound != nil {
				s.h.Sound(x.Alert)
			}
		})
	case "media":
		told(m.raw, func(x struct {
			Connected bool `json:"connected"`
		}) {
			if s.h.Media != nil {
				s.h.Media(x.Connected)
			}
		})
	}
}

func (s *Session) status(st wire.Status) {
	if s.learn != nil {
		s.learn(st.Nodes)
	}
	if s.h.Status != nil {
		s.h.Status(st)
	}
}
