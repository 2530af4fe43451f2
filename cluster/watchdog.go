package cluster

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/raftlog"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// Watchdog says when a leader whose disk has become slow hands leadership over. A disk that stands still is the log's deadline's
// affair; this is for one that only drags the whole site along. Zero fields take the defaults.
type Watchdog struct {
	Limit   time.Duration // of the p99 of the log's appends; default 250 ms; below 0: never
	Samples int           // appends within the last minute before they say anything; default 20
	HoldOff time.Duration // that a node leads before it hands over, so that leadership does not flap; default 30 s
}

const (
	// slowAtLeast is how many appends must have been slow: a single hiccup is p99 of a quiet minute.
	slowAtLeast = 3
	// slowFor is how long it must stay so: when all disks become slow at once, as they do on one hypervisor, the leader sees it first.
	slowFor = 5 * time.Second
)

func (w *Watchdog) defaults() {
	def(&w.Limit, 250*time.Millisecond)
	def(&w.Samples, 20)
	def(&w.HoldOff, 30*time.Second)
}

// reign is since when this node leads, and what its watchdog did.
type reign struct {
	mu     sync.Mutex
	since  time.Time // zero while it does not lead
	tried  time.Time // when it last tried to hand over
	slow   time.Time // since when its disk is slow; zero while it is not
	handed uint64
}

// leads is called again and again, and tells for how long this node has led without trying to hand over.
func (r *reign) leads(leads bool, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !leads:
		r.since, r.tried, r.slow = time.Time{}, time.Time{}, time.Time{}
		return 0
	case r.since.IsZero():
		r.since = now
	}
	if r.tried.After(r.since) {
		return now.Sub(r.tried)
	}
	return now.Sub(r.since)
}

// drags is called again and again, and tells for how long the disk has been slow.
func (r *reign) drags(slow bool, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !slow:
		r.slow = time.Time{}
		return 0
	case r.slow.IsZero():
		r.slow = now
	}
	return now.Sub(r.slow)
}

// guardDisk hands leadership over when this node's disk is slow and another voter's is not.
func (n *Node) guardDisk(ctx context.Context) {
	w := n.cfg.Watchdog
	if n.reign.leads(n.Leads(), n.cfg.Now()) < w.HoldOff || w.Limit < 0 {
		return
	}
	mine := n.raftlog.Latency()
	slow := mine.Samples >= w.Samples && mine.P99 > w.Limit && n.raftlog.Slower(w.Limit) >= slowAtLeast
	if n.reign.drags(slow, n.cfg.Now()) < slowFor {
		return
	}
	to, theirs := n.better(mine)
	if to == "" {
		return
	}
	n.reign.mu.Lock()
	n.reign.tried = n.cfg.Now()
	n.reign.mu.Unlock()
	n.log.WarnContext(ctx, "this node's disk is slow: leadership is handed over", "to", to, "fsync_p99", mine.P99, "limit", w.Limit, "its_fsync_p99", theirs)
	if err := n.Handover(ctx, to); err != nil {
		n.log.WarnContext(ctx, "leadership was not handed over", "to", to, "error", err)
		return
	}
	n.reign.mu.Lock()
	n.reign.handed++
	n.reign.mu.Unlock()
	err := n.proposeOwn(ctx, command.AuditAdd, state.Audit{
		By: "system", Action: "node.slow_disk", Target: n.cfg.NodeID, Result: "handed_over", From: n.cfg.NodeID,
		Detail: "fsync p99 " + mine.P99.String() + ", limit " + w.Limit.String() + "; to " + to + ", whose p99 is " + theirs.String(),
	})
	if err != nil && ctx.Err() == nil {
		n.log.ErrorContext(ctx, "a hand-over was not audited", "error", err)
	}
}

// better names the voter with the fastest disk of those that serve, have power and have stayed caught up, and take less than half as long as
// this one: between two that are much the same leadership would only go to and fro.
func (n *Node) better(mine raftlog.Latency) (id string, p99 time.Duration) {
	f := n.raft.GetConfiguration()
	if f.Error() != nil {
		return "", 0
	}
	nodes, err := n.Nodes()
	if err != nil {
		return "", 0
	}
	ready := n.ready()
	n.steward.mu.Lock()
	defer n.steward.mu.Unlock()
	var found []raft.ServerID
	for _, s := range f.Configuration().Servers {
		seen := n.steward.seen[string(s.ID)]
		serves := slices.ContainsFunc(nodes, func(v NodeStatus) bool { return v.ID == string(s.ID) && v.Wish == state.WishServe })
		if s.Suffrage == raft.Voter && string(s.ID) != n.cfg.NodeID && serves && ready[string(s.ID)] && seen.answered && !seen.low &&
			seen.appends >= uint64(n.cfg.Watchdog.Samples) && seen.fsync < mine.P99/2 {
			found = append(found, s.ID)
		}
	}
	if len(found) == 0 {
		return "", 0
	}
	best := slices.MinFunc(found, func(a, b raft.ServerID) int {
		return cmp.Compare(n.steward.seen[string(a)].fsync, n.steward.seen[string(b)].fsync)
	})
	return string(best), n.steward.seen[string(best)].fsync
}
