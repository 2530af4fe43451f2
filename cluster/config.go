package cluster

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/raftlog"
	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion/state"
)

// Config of a node. Zero fields take the defaults that are named.
type Config struct {
	Dir    string       // everything the record plane keeps lies under it
	NodeID string       // unique in the site, never changed; default "node-1"
	Key    []byte       // seals what is at rest: 16, 24 or 32 octets; nil leaves it readable
	Logger *slog.Logger // default: discards

	Now  func() time.Time // default time.Now
	Rand io.Reader        // of request IDs; default crypto/rand

	Reserve       uint64                 // octets of the disk that stay free; default store.DefaultReserve
	Free          func() (uint64, error) // free octets of the disk; default statfs(2) of Dir
	WriteDeadline time.Duration          // of the Raft log; default raftlog.DefaultDeadline
	MaxPending    int                    // proposals under way before Busy; default 4096

	// Transport carries Raft between the nodes of a site; nil: the node is alone. Join: others bootstrapped the site, this
	// node waits to be added.
	Transport raft.Transport
	Join      bool
	// ReadOnly opens what this node has applied, for View, and takes no part in the site.
	ReadOnly bool
	// Peers asks other nodes; nil: the node is alone. Hold is how long a proposal waits for a leader; default 10 s.
	Peers Peers
	Hold  time.Duration
	// Low tells that this node will lose its power within minutes: while another voter will not, it does not lead. May be nil.
	Low func() bool
	// Files sees to it that what a command names is on enough disks before it is proposed; nil: what is named is not looked after.
	Files Files
	// Election is the heartbeat and election timeout among several voters; default 400 ms, on eMMC or SD 1 to 1.5 s.
	Election time.Duration

	Retention Retention
	Watchdog  Watchdog

	underLog func(raft.LogStore) raft.LogStore // a disk that fails on demand, in tests
	machine  *state.Machine                    // of another version, in tests
}

func (c *Config) machineOrNew() *state.Machine {
	if c.machine != nil {
		return c.machine
	}
	return state.New()
}

// Retention is how long things are kept. Zero fields take the defaults; the caller may set a longer time than any by hand.
type Retention struct {
	Messages   time.Duration // default 180 days; alerts and calls too
	Recordings time.Duration // default 180 days
	Audit      time.Duration // default 3 years
	Events     int           // how many events stay for streams to resume from; default 200 000
	Every      time.Duration // how often it is looked after; default 1 minute
}

const day = 24 * time.Hour

func (c *Config) defaults() error {
	if c.Dir == "" {
		return errors.New("cluster: no directory")
	}
	def(&c.NodeID, "node-1")
	def(&c.Reserve, store.DefaultReserve)
	def(&c.WriteDeadline, raftlog.DefaultDeadline)
	def(&c.MaxPending, 4096)
	def(&c.Election, 400*time.Millisecond)
	def(&c.Hold, 10*time.Second)
	def(&c.Retention.Messages, 180*day)
	def(&c.Retention.Recordings, 180*day)
	def(&c.Retention.Audit, 3*365*day)
	def(&c.Retention.Events, 200_000)
	def(&c.Retention.Every, time.Minute)
	c.Watchdog.defaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Free == nil {
		c.Free = store.FreeAt(c.Dir)
	}
	return nil
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// aloneTimeout replaces the election timeout of a node that is the only voter: it has nobody to disturb.
const aloneTimeout = 50 * time.Millisecond

func (c *Config) raft(alone bool) *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID = raft.ServerID(c.NodeID)
	r.HeartbeatTimeout, r.ElectionTimeout, r.LeaderLeaseTimeout = c.Election, c.Election, c.Election/2
	if alone {
		r.HeartbeatTimeout, r.ElectionTimeout, r.LeaderLeaseTimeout = aloneTimeout, aloneTimeout, aloneTimeout
	}
	r.CommitTimeout = 10 * time.Millisecond
	r.MaxAppendEntries = 256
	r.BatchApplyCh = true
	r.ShutdownOnRemove = false
	r.NoSnapshotRestoreOnStart = true
	r.NoLegacyTelemetry = true
	r.SnapshotInterval = 30 * time.Second
	r.SnapshotThreshold = 8192
	r.TrailingLogs = 10240
	r.Logger = newHCLog(c.Logger)
	return r
}
