package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/forward"
	"github.com/guantong-net/guantong/cluster/member"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

const (
	mindEvery   = 500 * time.Millisecond
	askLimit    = 700 * time.Millisecond
	lagBound    = 256             // entries that a node may be behind and count as caught up
	caughtUpFor = 2 * time.Second // that it must stay so before it votes
	changeLimit = 10 * time.Second
)

// steward is what a leader knows of the other nodes.
type steward struct {
	expecting atomic.Bool // a node joins: snapshots hold the whole state from now on

	mu   sync.Mutex
	seen map[string]sighting
}

// sighting is what a node said when it was last asked.
type sighting struct {
	answered bool
	lag      uint64
	low      bool      // its battery is nearly empty
	since    time.Time // when it had caught up; zero while it has not
	knows    uint32    // the highest cluster version of its program, as it last said
	fsync    time.Duration
	appends  uint64
}

// mindNodes makes Raft's configuration follow the record, and the record follow Raft's configuration, while this node leads.
func (n *Node) mindNodes(ctx context.Context) {
	ticker := time.NewTicker(mindEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.done:
			return
		case <-ticker.C:
		}
		if n.guardDisk(ctx); !n.Leads() {
			continue
		}
		if err := n.mindOnce(ctx); err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "the site's nodes cannot be brought in order", "error", err)
		}
	}
}

// mindOnce asks every node how it is, and does what is to be done, a few steps at once: two promotions belong together.
func (n *Node) mindOnce(ctx context.Context) error {
	if n.fsm.outdated() {
		return n.Handover(ctx, "") // who applies nothing answers nobody
	}
	if err := n.announce(); err != nil {
		return err
	}
	for range 4 {
		site, err := n.site()
		if err != nil {
			return err
		}
		n.look(ctx, site.Servers)
		site.Ready, site.Low = n.ready(), n.low()
		step := member.Next(site)
		if step.Deed == member.Nothing {
			return n.raiseVersion(ctx, site.Servers)
		}
		if err := n.carryOut(ctx, site, step); err != nil {
			return fmt.Errorf("node %s, deed %d: %w", step.Node, step.Deed, err)
		}
	}
	return nil
}

// announce puts this node's address right in Raft's configuration: the first node had none when it was alone.
func (n *Node) announce() error {
	want := n.cfg.Transport.LocalAddr()
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return err
	}
	for _, s := range f.Configuration().Servers {
		if s.ID == raft.ServerID(n.cfg.NodeID) && s.Suffrage == raft.Voter && s.Address != want {
			return n.raft.AddVoter(s.ID, want, 0, changeLimit).Error()
		}
	}
	return nil
}

func (n *Node) site() (member.Site, error) {
	s := member.Site{Self: n.cfg.NodeID}
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return s, err
	}
	for _, v := range f.Configuration().Servers {
		_, address := addressOf(v.Address)
		s.Servers = append(s.Servers, member.Server{ID: string(v.ID), Address: address, Votes: v.Suffrage == raft.Voter})
	}
	err := n.View(func(v *state.View) (err error) {
		s.Nodes, err = v.Nodes()
		return err
	})
	return s, err
}

// look asks the other nodes how far they are, all at once.
func (n *Node) look(ctx context.Context, servers []member.Server) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var asked sync.WaitGroup
	for _, v := range servers {
		if v.ID == n.cfg.NodeID {
			continue
		}
		asked.Go(func() {
			last := n.raft.CommitIndex()
			p, err := n.cfg.Peers.Progress(ctx, v.ID, v.Address)
			n.steward.note(v.ID, err == nil, last-min(p.Last, last), p, n.cfg.Now())
		})
	}
	asked.Wait()
}

func (s *steward) note(id string, answered bool, lag uint64, p forward.Progress, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[string]sighting)
	}
	was := s.seen[id]
	is := sighting{answered: answered, lag: lag, low: p.Low, knows: p.Knows, fsync: time.Duration(p.Fsync) * time.Microsecond, appends: p.Appends}
	if !answered {
		is.knows = was.knows
	}
	if answered && lag <= lagBound {
		is.since = was.since
		if is.since.IsZero() {
			is.since = now
		}
	}
	s.seen[id] = is
}

// ready names the nodes that answer and have stayed caught up.
func (n *Node) ready() map[string]bool {
	now := n.cfg.Now()
	out := map[string]bool{n.cfg.NodeID: true}
	n.steward.mu.Lock()
	defer n.steward.mu.Unlock()
	for id, s := range n.steward.seen {
		if !s.since.IsZero() && now.Sub(s.since) >= caughtUpFor {
			out[id] = true
		}
	}
	return out
}

