package board_test

import (
	"sync"

	"github.com/guantong-net/guantong/fusion/board"
)

// network is the link between nodes as a test has it: reliable and in order while two are joined. What is sent waits until settle, as a handler is
// never called from the one that sends.
type network struct {
	mu     sync.Mutex
	nodes  map[string]map[string]board.Handler // by node, by topic
	joined map[[2]string]bool
	queue  []func()
}

func newNetwork() *network {
	return &network{nodes: make(map[string]map[string]board.Handler), joined: make(map[[2]string]bool)}
}

// at gives a node its topics.
func (n *network) at(node string) board.Open {
	return func(name string, h board.Handler) board.Topic {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.nodes[node] == nil {
			n.nodes[node] = make(map[string]board.Handler)
		}
		n.nodes[node][name] = h
		return &port{n, node, name}
	}
}

type port struct {
	n          *network
	node, name string
}

func (p *port) Send(to string, data []byte) {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	if p.n.joined[pair(p.node, to)] {
		h := p.n.nodes[to][p.name]
		p.n.queue = append(p.n.queue, func() { h.Hear(p.node, data) })
	}
}

func (p *port) Broadcast(data []byte) {
	p.n.mu.Lock()
	var to []string
	for node := range p.n.nodes {
		if node != p.node {
			to = append(to, node)
		}
	}
	p.n.mu.Unlock()
	for _, node := range to {
		p.Send(node, data)
	}
}

func pair(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }

// join brings two nodes together, or parts them.
func (n *network) join(a, b string, on bool) {
	n.mu.Lock()
	if n.joined[pair(a, b)] == on {
		n.mu.Unlock()
		return
	}
	n.joined[pair(a, b)] = on
	for _, x := range [][2]string{{a, b}, {b, a}} {
		for _, h := range n.nodes[x[0]] {
			n.queue = append(n.queue, func() {
				if on {
					h.Up(x[1])
				} else {
					h.Down(x[1])
				}
			})
		}
	}
	n.mu.Unlock()
	n.settle()
}

// leave takes a node away as a crash does: it is told nothing, and what it was sent is lost.
func (n *network) leave(node string) {
	n.mu.Lock()
	delete(n.nodes, node)
	for other := range n.nodes {
		if n.joined[pair(node, other)] {
			delete(n.joined, pair(node, other))
			for _, h := range n.nodes[other] {
				n.queue = append(n.queue, func() { h.Down(node) })
			}
		}
	}
	n.mu.Unlock()
	n.settle()
}

// settle delivers all that waits, and what that leads to.
func (n *network) settle() {
	for {
		n.mu.Lock()
		if len(n.queue) == 0 {
			n.mu.Unlock()
			return
		}
		next := n.queue[0]
		n.queue = n.queue[1:]
		n.mu.Unlock()
		next()
	}
}
