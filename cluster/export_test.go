package cluster

import (
	"context"

	"github.com/hashicorp/raft"
)

// UnderLog puts a LogStore between the log and the disk.
func (c Config) UnderLog(f func(raft.LogStore) raft.LogStore) Config {
	c.underLog = f
	return c
}

// Retain carries retention out at once.
func (n *Node) Retain() error { return n.retain(context.Background()) }

// TakeSnapshot lets Raft take a snapshot and cut its log at once.
func (n *Node) TakeSnapshot() error {
	conf := n.raft.ReloadableConfig()
	conf.TrailingLogs = 1
	if err := n.raft.ReloadConfig(conf); err != nil {
		return err
	}
	return n.raft.Snapshot().Error()
}
