package cluster

import (
	"bytes"
	"context"
	"io"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/fusion/state"
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

// ExpectOthers makes snapshots hold the whole state from now on.
func (n *Node) ExpectOthers() *Node { n.steward.expecting.Store(true); return n }

// Applied is the index of the last entry that is in the state.
func (n *Node) Applied() uint64 { return n.fsm.Applied() }

// CheckSnapshot reads a snapshot to its end.
func CheckSnapshot(r io.Reader, own bool) error { return checkSnapshot(r, own) }

// SavedState is a whole snapshot as another node would be sent it.
func (n *Node) SavedState() ([]byte, error) {
	out := bytes.NewBufferString(wholeState)
	reading := n.store.Snapshot()
	defer reading.Close()
	err := reading.Save(out)
	return out.Bytes(), err
}

// OfVersion makes a node that runs the program of another cluster version.
func (c Config) OfVersion(m *state.Machine) Config {
	c.machine = m
	return c
}
