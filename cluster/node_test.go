package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

func open(t testing.TB, dir string) *cluster.Node {
	t.Helper()
	n, err := cluster.Open(t.Context(), cluster.Config{Dir: dir, Reserve: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func propose(t testing.TB, n *cluster.Node, typ command.Type, payload any) state.Result {
	t.Helper()
	cmd, err := n.Command(typ, fusion.ID{}, "system", payload)
	if err != nil {
		t.Fatal(err)
	}
	res, err := n.Propose(context.Background(), cmd)
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		t.Fatalf("propose %d: %v", typ, err)
	}
	return res
}

func furnish(t testing.TB, n *cluster.Node) {
	t.Helper()
	propose(t, n, command.SiteSet, state.Site{Number: 1, Name: "县指挥中心", Realm: "guantong", Incarnation: 1})
	propose(t, n, command.UnitSet, state.Unit{Number: 10001, Name: "值班员", Kind: state.PersonUnit})
	propose(t, n, command.UnitSet, state.Unit{Number: 10002, Name: "抢险一队", Kind: state.PersonUnit})
	propose(t, n, command.GroupSet, state.Group{Number: 10100, Name: "指挥", Kind: state.TalkGroup, Precedence: fusion.Routine, Open: true})
}

func message(text string) state.Message {
	return state.Message{From: 10001, To: []fusion.Number{10002, 10100}, Text: text, Precedence: fusion.Routine}
}

func TestAFreshNodeLeadsAtOnceAndAnswers(t *testing.T) {
	begun := time.Now()
	n := open(t, t.TempDir())
	t.Logf("took %v to lead", time.Since(begun)) // 90 ms on a machine at rest
	if !n.Leads() || n.Leader() != "node-1" || n.Epoch() == 0 {
		t.Errorf("status %+v", n.Status())
	}
	furnish(t, n)
	res := propose(t, n, command.MessagePost, message("大坝水位上涨，请立即转移"))
	if res.Seq == 0 {
		t.Error("no event")
	}
	err := n.View(func(v *state.View) error {
		found, _, err := v.Search("立即转移", 0)
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("found %d", len(found))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestASecondStartFindsEverythingAndTheClockDoesNotGoBack(t *testing.T) {
	dir := t.TempDir()
	n := open(t, dir)
	furnish(t, n)
	propose(t, n, command.MessagePost, message("one"))
	before, _ := n.Stamp()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	n = open(t, dir)
	t.Logf("second start took %v", time.Since(begun))
	if after, _ := n.Stamp(); after <= before-1000 {
		t.Errorf("stamp %v after %v", after, before)
	}
	err := n.View(func(v *state.View) error {
		ms, err := v.Messages(state.MessageFilter{})
		if err == nil && len(ms) != 1 {
			err = fmt.Errorf("%d messages", len(ms))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAProposalIsAppliedOncePerRequestID(t *testing.T) {
	n := open(t, t.TempDir())
	furnish(t, n)
	cmd, err := n.Command(command.MessagePost, fusion.ID{7}, "zhang", message("once"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := n.Propose(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	second, err := n.Propose(t.Context(), cmd)
	if err != nil || first != second {
		t.Fatalf("first %+v, second %+v, %v", first, second, err)
	}
}

func TestAWatchHasNoGapAndNoRepeat(t *testing.T) {
	n := open(t, t.TempDir())
	furnish(t, n)
	const posts = 600
	go func() {
		for i := range posts {
			cmd, err := n.Command(command.MessagePost, fusion.ID{}, "zhang", message(fmt.Sprint(i)))
			if err == nil {
				_, err = n.Propose(context.Background(), cmd)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w, want := n.Watch(0), uint64(1)
	for seen := 0; seen < posts; {
		events, err := w.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Seq != want {
				t.Fatalf("event %d, want %d", e.Seq, want)
			}
			want++
			if _, ok := e.Data.(state.Message); ok {
				seen++
			}
		}
	}
}

func TestAWatchAheadOfTheSiteIsToldSo(t *testing.T) {
	n := open(t, t.TempDir())
	_, err := n.Watch(1_000_000).Next(t.Context())
	if fusion.ReasonOf(err) != "events_ahead" {
		t.Fatalf("got %v", err)
	}
}

func TestAFullDiskRefusesWritesAndSaysSo(t *testing.T) {
	var free, now atomic.Int64
	free.Store(1 << 30)
	now.Store(1_800_000_000)
	n, err := cluster.Open(t.Context(), cluster.Config{Dir: t.TempDir(), Reserve: 1 << 20,
		Free: func() (uint64, error) { return uint64(free.Load()), nil }, Now: func() time.Time { return time.Unix(now.Add(1), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	furnish(t, n)
	free.Store(1 << 19)
	cmd, err := n.Command(command.MessagePost, fusion.ID{}, "zhang", message("full"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(t.Context(), cmd); !errors.Is(err, &fusion.Error{Fault: fusion.Full, Reason: "disk_reserve"}) {
		t.Fatalf("got %v", err)
	}
	free.Store(1 << 30)
	if _, err := n.Propose(t.Context(), cmd); err != nil {
		t.Fatalf("room again: %v", err)
	}
}
