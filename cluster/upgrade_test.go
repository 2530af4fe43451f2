package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// later is a command of cluster version 2, and next the program that knows it.
const later command.Type = 900

func next() *state.Machine { return state.Extended(2, later) }

func proposeLater(t *testing.T, n *cluster.Node) error {
	t.Helper()
	cmd, err := n.Command(later, fusion.ID{}, "system", state.Audit{Action: "of.version.2", Result: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := n.Propose(t.Context(), cmd)
	if err == nil {
		err = res.Err()
	}
	return err
}

func TestANewCommandIsProposedOnlyWhenEveryNodeKnowsIt(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		old := map[string]bool{"node-1": true, "node-2": true, "node-3": true}
		w.configure = func(c *cluster.Config) {
			if !old[c.NodeID] {
				*c = c.OfVersion(next())
			}
		}
		first := w.open(t, dir, 1)
		nodes := []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}
		stops := map[int]func(){0: runAll(t, nodes[:1]), 1: runAll(t, nodes[1:2]), 2: runAll(t, nodes[2:])}
		defer func() {
			for _, stop := range stops {
				stop()
			}
		}()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[0])
		for i := range nodes { // one by one
			stops[i]()
			delete(old, fmt.Sprint("node-", i+1))
			nodes[i] = w.open(t, dir, i+1)
			stops[i] = runAll(t, nodes[i:i+1])
			eventually(t, "the upgraded one to keep up", func() bool { return leading(nodes, nil) != nil && count(t, nodes[i], true, "x") == 0 })
			if i == 2 {
				break
			}
			time.Sleep(5 * time.Second) // of the bubble's own time
			if err := proposeLater(t, nodes[i]); fusion.ReasonOf(err) != "not_all_upgraded" {
				t.Fatalf("after %d of 3: %v", i+1, err)
			}
		}
		eventually(t, "the version to be raised everywhere", func() bool {
			return nodes[0].Status().Version == 2 && nodes[1].Status().Version == 2 && nodes[2].Status().Version == 2
		})
		if err := proposeLater(t, nodes[0]); err != nil {
			t.Fatal(err)
		}
		if got := len(audited(t, nodes[0], "of.version.2")); got != 1 {
			t.Errorf("applied %d times", got)
		}
	})
}

func TestANodeOlderThanItsSiteIsAnIslandUntilItIsUpgraded(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.configure = func(c *cluster.Config) { *c = c.OfVersion(next()) }
		first := w.open(t, dir, 1)
		nodes := []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}
		stops := map[int]func(){0: runAll(t, nodes[:1]), 1: runAll(t, nodes[1:2]), 2: runAll(t, nodes[2:])}
		defer func() {
			for _, stop := range stops {
				stop()
			}
		}()
		eventually(t, "the version", func() bool { return voters(nodes[2]) == 3 && nodes[2].Status().Version == 2 })
		furnish(t, nodes[0])
		propose(t, nodes[0], command.MessagePost, message("before"))
		eventually(t, "all to have it", func() bool { return count(t, nodes[2], false, "before") == 1 })
		stops[2]()
		w.configure = nil // somebody put the old program back
		nodes[2] = w.open(t, dir, 3)
		stops[2] = runAll(t, nodes[2:])
		if err := proposeLater(t, nodes[0]); err != nil {
			t.Fatal(err)
		}
		propose(t, nodes[0], command.MessagePost, message("after"))
		old := nodes[2]
		time.Sleep(20 * time.Second) // of the bubble's own time: it must not end, nor lead
		if f := old.Status().Fault; !strings.Contains(f, "outdated") || !strings.Contains(f, "cluster version 2") || old.Leads() {
			t.Fatalf("fault %q, leads %v", f, old.Leads())
		}
		if count(t, old, false, "before") != 1 || count(t, old, false, "after") != 0 {
			t.Error("it does not serve what it has, or applied what it should not")
		}
		cmd, err := old.Command(command.MessagePost, fusion.ID{}, "zhang", message("by the island"))
		if err != nil {
			t.Fatal(err)
		}
		if _, held, err := old.ProposeOrHold(t.Context(), cmd); err != nil || !held || old.Held() != 1 {
			t.Fatalf("held %v, %v", held, err)
		}
		if err := old.ViewCurrent(t.Context(), func(*state.View) error { return nil }); fusion.FaultOf(err) != fusion.CutOff {
			t.Errorf("it reads what is current: %v", err)
		}
		stops[2]()
		w.configure = func(c *cluster.Config) { *c = c.OfVersion(next()) }
		nodes[2] = w.open(t, dir, 3)
		stops[2] = runAll(t, nodes[2:])
		eventually(t, "it to catch up and hand in", func() bool {
			return count(t, nodes[2], false, "after") == 1 && count(t, nodes[0], false, "by the island") == 1 && nodes[2].Held() == 0
		})
	})
}

func TestANodeThatIsAloneAndOlderThanItsDataServesWhatItHas(t *testing.T) {
	dir := t.TempDir()
	cfg := cluster.Config{Dir: dir, Reserve: 1 << 20}.OfVersion(next())
	n, err := cluster.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, n)
	propose(t, n, command.MessagePost, message("one"))
	propose(t, n, command.VersionRaise, state.VersionChange{Version: 2})
	if err := proposeLater(t, n); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, dir)
	if got := len(messages(t, n)); got != 1 {
		t.Errorf("%d messages", got)
	}
	if f := n.Status().Fault; !strings.Contains(f, "outdated") {
		t.Error(f)
	}
}
