package state_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

func TestARecoveryBeginsAnIncarnationOfOneNodeAndVoidsWhatTheOthersHold(t *testing.T) {
	s := furnished(t)
	before := must[state.Site](t)(s.view().Site()).Incarnation
	for _, id := range []string{"node-1", "node-2", "node-3"} {
		s.do(command.NodeSet, state.Node{ID: id, Address: id + ":7400", Role: state.NodeVoter})
	}
	s.do(command.NodeWish, state.NodeWishChange{Node: "node-2", Wish: state.WishDrain})
	s.do(command.TokenAdd, state.JoinToken{Hash: token(1), Expires: state.Millis(s.at + 60_000)})
	next := state.NextIncarnation(before, 0xdeadbeef)
	r := state.Recovery{Incarnation: next, Before: before, Kind: state.Recovered, Node: "node-2", Index: 77, Term: 5}
	for reason, f := range map[string]func(*state.Recovery){
		"other_incarnation": func(r *state.Recovery) { r.Before++ },
		"bad_recovery":      func(r *state.Recovery) { r.Kind = "by magic" },
		"bad_name":          func(r *state.Recovery) { r.Node = "" },
	} {
		bad := r
		f(&bad)
		s.refused(reason, command.SiteRecover, bad)
	}
	skipped := r
	skipped.Incarnation = state.NextIncarnation(next, 1)
	s.refused("other_incarnation", command.SiteRecover, skipped)
	s.do(command.SiteRecover, r)
	s.refused("other_incarnation", command.SiteRecover, r)
	if got := must[state.Site](t)(s.view().Site()).Incarnation; got != next {
		t.Errorf("incarnation %x", got)
	}
	nodes := must[[]state.Node](t)(s.view().Nodes())
	roles := []state.NodeRole{nodes[0].Role, nodes[1].Role, nodes[2].Role}
	if !slices.Equal(roles, []state.NodeRole{state.NodeRemoved, state.NodeVoter, state.NodeRemoved}) || nodes[1].Wish != state.WishServe {
		t.Errorf("%+v", nodes)
	}
	s.refused("token_unknown", command.TokenUse, state.TokenUse{Hash: token(1), Node: "node-4", Address: "d:7400"})
	s.do(command.TokenAdd, state.JoinToken{Hash: token(2), Expires: state.Millis(s.at + 60_000)})
	s.do(command.TokenUse, state.TokenUse{Hash: token(2), Node: "node-1", Address: "node-1:7400"}) // it comes back
	if got := must[state.Recovery](t)(s.view().Recovery(next)); got.Index != 77 || got.At == 0 {
		t.Errorf("%+v", got)
	}
	i := slices.IndexFunc(must[[]state.Audit](t)(s.view().Audit(1, 1000)), func(a state.Audit) bool {
		return a.Action == "site.recover" && a.Result == "ok" && strings.Contains(a.Target, "-deadbeef after ")
	})
	if i < 0 {
		t.Error("it is not audited")
	}
}

func TestTheClusterVersionOnlyRisesAndGatesWhatCameWithIt(t *testing.T) {
	s := furnished(t)
	if v := must[uint32](t)(s.view().ClusterVersion()); v != 1 {
		t.Fatal(v)
	}
	s.do(command.VersionRaise, state.VersionChange{Version: 3})
	s.refused("version_lower", command.VersionRaise, state.VersionChange{Version: 2})
	if v := must[uint32](t)(s.view().ClusterVersion()); v != 3 {
		t.Fatal(v)
	}
	m := state.Extended(4, 900)
	later := s.command(900, state.Audit{Action: "later"})
	batch := s.command(command.Batch, state.BatchChange{Commands: []command.Command{s.command(command.GroupDelete, state.NumberKey{}), later}})
	if m.Since(later) != 4 || m.Since(batch) != 4 || m.Since(s.command(command.GroupDelete, state.NumberKey{})) != 1 || !m.Knows(900) || state.New().Knows(900) {
		t.Error("what came with a version is not gated by it")
	}
}

func TestEachFileIsVisitedOnce(t *testing.T) {
	s := furnished(t)
	s.do(command.FileStored, file())
	m := post(10002)
	m.Attachments = []state.Attachment{file()}
	s.do(command.MessagePost, m)
	s.do(command.BurstIndex, burst(state.Millis(start), 10100))
	s.do(command.BurstIndex, burst(state.Millis(start+7000), 10100))
	var got []string
	if err := s.view().EachFile(func(hash string) error { got = append(got, hash); return nil }); err != nil {
		t.Fatal(err)
	}
	want := []string{file().Hash}
	if other := burst(state.Millis(start), 10100).File; other != file().Hash {
		want = append(want, other)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
