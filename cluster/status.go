package cluster

import (
	"time"

	"github.com/hashicorp/raft"
)

// Status is what a node knows of itself.
type Status struct {
	NodeID     string       `json:"node"`
	Role       string       `json:"role"`             // "leader", "follower", "candidate", "shutdown"
	Leader     string       `json:"leader,omitempty"` // node ID
	Epoch      uint64       `json:"epoch"`            // Raft term
	LastIndex  uint64       `json:"last_index"`       // of the log
	Committed  uint64       `json:"committed"`
	Applied    uint64       `json:"applied"`    // into the state
	LastEvent  uint64       `json:"last_event"` // sequence number
	Pending    int          `json:"pending"`    // proposals under way
	DiskFree   uint64       `json:"disk_free"`  // octets
	Reserve    uint64       `json:"disk_reserve"`
	StateSize  int64        `json:"state_size"`     // octets on the disk
	ClockAhead uint64       `json:"clock_ahead"`    // stamps that were more than 5 minutes ahead of us
	Age        int64        `json:"age_ms"`         // how old a view of this node may be, ms
	Held       int          `json:"held,omitempty"` // accepted here without a quorum, not yet replicated
	Version    uint32       `json:"cluster_version"`
	Knows      uint32       `json:"knows_version"` // the highest cluster version that this program knows
	FsyncP50   float64      `json:"fsync_p50_ms"`  // of the log's appends within the last minute
	FsyncP99   float64      `json:"fsync_p99_ms"`
	Appends    int          `json:"appends"`               // how many those are
	HandedOver uint64       `json:"handed_over,omitempty"` // times that leadership was given away because the disk was slow
	Nodes      []NodeStatus `json:"nodes,omitempty"`
	Fault      string       `json:"fault,omitempty"` // why it cannot serve; empty while it can
}

// Leader is the ID of the node that leads, empty when nobody does.
func (n *Node) Leader() string {
	_, id := n.raft.LeaderWithID()
	return string(id)
}

// Leads reports whether this node leads.
func (n *Node) Leads() bool { return n.raft.State() == raft.Leader }

// Epoch is the Raft term: it grows with every change of leader, so that what an earlier leader said can be told.
func (n *Node) Epoch() uint64 { return n.raft.CurrentTerm() }

// Status tells what the node knows of itself.
func (n *Node) Status() Status {
	s := Status{
		NodeID: n.cfg.NodeID, Role: roles[n.raft.State()], Leader: n.Leader(), Epoch: n.Epoch(),
		LastIndex: n.raft.LastIndex(), Committed: n.raft.CommitIndex(), Applied: n.fsm.Applied(), LastEvent: n.events.latest(),
		Pending: len(n.pending), Reserve: n.guard.Reserve(), StateSize: n.store.Size(), ClockAhead: n.clock.counted(),
	}
	s.Age, s.Held = n.Age().Milliseconds(), n.Held()
	s.Version, s.Knows = n.fsm.version.Load(), n.machine.Version()
	disk := n.raftlog.Latency()
	s.FsyncP50, s.FsyncP99, s.Appends = millis(disk.P50), millis(disk.P99), disk.Samples
	n.reign.mu.Lock()
	s.HandedOver = n.reign.handed
	n.reign.mu.Unlock()
	s.Nodes, _ = n.Nodes() // a state that cannot be read is told below
	s.DiskFree, _ = n.guard.Free()
	if err := n.serving(); err != nil {
		s.Fault = err.Error()
	} else if err := n.guard.Check(0); err != nil {
		s.Fault = err.Error()
	} else if s.Leader == "" {
		s.Fault = "cut_off: no_leader"
	}
	return s
}

// Fsync tells how long the log's appends took within the last minute, and how many they were.
func (n *Node) Fsync() (p50, p99 time.Duration, appends int) {
	l := n.raftlog.Latency()
	return l.P50, l.P99, l.Samples
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

var roles = map[raft.RaftState]string{raft.Leader: "leader", raft.Follower: "follower", raft.Candidate: "candidate", raft.Shutdown: "shutdown"}

func (b *board) latest() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}
