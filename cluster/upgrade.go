package cluster

import (
	"context"

	"github.com/guantong-net/guantong/cluster/member"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// raiseVersion raises the cluster's version to what every node of the site last said that its program knows. One that this node
// has never heard, as it is down, keeps the version where it is: it may come back as it was.
func (n *Node) raiseVersion(ctx context.Context, servers []member.Server) error {
	all := n.machine.Version()
	n.steward.mu.Lock()
	for _, s := range servers {
		if s.ID != n.cfg.NodeID {
			all = min(all, n.steward.seen[s.ID].knows)
		}
	}
	n.steward.mu.Unlock()
	if all <= n.fsm.version.Load() {
		return nil
	}
	n.log.InfoContext(ctx, "every node knows a later cluster version", "version", all)
	return n.proposeOwn(ctx, command.VersionRaise, state.VersionChange{Version: all})
}
