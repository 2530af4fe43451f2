package live

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"time"
)

// Path carries frames to one other node: an ordered stream each way, and datagrams. mux.Path is one.
type Path interface {
	Node() string // who is at the other end, proved
	io.ReadWriter // the stream
	SendDatagram([]byte) error
	ReceiveDatagram(context.Context) ([]byte, error)
	Close(reason string) error
}

// Port opens and accepts paths.
type Port interface {
	Dial(ctx context.Context, address, node string) (Path, error)
	Accept(context.Context) (Path, error)
}

// Config of a Link. Zero fields take the defaults that are named.
type Config struct {
	Self     string // this node's ID
	Port     Port
	Nodes    func() map[string]string         // the other nodes of the site: ID → host:port
	Standing func() (term uint64, leads bool) // what Raft says of this node
	Frame    func(node string, frame []byte)  // takes frames of speech; valid until it returns; many goroutines
	Arbiter  func(Arbiter)                    // told when another node arbitrates
	Rand     io.Reader                        // of association numbers; default crypto/rand
	Now      func() time.Time                 // default time.Now
	Log      *slog.Logger                     // default: discards
	Beat     time.Duration                    // between heartbeats; default 100 ms
	Quiet    time.Duration                    // without one: the path is not used; default 350 ms
	Lost     time.Duration                    // by no way: the node is down; default 1 s
	Island   time.Duration                    // without a leader: then an island; one election timeout; default 400 ms
}

func (c *Config) defaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Beat, 100 * time.Millisecond}, {&c.Quiet, 350 * time.Millisecond}, {&c.Lost, time.Second}, {&c.Island, 400 * time.Millisecond}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Frame == nil {
		c.Frame = func(string, []byte) {}
	}
	if c.Arbiter == nil {
		c.Arbiter = func(Arbiter) {}
	}
}

// Arbiter is the node that arbitrates the floors for this one.
type Arbiter struct {
	Node   string `json:"node"`             // empty: none is known yet
	Term   uint64 `json:"term"`             // of Raft, as that node knows it
	Island bool   `json:"island,omitempty"` // it does so without a leader
}

// Handler is what uses a topic. Its methods are called one at a time, in order, together with those of all other topics, and must not block.
type Handler interface {
	// Up: the node is there, and whatever was said before is void: send it what it must know.
	Up(node string)
	// Down: the node is gone, or was for so long that what it said is void.
	Down(node string)
	// Hear hands over one message; it may be kept.
	Hear(node string, message []byte)
}
