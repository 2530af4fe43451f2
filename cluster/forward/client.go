package forward

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// Dial connects to the node of an ID at an address.
type Dial func(ctx context.Context, address, node string) (net.Conn, error)

const (
	callLimit  = 5 * time.Second // for one answer; past it the connection is taken for dead
	writeLimit = 5 * time.Second
	queued     = 256 // frames that wait to be written
)

// errSilent is the cause when a node said nothing for callLimit.
var errSilent = errors.New("forward: no answer")

// Client asks other nodes. Safe for concurrent use.
type Client struct {
	dial Dial

	mu     sync.Mutex
	links  map[string]*link // by node and address
	closed bool
}

// NewClient makes a Client of a way to connect.
func NewClient(dial Dial) *Client { return &Client{dial: dial, links: make(map[string]*link)} }

// Close ends all connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, l := range c.links {
		l.end()
	}
	return nil
}

// Propose has a node, which leads, propose an encoded command.
func (c *Client) Propose(ctx context.Context, node, address string, cmd []byte) (state.Result, error) {
	var res state.Result
	err := c.ask(ctx, node, address, askPropose, cmd, &res)
	return res, err
}

// Route has a node, which need not lead, bring an encoded command to the leader: for who does not belong to the quorum yet.
func (c *Client) Route(ctx context.Context, node, address string, cmd []byte) (state.Result, error) {
	var res state.Result
	err := c.ask(ctx, node, address, askRoute, cmd, &res)
	return res, err
}

// Index asks the leader up to which index a state must be applied to be current.
func (c *Client) Index(ctx context.Context, node, address string) (uint64, error) {
	var index uint64
	err := c.ask(ctx, node, address, askIndex, nil, &index)
	return index, err
}

// Progress asks a node how far it is.
func (c *Client) Progress(ctx context.Context, node, address string) (Progress, error) {
	var p Progress
	err := c.ask(ctx, node, address, askProgress, nil, &p)
	return p, err
}

func (c *Client) ask(ctx context.Context, node, address string, k kind, body []byte, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callLimit, errSilent)
	defer cancel()
	l, err := c.link(ctx, node, address)
	if err != nil {
		return fusion.E(fusion.CutOff, "no_leader", "%v", err)
	}
	a, err := l.call(ctx, k, body)
	if err != nil {
		return err
	}
	if err := a.err(); err != nil {
		return err
	}
	if err := command.Unmarshal(a.Body, into); err != nil && !(k == askProgress && errors.Is(err, command.ErrUnknownField)) {
		return fusion.E(fusion.CutOff, "outcome_unknown", "the answer cannot be read: %v", err)
	}
	return nil
}

// link finds the connection to a node, or makes it; others that want the same one wait for it.
func (c *Client) link(ctx context.Context, node, address string) (*link, error) {
	key := node + "@" + address
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, net.ErrClosed
	}
	l := c.links[key]
	if l == nil {
		l = &link{ready: make(chan struct{}), waiting: make(map[uint64]chan answer), out: make(chan []byte, queued)}
		l.dead, l.end = context.WithCancel(context.WithoutCancel(ctx))
		c.links[key] = l
		go c.connect(l, key, node, address)
	}
	c.mu.Unlock()
	select {
	case <-l.ready:
		return l, l.failed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Client) connect(l *link, key, node, address string) {
	conn, err := c.dial(l.dead, address, node)
	l.failed = err
	close(l.ready)
	if err == nil {
		stop := context.AfterFunc(l.dead, func() { _ = conn.Close() })
		go l.write(conn)
		l.read(conn)
		stop()
		_ = conn.Close()
	}
	l.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links[key] == l {
		delete(c.links, key)
	}
}

// link is one connection to another node.
type link struct {
	ready  chan struct{} // closed when connected, or failed
	failed error
	dead   context.Context
	end    context.CancelFunc
	out    chan []byte

	mu      sync.Mutex
	seq     uint64
	waiting map[uint64]chan answer
}

func (l *link) call(ctx context.Context, k kind, body []byte) (answer, error) {
	got := make(chan answer, 1)
	l.mu.Lock()
	l.seq++
	seq := l.seq
	l.waiting[seq] = got
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting, seq)
	}()
	frame, err := appendFrame(request{Seq: seq, Kind: k, Body: body})
	if err != nil {
		return answer{}, fusion.E(fusion.BadRequest, "bad_command", "%v", err)
	}
	select {
	case l.out <- frame:
	case <-l.dead.Done():
		return answer{}, fusion.E(fusion.CutOff, "no_leader", "the connection to the leader ended")
	case <-ctx.Done():
		return answer{}, fusion.E(fusion.CutOff, "no_leader", "%v", ctx.Err())
	}
	select {
	case a := <-got:
		return a, nil
	case <-l.dead.Done():
		return answer{}, fusion.E(fusion.CutOff, "outcome_unknown", "the connection to the leader ended")
	case <-ctx.Done():
		if context.Cause(ctx) == errSilent {
			l.end()
		}
		return answer{}, fusion.E(fusion.CutOff, "outcome_unknown", "%v", ctx.Err())
	}
}

func (l *link) write(conn net.Conn) {
	defer l.end()
	pump(l.dead, conn, l.out)
}

func (l *link) read(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		var a answer
		if readFrame(in, &a) != nil {
			return
		}
		l.mu.Lock()
		got := l.waiting[a.Seq]
		delete(l.waiting, a.Seq)
		l.mu.Unlock()
		if got != nil {
			got <- a
		}
	}
}

// pump writes frames, as many at once as there are.
func pump(ctx context.Context, conn net.Conn, frames <-chan []byte) {
	out := bufio.NewWriterSize(conn, 64<<10)
	for {
		select {
		case f := <-frames:
			if conn.SetWriteDeadline(time.Now().Add(writeLimit)) != nil {
				return
			}
			if _, err := out.Write(f); err != nil {
				return
			}
			if len(frames) == 0 && out.Flush() != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
