package cluster

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/shelf"
	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// Files keeps contents that commands name by their hash. Package shelf implements it.
type Files interface {
	// Spread returns nil when each content is synced on a majority of the voters. CutOff files_not_spread: too few answer; NotFound file_nowhere: all
	// answer, and none has it.
	Spread(ctx context.Context, names []string, voters []shelf.Peer) error
	// Has reports whether a content is on this node's disk.
	Has(name string) bool
}

// spread brings the contents that a command names to a majority of the voters, so that an acknowledgement covers them.
func (n *Node) spread(ctx context.Context, cmd command.Command) error {
	names, err := n.named(cmd)
	if err != nil || len(names) == 0 {
		return err
	}
	voters, err := n.votingPeers()
	if err != nil {
		return err
	}
	if err := n.cfg.Files.Spread(ctx, names, voters); err != nil {
		return fmt.Errorf("spread files: %w", err)
	}
	return nil
}

func (n *Node) named(cmd command.Command) ([]string, error) {
	if n.cfg.Files == nil {
		return nil, nil
	}
	names, err := state.FilesOf(cmd)
	if err != nil {
		return nil, fusion.E(fusion.BadRequest, "bad_command", "%v", err)
	}
	return names, nil
}

// votingPeers lists who votes, this node too when it does.
func (n *Node) votingPeers() (list []shelf.Peer, err error) {
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, n.fault(err)
	}
	for _, s := range f.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			_, address := addressOf(s.Address)
			list = append(list, shelf.Peer{Node: string(s.ID), Address: address})
		}
	}
	return list, nil
}

// OtherNodes lists the other nodes of the site, voters or not, and where they are reached.
func (n *Node) OtherNodes() (list []shelf.Peer) {
	f := n.raft.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	for _, s := range f.Configuration().Servers {
		if string(s.ID) != n.cfg.NodeID {
			_, address := addressOf(s.Address)
			list = append(list, shelf.Peer{Node: string(s.ID), Address: address})
		}
	}
	return list
}

// local refuses to hold a command whose files are not on this node's disk: what is accepted here must be whole here.
func (n *Node) local(cmd command.Command) error {
	names, err := n.named(cmd)
	for _, name := range names {
		if !n.cfg.Files.Has(name) {
			return fusion.E(fusion.CutOff, "files_not_here", "%s is on other nodes, and none of them can be reached", name)
		}
	}
	return err
}

// HeldFiles tells which contents are named by what is in this node's outbox: the record does not name them yet, and they are needed all the same.
func (n *Node) HeldFiles() (map[string]bool, error) {
	if n.outbox == nil || n.Held() == 0 {
		return map[string]bool{}, nil
	}
	return heldFiles(n.outbox.store.View)
}

func heldFiles(view func(func(*store.Tx) error) error) (map[string]bool, error) {
	held := make(map[string]bool)
	err := view(func(tx *store.Tx) error {
		return tx.Scan(nil, nil, false, func(_, data []byte) (bool, error) {
			cmd, err := command.Decode(data)
			if err != nil {
				return false, fmt.Errorf("read outbox: %w", err)
			}
			names, err := state.FilesOf(cmd)
			for _, name := range names {
				held[name] = true
			}
			return true, err
		})
	})
	return held, err
}