// low names the nodes whose battery is nearly empty.
func (n *Node) low() map[string]bool {
	out := map[string]bool{n.cfg.NodeID: n.cfg.Low != nil && n.cfg.Low()}
	n.steward.mu.Lock()
	defer n.steward.mu.Unlock()
	for id, s := range n.steward.seen {
		out[id] = s.low
	}
	return out
}

func (n *Node) carryOut(ctx context.Context, site member.Site, step member.Step) error {
	id := raft.ServerID(step.Node)
	switch step.Deed {
	case member.Add:
		return n.addNode(site, step.Node)
	case member.Promote:
		for _, v := range site.Servers {
			if v.ID == step.Node {
				return n.raft.AddVoter(id, serverAddress(v.ID, v.Address), 0, changeLimit).Error()
			}
		}
	case member.Demote:
		return n.raft.DemoteVoter(id, 0, changeLimit).Error()
	case member.Drop:
		return n.raft.RemoveServer(id, 0, changeLimit).Error()
	case member.Record:
		return n.recordNode(ctx, site, step)
	case member.HandOver:
		return n.Handover(ctx, step.Node)
	}
	return nil
}

// addNode adds a node without a vote. A site that was alone has only marks for snapshots: one of the whole state comes first,
// as the newcomer may need it.
func (n *Node) addNode(site member.Site, id string) error {
	if !n.steward.expecting.Swap(true) {
		if err := n.raft.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
			n.steward.expecting.Store(false)
			return err
		}
	}
	for _, node := range site.Nodes {
		if node.ID == id {
			return n.raft.AddNonvoter(raft.ServerID(id), serverAddress(id, node.Address), 0, changeLimit).Error()
		}
	}
	return nil
}

func (n *Node) recordNode(ctx context.Context, site member.Site, step member.Step) error {
	node := state.Node{ID: step.Node, Role: step.Role}
	for _, was := range site.Nodes {
		if was.ID == step.Node {
			node.Revision, node.Address = was.Revision, was.Address
		}
	}
	for _, v := range site.Servers {
		if v.ID == step.Node {
			node.Address = v.Address
		}
	}
	return n.proposeOwn(ctx, command.NodeSet, node)
}

// Handover gives leadership to a node, or, when none is named, to the one that is furthest. A node that does not lead, or has
// nobody to hand over to, does nothing.
func (n *Node) Handover(_ context.Context, to string) error {
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil || !n.Leads() {
		return err
	}
	voters := 0
	for _, s := range f.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			voters++
		}
		if string(s.ID) == to {
			return n.handed(n.raft.LeadershipTransferToServer(s.ID, s.Address))
		}
	}
	if to != "" {
		return fusion.E(fusion.NotFound, "node_unknown", "no node %q in the site", to)
	}
	if voters < 2 {
		return nil
	}
	return n.handed(n.raft.LeadershipTransfer())
}

func (n *Node) handed(f raft.Future) error {
	if err := f.Error(); err != nil {
		return fusion.E(fusion.CutOff, "handover_failed", "%v", err)
	}
	return nil
}

// Nodes tells what this node knows of the site's nodes; lag only while it leads.
func (n *Node) Nodes() ([]NodeStatus, error) {
	var nodes []state.Node
	err := n.View(func(v *state.View) (err error) {
		nodes, err = v.Nodes()
		return err
	})
	leader, leads := n.Leader(), n.Leads()
	var out []NodeStatus
	for _, node := range nodes {
		s := NodeStatus{Node: node, Leader: node.ID == leader, Why: member.Why(node, nodes)}
		if leads && node.ID != n.cfg.NodeID {
			n.steward.mu.Lock()
			if seen, ok := n.steward.seen[node.ID]; ok && node.Role != state.NodeRemoved {
				s.Answers, s.Lag, s.Low = &seen.answered, &seen.lag, seen.low
				s.FsyncP99 = millis(seen.fsync)
			}
			n.steward.mu.Unlock()
		}
		out = append(out, s)
	}
	return out, err
}

// NodeStatus is what is known of one node of the site.
type NodeStatus struct {
	state.Node
	Leader   bool    `json:"leader,omitempty"`
	Answers  *bool   `json:"answers,omitempty"`      // known to the leader only
	Lag      *uint64 `json:"lag,omitempty"`          // log entries, when it was last asked
	Low      bool    `json:"low,omitempty"`          // its battery is nearly empty; known to the leader only
	FsyncP99 float64 `json:"fsync_p99_ms,omitempty"` // of its log's appends of the last minute
	Why      string  `json:"why,omitempty"`          // why it does not vote
}
