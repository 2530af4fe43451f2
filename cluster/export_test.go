package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/store"
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

// Log gives all entries of the node's log.
func (n *Node) Log() (out []*raft.Log, err error) {
	last, err := n.raftlog.LastIndex()
	for i := uint64(1); err == nil && i <= last; i++ {
		entry := new(raft.Log)
		err = n.raftlog.GetLog(i, entry)
		out = append(out, entry)
	}
	return out, err
}

// Replay applies entries to an empty state, so many at once, and gives the state's hash.
func Replay(dir string, entries []*raft.Log, together int) (sum []byte, err error) {
	n, closeAll, err := openStill(Config{Dir: dir, Reserve: 1 << 20})
	if err != nil {
		return nil, err
	}
	for len(entries) > 0 && err == nil {
		batch := entries[:min(together, len(entries))]
		entries = entries[len(batch):]
		for _, answer := range n.fsm.ApplyBatch(batch) {
			if failed, is := answer.(error); is {
				err = failed
			}
		}
	}
	if err == nil {
		err = n.store.View(func(tx *store.Tx) (err error) {
			sum, err = state.Hash(tx)
			return err
		})
	}
	return sum, errors.Join(err, closeAll())
}
