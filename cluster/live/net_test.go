package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/cluster/live"
)

// network joins the nodes of a test. A cut loses datagrams and lets the stream stand still, as QUIC does without acknowledgements.
type network struct {
	mu    sync.Mutex
	ports map[string]*port
	cut   map[[2]string]bool
	loss  float64
	rng   *rand.Rand
	ctx   context.Context
}

type port struct {
	n    *network
	id   string
	in   chan live.Path
	ends []*end
}

var errGone = errors.New("gone")

func (n *network) broken(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[[2]string{a, b}] || n.cut[[2]string{b, a}]
}

func (n *network) set(a, b string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]string{a, b}] = cut
}

func (n *network) loses() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.loss > 0 && n.rng.Float64() < n.loss
}

// Dial implements live.Port.
func (p *port) Dial(ctx context.Context, _, node string) (live.Path, error) {
	p.n.mu.Lock()
	to := p.n.ports[node]
	p.n.mu.Unlock()
	if to == nil || p.n.broken(p.id, node) {
		return nil, errGone
	}
	a, b := newEnds(p.n, p.id, node)
	p.n.mu.Lock()
	p.ends, to.ends = append(p.ends, a), append(to.ends, b)
	p.n.mu.Unlock()
	select {
	case to.in <- b:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements live.Port.
func (p *port) Accept(ctx context.Context) (live.Path, error) {
	select {
	case e := <-p.in:
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// end is one end of a path.
type end struct {
	n        *network
	me, peer string
	pipe     net.Conn
	loose    chan []byte
	other    *end
	over     context.Context
	close    context.CancelFunc
}

func newEnds(n *network, a, b string) (*end, *end) {
	x, y := net.Pipe()
	ctx, cancel := context.WithCancel(n.ctx)
	ea := &end{n: n, me: a, peer: b, pipe: x, loose: make(chan []byte, 1024), over: ctx, close: cancel}
	eb := &end{n: n, me: b, peer: a, pipe: y, loose: make(chan []byte, 1024), over: ctx, close: cancel}
	ea.other, eb.other = eb, ea
	return ea, eb
}

func (e *end) Node() string { return e.peer }

func (e *end) Read(b []byte) (int, error) { return e.pipe.Read(b) }

func (e *end) Write(b []byte) (int, error) {
	for e.n.broken(e.me, e.peer) {
		select {
		case <-e.over.Done():
			return 0, io.ErrClosedPipe
		case <-time.After(10 * time.Millisecond):
		}
	}
	return e.pipe.Write(b)
}

func (e *end) SendDatagram(b []byte) error {
	if e.over.Err() != nil {
		return errGone
	}
	if e.n.broken(e.me, e.peer) || e.n.loses() {
		return nil
	}
	select {
	case e.other.loose <- append([]byte(nil), b...):
	default:
	}
	return nil
}

func (e *end) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	select {
	case b := <-e.loose:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.over.Done():
		return nil, errGone
	}
}

func (e *end) Close(string) error {
	e.close()
	return errors.Join(e.pipe.Close(), e.other.pipe.Close())
}

// node is one node of a test's site, which keeps what it is told.
type node struct {
	id   string
	link *live.Link
	say  *live.Topic
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	events  []string
	frames  map[string]int
	term    uint64
	leads   bool
	arbiter live.Arbiter
}

func (n *node) Up(id string)             { n.note("+" + id) }
func (n *node) Down(id string)           { n.note("-" + id) }
func (n *node) Hear(id string, b []byte) { n.note(id + ":" + string(b)) }

func (n *node) note(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, s)
}

func (n *node) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.events
	n.events = nil
	return list
}

func (n *node) stand(term uint64, leads bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.term, n.leads = term, leads
}

func (n *node) arbitrates() live.Arbiter {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.arbiter
}

func (n *node) heard(from string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.frames[from]
}

// site starts nodes n1 … nN.
func newNetwork(t *testing.T, seed uint64) *network {
	t.Logf("seed %d", seed)
	return &network{ports: make(map[string]*port), cut: make(map[[2]string]bool), rng: rand.New(rand.NewPCG(seed, 1)), ctx: t.Context()}
}

func (net *network) start(id string, size int) *node {
	ctx, cancel := context.WithCancel(net.ctx)
	n := &node{id: id, frames: make(map[string]int), stop: cancel, done: make(chan struct{})}
	p := &port{n: net, id: id, in: make(chan live.Path)}
	net.mu.Lock()
	net.ports[id] = p
	net.mu.Unlock()
	n.link = live.New(live.Config{
		Self: id, Port: p,
		Nodes: func() map[string]string {
			all := make(map[string]string)
			for i := range size {
				all[fmt.Sprintf("n%d", i+1)] = "there"
			}
			return all
		},
		Standing: func() (uint64, bool) {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.term, n.leads
		},
		Frame: func(from string, _ []byte) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.frames[from]++
		},
		Arbiter: func(a live.Arbiter) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.arbiter = a
		},
	})
	n.say = n.link.Topic("say", n)
	go func() {
		_ = n.link.Run(ctx)
		close(n.done)
	}()
	return n
}

// kill ends a node as kill -9 does: nothing more comes from it, nobody is told.
func (net *network) kill(n *node) {
	net.mu.Lock()
	p := net.ports[n.id]
	delete(net.ports, n.id)
	ends := p.ends
	net.mu.Unlock()
	for _, e := range ends {
		_ = e.Close("")
	}
	n.stop()
	<-n.done
}
