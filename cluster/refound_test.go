package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// lostQuorum leaves the directories of three nodes of which the third was cut off when ten messages, one group and one held message came.
// cut has the others cut their logs afterwards.
func lostQuorum(t *testing.T, dir string, cut bool) {
	synctest.Test(t, func(t *testing.T) {
		w, nodes := inMemory(t, dir)
		stop := runAll(t, nodes)
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[0])
		propose(t, nodes[0], command.MessagePost, message("all have it"))
		eventually(t, "all to have it", func() bool { return count(t, nodes[2], false, "all have it") == 1 })
		w.isolate("node-3", true)
		time.Sleep(2 * time.Second) // of the bubble's own time
		for i := range 10 {
			propose(t, nodes[0], command.MessagePost, message(fmt.Sprint("only two have it ", i)))
		}
		propose(t, nodes[0], command.GroupSet, state.Group{Number: 10150, Name: "only two have it", Kind: state.TalkGroup})
		if cut {
			for _, n := range nodes[:2] {
				if err := n.TakeSnapshot(); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.isolate("node-2", true) // nobody has a quorum any more
		cmd, err := nodes[0].Command(command.MessagePost, fusion.ID{}, "zhang", message("held by node-1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, held, err := nodes[0].ProposeOrHold(t.Context(), cmd); err != nil || !held {
			t.Fatalf("held %v, %v", held, err)
		}
		stop()
	})
}

func recordOf(dir string, number int) cluster.Config {
	id := fmt.Sprint("node-", number)
	return cluster.Config{Dir: filepath.Join(dir, id), NodeID: id, Reserve: 1 << 20}
}

// refound makes the third node the whole site.
func refound(t *testing.T, cfg cluster.Config, before uint64) (*cluster.Node, cluster.Point) {
	t.Helper()
	point, err := cluster.Refound(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := cluster.Refound(t.Context(), cfg); err != nil || again != point { // it died before it could say so
		t.Fatalf("%+v and then %+v, %v", point, again, err)
	}
	n, err := cluster.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := state.Recovery{Incarnation: state.NextIncarnation(before, 7), Before: before, Kind: state.Recovered, Node: cfg.NodeID, Index: point.Index, Term: point.Term}
	for range 2 {
		if err := n.Begin(t.Context(), fusion.ID{1, 2, 3}, r); err != nil {
			t.Fatal(err)
		}
	}
	return n, point
}

func TestTheNodeThatIsLeftGoesOnAndTheOthersHandInWhatOnlyTheyHave(t *testing.T) {
	dir := t.TempDir()
	lostQuorum(t, dir, false)
	n, point := refound(t, recordOf(dir, 3), 1)
	defer n.Close()
	if count(t, n, false, "all have it") != 1 {
		t.Error("it lost what it had")
	}
	if a := audited(t, n, "site.recover"); len(a) != 1 || a[0].Result != "ok" {
		t.Errorf("%+v", a)
	}
	for number := 1; number <= 2; number++ {
		found, err := cluster.ReadSalvage(t.Context(), recordOf(dir, number), point, func(cmd command.Command) error {
			res, err := n.Propose(t.Context(), cmd)
			return errors.Join(err, res.Err())
		})
		held := 2 - number
		if err != nil || found.Commands-found.Held < 10 || found.Held != held || found.LostFrom != 0 {
			t.Fatalf("node-%d: %+v %v", number, found, err)
		}
		if !slices.ContainsFunc(found.Skipped, func(c command.Command) bool { return c.Type == command.GroupSet }) {
			t.Errorf("node-%d: the group is passed over silently: %+v", number, found)
		}
	}
	for i := range 10 {
		if got := count(t, n, true, fmt.Sprint("only two have it ", i)); got != 1 {
			t.Errorf("message %d is there %d times", i, got)
		}
	}
	if got := count(t, n, true, "held by node-1"); got != 1 {
		t.Errorf("the held message is there %d times", got)
	}
	err := n.View(func(v *state.View) error { _, err := v.Group(10150); return err })
	if fusion.FaultOf(err) != fusion.NotFound {
		t.Errorf("a definition of the old incarnation was taken: %v", err)
	}
}

func TestWhatNoLogHoldsAnyMoreIsToldAsARange(t *testing.T) {
	dir := t.TempDir()
	lostQuorum(t, dir, true)
	n, point := refound(t, recordOf(dir, 3), 1)
	defer n.Close()
	found, err := cluster.ReadSalvage(t.Context(), recordOf(dir, 1), point, func(command.Command) error { return nil })
	if err != nil || found.LostFrom != point.Index+1 || found.LostTo != found.First-1 || found.LostTo < point.Index+9 {
		t.Fatalf("after %d: %+v %v", point.Index, found, err)
	}
}

// TestALogThatPartedBeforeTheRecoveryPointIsProposedWhole: the entry at that place is another one.
func TestALogThatPartedBeforeTheRecoveryPointIsProposedWhole(t *testing.T) {
	dir := t.TempDir()
	lostQuorum(t, dir, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all := 0
	found, err := cluster.ReadSalvage(ctx, recordOf(dir, 1), cluster.Point{Index: 15, Term: 999}, func(command.Command) error { all++; return nil })
	if err != nil || found.LostFrom != 0 || all < 12 {
		t.Fatalf("%+v, %d, %v", found, all, err)
	}
	cancel()
	if _, err := cluster.ReadSalvage(ctx, recordOf(dir, 1), cluster.Point{}, func(command.Command) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestASavedStateIsSeededAndGoesOnAtItsPoint(t *testing.T) {
	for _, key := range [][]byte{nil, bytes.Repeat([]byte{3}, 32)} {
		n := open(t, t.TempDir())
		furnish(t, n)
		propose(t, n, command.MessagePost, message("saved"))
		r, err := n.Reading()
		if err != nil {
			t.Fatal(err)
		}
		var saved bytes.Buffer
		if err := r.Save(&saved); err != nil {
			t.Fatal(err)
		}
		before, err := r.Hash()
		if err != nil {
			t.Fatal(err)
		}
		index, term := r.Point()
		r.Close()
		cfg := cluster.Config{Dir: t.TempDir(), NodeID: "node-7", Reserve: 1 << 20, Key: key}
		bad := saved.Bytes()[:saved.Len()-1]
		if err := cluster.Seed(cfg, cluster.Point{Index: index, Term: term}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(bad)), nil }); err == nil {
			t.Fatal("a state that is cut was seeded")
		}
		if err := cluster.Seed(cfg, cluster.Point{Index: index - 1, Term: term}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(saved.Bytes())), nil }); err == nil {
			t.Fatal("a state that holds more than it is said to was seeded")
		}
		if err := cluster.Seed(cfg, cluster.Point{Index: index, Term: term}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(saved.Bytes())), nil }); err != nil {
			t.Fatal(err)
		}
		again, err := cluster.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		r, err = again.Reading()
		if err != nil {
			t.Fatal(err)
		}
		if after, err := r.Hash(); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%x and then %x, %v", before, after, err)
		}
		r.Close()
		if again.Epoch() <= term-1 || len(messages(t, again)) != 1 {
			t.Errorf("epoch %d after %d", again.Epoch(), term)
		}
		propose(t, again, command.MessagePost, message("goes on"))
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if again, err = cluster.Open(t.Context(), cfg); err != nil || len(messages(t, again)) != 2 {
			t.Fatal(err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
