package api

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// beatWait is how long one heartbeat may take to leave. It goes only to sockets that have room, so it does not wait at all.
const beatWait = 100 * time.Millisecond

// beat sends every client a ping, unless something else has just gone to it: any message is a sign of life. One goroutine does it for all: two hundred
// that wake four times a second to send a few octets each were the larger part of what an idle console cost.
func (h *hub) beat(ctx context.Context) {
	every := h.s.cfg.Heartbeat
	tick := time.NewTicker(every)
	defer tick.Stop()
	ping, err := encodeFrame(plainFrame{"ping"})
	if err != nil {
		h.s.d.Log.Error("no heartbeat", "error", err)
		return
	}
	var all []*conn
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			all = h.appendAll(all[:0])
			for _, c := range all {
				c.beat(ping, now, every)
			}
			clear(all)
		}
	}
}

func (h *hub) appendAll(list []*conn) []*conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		list = append(list, c)
	}
	return list
}

// beat sends a ping if the client has heard nothing for most of a beat. It never waits: a client that is being sent to, or whose socket is full,
// gets what is on its way instead.
func (c *conn) beat(ping []byte, now time.Time, every time.Duration) {
	if now.UnixNano()-c.sent.Load() < int64(every)*3/4 || !c.writing.TryLock() {
		return
	}
	defer c.writing.Unlock()
	if c.ended || !c.room.free() {
		return
	}
	if c.ws.SetWriteDeadline(now.Add(beatWait)) != nil || c.ws.WriteMessage(websocket.TextMessage, ping) != nil {
		c.stop()
	}
}

// outgoing tells whether a connection can take something at once.
type outgoing struct {
	free func() bool
}

// outgoingOf finds the socket below TLS. Where it cannot be asked, it is taken to be free.
func outgoingOf(c net.Conn) outgoing {
	for {
		switch below := c.(type) {
		case *tls.Conn:
			c = below.NetConn()
		case *counted:
			c = below.Conn
		case *net.TCPConn:
			return outgoing{writable(below)}
		default:
			return outgoing{func() bool { return true }}
		}
	}
}
