package main

import (
	"context"
	"sync"
	"time"

	"github.com/guantong-net/guantong/cluster/live"
	"github.com/guantong-net/guantong/cluster/mux"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
)

// openLive ties this node to the others of its site for floor and speech. Without a port for nodes there are none.
func (s *server) openLive(context.Context) error {
	if s.port == nil {
		return nil
	}
	nodes := &nodeList{s: s}
	s.link = live.New(live.Config{
		Self: s.cfg.Node, Port: paths{s.port.mux}, Nodes: nodes.others, Frame: s.talks.Frame, Log: s.log,
		Standing: func() (uint64, bool) { return s.node.Epoch(), s.node.Leads() },
		Arbiter:  func(a live.Arbiter) { s.talks.Arbitrate(talk.Arbiter{Node: a.Node, Term: a.Term, Island: a.Island}) },
	})
	s.talkTopic = s.link.Topic("talk", s.talks)
	return nil
}

// paths gives the link the node port.
type paths struct{ m *mux.Mux }

// Dial implements live.Port.
func (p paths) Dial(ctx context.Context, address, node string) (live.Path, error) {
	path, err := p.m.DialPath(ctx, address, node)
	if err != nil {
		return nil, err
	}
	return path, nil
}

// Accept implements live.Port.
func (p paths) Accept(ctx context.Context) (live.Path, error) {
	path, err := p.m.AcceptPath(ctx)
	if err != nil {
		return nil, err
	}
	return path, nil
}

// nodeList reads the site's nodes from the record, twice a second at most.
type nodeList struct {
	s *server

	mu   sync.Mutex
	read time.Time
	list map[string]string
}

func (n *nodeList) others() map[string]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.list != nil && time.Since(n.read) < time.Second/2 {
		return n.list
	}
	n.read = time.Now()
	nodes, ok := look(n.s.node, (*state.View).Nodes)
	if !ok && n.list != nil {
		return n.list // the disk stands still: those that were there
	}
	n.list = make(map[string]string, len(nodes))
	for _, node := range nodes {
		if node.ID != n.s.cfg.Node && node.Role != state.NodeRemoved && node.Address != "" {
			n.list[node.ID] = node.Address
		}
	}
	return n.list
}

// talkNodes carries what the exchange tells those of other nodes.
type talkNodes struct{ s *server }

// Send implements talk.Nodes.
func (t talkNodes) Send(node string, message []byte) { t.s.talkTopic.Send(node, message) }

// Broadcast implements talk.Nodes.
func (t talkNodes) Broadcast(message []byte) { t.s.talkTopic.Broadcast(message) }

// Frame implements talk.Nodes.
func (t talkNodes) Frame(node string, frame []byte) { t.s.link.SendFrame(node, frame) }
