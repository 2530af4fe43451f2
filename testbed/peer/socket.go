package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Frame is one message of the WebSocket, its own fields still raw.
type Frame struct {
	T   string          `json:"t"`
	Re  json.RawMessage `json:"re"`
	Raw json.RawMessage `json:"-"`
}

// Socket is a client's WebSocket.
type Socket struct {
	conn   *websocket.Conn
	write  sync.Mutex
	frames chan Frame
	done   chan struct{}
	err    error
	ponged time.Time // a ping is answered at most once a second
}

// Dial opens the WebSocket, says hello (after: the last durable event seen, -1 for from now on), and answers pings until it is closed.
func (a *API) Dial(ctx context.Context, after int64) (*Socket, error) {
	d := websocket.Dialer{TLSClientConfig: a.tls.Clone(), NetDialContext: a.dial}
	conn, res, err := d.DialContext(ctx, strings.Replace(a.base, "https:", "wss:", 1)+"/api/v1/ws", http.Header{"Authorization": {"Bearer " + a.token}, "Origin": {a.base}})
	if err != nil {
		status := ""
		if res != nil {
			status = res.Status
		}
		return nil, fmt.Errorf("peer: WebSocket: %w (%s)", err, status)
	}
	s := &Socket{conn: conn, frames: make(chan Frame, 4096), done: make(chan struct{})}
	conn.SetReadLimit(8 << 20)
	go s.read()
	return s, s.Send(map[string]any{"t": "hello", "after": after, "client": "guantong-drill"})
}

func (s *Socket) read() {
	defer close(s.done)
	for {
		_, raw, err := s.conn.ReadMessage()
		if err != nil {
			s.err = err
			return
		}
		f := Frame{Raw: raw}
		if err := json.Unmarshal(raw, &f); err != nil {
			s.err = fmt.Errorf("peer: a WebSocket message is no JSON: %w: %.200s", err, raw)
			return
		}
		if f.T == "ping" {
			now := time.Now()
			if now.Sub(s.ponged) < time.Second {
				continue
			}
			s.ponged = now
			if err := s.Send(map[string]string{"t": "pong"}); err != nil {
				s.err = err
				return
			}
			continue
		}
		select {
		case s.frames <- f:
		default:
			s.err = fmt.Errorf("peer: %d WebSocket messages unread", cap(s.frames))
			return
		}
	}
}

// Send writes one message.
func (s *Socket) Send(v any) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.conn.WriteJSON(v); err != nil {
		return fmt.Errorf("peer: WebSocket: %w", err)
	}
	return nil
}

// Next gives the next message; pings are answered and not given.
func (s *Socket) Next(ctx context.Context) (Frame, error) {
	select {
	case f := <-s.frames:
		return f, nil
	default:
	}
	select {
	case f := <-s.frames:
		return f, nil
	case <-s.done:
		return Frame{}, fmt.Errorf("peer: WebSocket ended: %w", s.err)
	case <-ctx.Done():
		return Frame{}, fmt.Errorf("peer: WebSocket: %w", ctx.Err())
	}
}

// Until reads on until a message that match accepts.
func (s *Socket) Until(ctx context.Context, match func(Frame) bool) (Frame, error) {
	for {
		f, err := s.Next(ctx)
		if err != nil || match(f) {
			return f, err
		}
	}
}

// Close closes the connection.
func (s *Socket) Close() {
	_ = s.conn.Close() // the server's side is told by TCP
	<-s.done
}
