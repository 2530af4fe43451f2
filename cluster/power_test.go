package cluster_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion/command"
)

func TestANodeWhosePowerEndsDoesNotLead(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var low atomic.Value
		low.Store(map[string]bool{})
		w.low = func(id string) bool { return low.Load().(map[string]bool)[id] }
		first := w.open(t, dir, 1)
		nodes := []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[1])
		low.Store(map[string]bool{"node-1": true, "node-2": true})
		eventually(t, "the one that has power to lead", nodes[2].Leads)
		eventually(t, "the leader to know of the others", func() bool {
			all, err := nodes[2].Nodes()
			return err == nil && all[0].Low && all[1].Low && !all[2].Low
		})
		epoch := nodes[2].Epoch()
		low.Store(map[string]bool{"node-1": true, "node-2": true, "node-3": true})
		time.Sleep(5 * time.Second) // of the bubble's own time
		propose(t, nodes[0], command.MessagePost, message("all are on their last power"))
		if !nodes[2].Leads() || nodes[2].Epoch() != epoch {
			t.Error("leadership wanders")
		}
	})
}
