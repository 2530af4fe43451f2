package apitest

import (
	"fmt"
	"net"
	"sync"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion/identity"
)

// site is the nodes that share one record and one live plane; their log-ins are told from one to the others.
type site struct {
	mu     sync.Mutex
	houses []*House
}

func (s *site) add(h *House) (name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.houses = append(s.houses, h)
	return fmt.Sprintf("n%d", len(s.houses))
}

func (s *site) all() []*House {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*House(nil), s.houses...)
}

func (s *site) nodes(here *House) (list []wire.NodeState) {
	for _, h := range s.all() {
		list = append(list, wire.NodeState{Node: h.name, URL: h.URL, State: "serving", Role: "voter", Here: h == here, Reachable: true})
	}
	return list
}

// joined has every node know the log-ins of the others, from now on.
func (s *site) joined() {
	all := s.all()
	for _, h := range all {
		h.Sessions.Share(func(list []identity.Saved) {
			go func() {
				for _, other := range all {
					if other != h {
						other.Sessions.Merge(list)
					}
				}
			}()
		})
	}
	newest := all[len(all)-1]
	for _, h := range all {
		newest.Sessions.Merge(h.Sessions.Save())
	}
}

// Kill ends the node as kill -9 does: its connections are reset, and nobody is told why.
func (h *House) Kill() { h.stop() }

// Freeze has the node do and say nothing any more, as after SIGSTOP or a power cut: connections stay and are silent, and new ones are
// not answered.
func (h *House) Freeze() { h.net.freeze() }

// network is the node's connections.
type network struct {
	net.Listener
	mu     sync.Mutex
	conns  map[*line]bool
	frozen chan struct{} // closed when all is over; nil while the node lives
}

func (n *network) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l := &line{Conn: c, n: n}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[l] = true
	return l, nil
}

func (n *network) state() chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.frozen
}

func (n *network) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.frozen == nil {
		n.frozen = make(chan struct{})
	}
}

// kill resets what is open.
func (n *network) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.frozen != nil {
		close(n.frozen)
		n.frozen = nil
	}
	for l := range n.conns {
		if tcp, ok := l.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = l.Conn.Close()
	}
	clear(n.conns)
}

// line is one connection.
type line struct {
	net.Conn
	n *network
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if frozen := l.n.state(); frozen != nil {
		<-frozen
		return 0, net.ErrClosed
	}
	return n, err
}

func (l *line) Write(p []byte) (int, error) {
	if l.n.state() != nil {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func (l *line) Close() error {
	l.n.mu.Lock()
	delete(l.n.conns, l)
	l.n.mu.Unlock()
	return l.Conn.Close()
}
