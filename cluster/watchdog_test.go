package cluster_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

// sluggish is a log on a disk that takes its time.
type sluggish struct {
	raft.LogStore
	takes *atomic.Int64
}

func (s sluggish) StoreLogs(l []*raft.Log) error {
	time.Sleep(time.Duration(s.takes.Load())) // of the bubble's own time
	return s.LogStore.StoreLogs(l)
}
func (s sluggish) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }
func (s sluggish) IsMonotonic() bool          { return true }

// onDisks is a site of three whose disks can be made slow.
func onDisks(t *testing.T, dir string) (nodes []*cluster.Node, disks map[string]*atomic.Int64) {
	w, disks := newWire(), make(map[string]*atomic.Int64)
	w.configure = func(c *cluster.Config) {
		takes := new(atomic.Int64)
		disks[c.NodeID] = takes
		*c = c.UnderLog(func(l raft.LogStore) raft.LogStore { return sluggish{l, takes} })
	}
	first := w.open(t, dir, 1)
	return []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}, disks
}

// chatter writes messages for a while.
func chatter(t *testing.T, nodes []*cluster.Node, count int) {
	t.Helper()
	for i := range count {
		cmd, err := nodes[i%len(nodes)].Command(command.MessagePost, fusion.ID{}, "zhang", message("chatter"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nodes[i%len(nodes)].Propose(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond) // of the bubble's own time
	}
}

func handedOver(nodes []*cluster.Node) (count uint64) {
	for _, n := range nodes {
		count += n.Status().HandedOver
	}
	return count
}

func TestALeaderWithASlowDiskHandsOverOnceAndNotToOneThatIsNoBetter(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		nodes, disks := onDisks(t, dir)
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[0])
		chatter(t, nodes, 80)
		if got := handedOver(nodes); got != 0 {
			t.Fatalf("with good disks it was handed over %d times", got)
		}
		// All are equally slow: nobody is better.
		for _, d := range disks {
			d.Store(int64(300 * time.Millisecond))
		}
		chatter(t, nodes, 80)
		if got := handedOver(nodes); got != 0 {
			t.Fatalf("with equally slow disks it was handed over %d times", got)
		}
		old := leading(nodes, nil)
		for id, d := range disks {
			if d.Store(0); id == old.Status().NodeID {
				d.Store(int64(300 * time.Millisecond))
			}
		}
		chatter(t, nodes, 150)
		if now := leading(nodes, nil); now == nil || now == old || old.Status().HandedOver != 1 || handedOver(nodes) != 1 {
			t.Fatalf("leader was %s, is now %v; handed over %d times", old.Status().NodeID, now, handedOver(nodes))
		}
		if a := audited(t, nodes[0], "node.slow_disk"); len(a) != 1 || a[0].Target != old.Status().NodeID {
			t.Errorf("audited: %+v", a)
		}
		// The new one is slow now, and the old one no better than it was.
		for _, d := range disks {
			d.Store(int64(300 * time.Millisecond))
		}
		chatter(t, nodes, 80)
		if got := handedOver(nodes); got != 1 {
			t.Errorf("it flaps: %d", got)
		}
		if s := old.Status(); s.FsyncP50 < 299 || s.FsyncP99 < 299 || s.Appends == 0 {
			t.Errorf("%+v", s)
		}
	})
}
