package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// anyCommand draws a command, sensible or not, on a small world so that commands meet.
func anyCommand(t *rapid.T, n int) command.Command {
	unit := rapid.SampledFrom([]fusion.Number{10001, 10002, 10003, 10004}).Draw(t, "unit")
	group := rapid.SampledFrom([]fusion.Number{10100, 10101, 10102}).Draw(t, "group")
	other := rapid.SampledFrom([]fusion.Number{10100, 10101, 10102}).Draw(t, "other group")
	ref := fusion.ID{0xee, byte(rapid.IntRange(0, n).Draw(t, "refers to"))}
	revision := rapid.SampledFrom([]uint64{0, 0, 1, 5}).Draw(t, "revision")
	text := rapid.StringN(0, 30, 60).Draw(t, "text")
	typ := rapid.SampledFrom(allTypes).Draw(t, "type")
	node := rapid.SampledFrom([]string{"node-1", "node-2", "node-3"}).Draw(t, "node")
	var payload any
	switch typ {
	case command.GroupSet:
		payload = state.Group{Number: group, Name: "g" + text, Kind: state.TalkGroup, Revision: revision, Open: rapid.Bool().Draw(t, "open")}
	case command.UnitSet:
		payload = state.Unit{Number: unit, Name: "u" + text, Kind: state.PersonUnit, Revision: revision}
	case command.GroupDelete, command.UnitDelete, command.ExtensionDelete, command.PositionDelete:
		payload = state.NumberKey{Number: rapid.SampledFrom([]fusion.Number{unit, group, 10200}).Draw(t, "number")}
	case command.MemberSet, command.MemberDelete:
		payload = state.Member{Group: group, Unit: unit, Talk: true}
	case command.UserSet:
		payload = state.UserChange{User: state.User{Name: "u1", Unit: unit, Roles: []fusion.Role{fusion.SecurityAdmin}, Revision: revision}, Secret: &state.UserSecret{Password: argon}}
	case command.UserSecretSet:
		payload = state.UserSecretChange{Secret: state.UserSecret{Name: "u1", Password: argon + text}}
	case command.UserDelete, command.UserEndSessions:
		payload = state.NameKey{Name: "u1"}
	case command.ExtensionSet:
		payload = state.ExtensionChange{Extension: state.Extension{Unit: unit, Username: "1", Revision: revision}, Secret: &state.ExtensionSecret{MD5: hash('1')[7:39], SHA256: hash('1')[7:]}}
	case command.PositionSet:
		payload = state.Position{Number: 10200, Name: "p" + text, Revision: revision}
	case command.PositionTake:
		payload = state.HandoverChange{Position: 10200, To: rapid.SampledFrom([]string{"", "u1"}).Draw(t, "to")}
	case command.PatchSet:
		payload = state.Patch{Name: "p" + text, Groups: []fusion.Number{group, other}}
	case command.MessagePost:
		payload = state.Message{From: unit, To: []fusion.Number{10002, group, 10200}, Text: text, Precedence: fusion.Routine, Sign: true, Lifetime: rapid.IntRange(0, 100).Draw(t, "life")}
	case command.ReceiptAdd:
		payload = state.ReceiptChange{Message: ref, Recipient: unit, State: state.ReceiptState(rapid.IntRange(0, 5).Draw(t, "state"))}
	case command.AlertRaise:
		payload = state.Alert{Unit: unit, Group: group, Text: text}
	case command.AlertAck, command.AlertClear, command.AlertEscalate:
		payload = state.AlertChange{ID: ref, Stage: uint8(rapid.IntRange(0, 4).Draw(t, "stage"))}
	case command.BurstIndex:
		payload = burst(state.Millis(start+int64(n)), group)
	case command.CallLog:
		payload = state.CallRecord{FromName: text, Start: state.Millis(start), Result: "missed"}
	case command.FileStored:
		payload = file()
	case command.ObjectKeep:
		payload = state.KeepChange{ID: ref, Keep: true}
	case command.PatchPart:
		payload = state.IDKey{ID: ref}
	case command.AuditAdd:
		payload = state.Audit{Action: "login", Target: text, Result: "ok"}
	case command.Expire:
		payload = state.ExpireChange{Now: state.Millis(start + 60_000), Messages: state.Millis(start + rapid.Int64Range(0, 50_000).Draw(t, "old"))}
	case command.EventsTrim:
		payload = state.SeqKey{Seq: rapid.Uint64Max(40).Draw(t, "trim")}
	case command.SiteSet:
		payload = state.Site{Number: 1, Name: "s", Realm: "r", Incarnation: 1}
	case command.NodeSet:
		payload = state.Node{ID: node, Address: node, Role: state.NodeVoter, Revision: revision}
	case command.NodeWish:
		payload = state.NodeWishChange{Node: node, Wish: rapid.SampledFrom([]state.NodeWish{state.WishServe, state.WishDrain, state.WishRemove}).Draw(t, "wish")}
	case command.TokenAdd:
		payload = state.JoinToken{Hash: bytes.Repeat([]byte{byte(unit)}, 32), Expires: state.Millis(start + 40_000)}
	case command.TokenUse:
		payload = state.TokenUse{Hash: bytes.Repeat([]byte{byte(unit)}, 32), Node: node, Address: node}
	case command.SiteRecover:
		before := rapid.SampledFrom([]uint64{1, 1<<32 | 5, 2<<32 | 5}).Draw(t, "incarnation")
		payload = state.Recovery{Incarnation: state.NextIncarnation(before, 5), Before: before, Kind: state.Recovered, Node: node}
	case command.VersionRaise:
		payload = state.VersionChange{Version: uint32(rapid.IntRange(0, 3).Draw(t, "version"))}
	}
	at := start + int64(n)*1000
	cmd, err := command.New(typ, fusion.ID{0xee, byte(n)}, uint64(at)<<16, at, "zhang", payload)
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

var allTypes = []command.Type{
	command.GroupSet, command.GroupDelete, command.MemberSet, command.MemberDelete, command.UnitSet, command.UnitDelete,
	command.UserSet, command.UserDelete, command.UserSecretSet, command.UserEndSessions, command.ExtensionSet, command.ExtensionDelete,
	command.PositionSet, command.PositionDelete, command.PositionTake, command.PatchSet, command.PatchPart,
	command.MessagePost, command.ReceiptAdd, command.AlertRaise, command.AlertAck, command.AlertClear, command.AlertEscalate,
	command.BurstIndex, command.CallLog, command.FileStored, command.ObjectKeep, command.AuditAdd, command.Expire, command.EventsTrim, command.SiteSet,
	command.NodeSet, command.NodeWish, command.TokenAdd, command.TokenUse, command.SiteRecover, command.VersionRaise,
}

// anyLog draws a log on a site that has units and groups already.
func anyLog(t *rapid.T) []command.Command {
	n := rapid.IntRange(1, 60).Draw(t, "length")
	out := make([]command.Command, n)
	for i := range out {
		out[i] = anyCommand(t, i)
	}
	return out
}

func applyAll(t *rapid.T, tx *state.Memory, log []command.Command) []state.Result {
	m := state.New()
	var out []state.Result
	for i, cmd := range log {
		res, _, err := m.Apply(tx, cmd, uint64(i))
		if err != nil {
			t.Fatalf("command %d of type %d: %v", i, cmd.Type, err)
		}
		out = append(out, res)
	}
	return out
}

func digest(t *rapid.T, tx *state.Memory) string {
	h, err := state.Hash(tx)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h)
}

func world(t testing.TB) *state.Memory {
	s := furnished(t)
	return s.mem
}

func TestAppliedTwiceIsAppliedOnce(t *testing.T) {
	base := world(t)
	rapid.Check(t, func(t *rapid.T) {
		log := anyLog(t)
		once, twice := base.Clone(), base.Clone()
		results := applyAll(t, once, log)
		m := state.New()
		for i, cmd := range log {
			earlier := rapid.IntRange(0, i).Draw(t, "repeated")
			for _, again := range []int{i, i, earlier} {
				res, _, err := m.Apply(twice, log[again], uint64(i))
				if err != nil || res != results[again] {
					t.Fatalf("command %d (type %d): %+v, first %+v, %v", again, cmd.Type, res, results[again], err)
				}
			}
		}
		if digest(t, once) != digest(t, twice) {
			t.Fatal("the states differ")
		}
	})
}

func TestReplayFromASnapshotIsReplayFromTheStart(t *testing.T) {
	base := world(t)
	rapid.Check(t, func(t *rapid.T) {
		log := anyLog(t)
		cut := rapid.IntRange(0, len(log)).Draw(t, "cut")
		whole, first := base.Clone(), base.Clone()
		applyAll(t, whole, log)
		applyAll(t, first, log[:cut])
		rest := first.Clone()
		applyAll(t, rest, log[cut:])
		if digest(t, whole) != digest(t, rest) {
			t.Fatal("the states differ")
		}
	})
}

func TestTheOrderOfUnrelatedDefinitionsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log []command.Command
		for i := range rapid.IntRange(2, 20).Draw(t, "count") {
			n := fusion.Number(10001 + i)
			payload := any(state.Unit{Number: n, Name: "x", Kind: state.PersonUnit})
			typ := command.UnitSet
			if i%2 == 1 {
				typ, payload = command.GroupSet, state.Group{Number: n, Name: "x", Kind: state.TalkGroup}
			}
			cmd, err := command.New(typ, fusion.ID{0xdd, byte(i)}, uint64(start)<<16, start, "zhang", payload)
			if err != nil {
				t.Fatal(err)
			}
			log = append(log, cmd)
		}
		a, b := state.NewMemory(), state.NewMemory()
		applyAll(t, a, log)
		applyAll(t, b, rapid.Permutation(log).Draw(t, "order"))
		ha, err := state.HashDefinitions(a)
		if err != nil {
			t.Fatal(err)
		}
		hb, err := state.HashDefinitions(b)
		if err != nil || !bytes.Equal(ha, hb) {
			t.Fatalf("the definitions differ: %v", err)
		}
	})
}

func TestIndexesAgreeWithTheRecords(t *testing.T) {
	base := world(t)
	rapid.Check(t, func(t *rapid.T) {
		tx := base.Clone()
		applyAll(t, tx, anyLog(t))
		v := state.NewView(tx)
		groups, err := v.Groups()
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			ms, err := v.Members(g.Number)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range ms {
				if _, err := v.Unit(m.Unit); err != nil {
					t.Fatalf("member %v: %v", m, err)
				}
			}
			if p, in, err := v.PatchOf(g.Number); err != nil || in && len(p.Groups) < 2 {
				t.Fatalf("patch of %s: %+v %v", g.Number, p, err)
			}
		}
		units, err := v.Units()
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range units {
			if _, err := v.MembershipsOf(u.Number); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Messages(state.MessageFilter{With: u.Number}); err != nil {
				t.Fatal(err)
			}
		}
		open, err := v.OpenAlerts()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range open {
			if a.State == state.AlertCleared {
				t.Fatalf("open and cleared: %+v", a)
			}
		}
		if _, err := v.Bursts(state.BurstFilter{}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestACommandOfANewerVersionStopsUnlessItMayBePassedOver(t *testing.T) {
	s := furnished(t)
	before := s.hash()
	cmd := s.command(999, struct{}{})
	if _, _, err := s.m.Apply(s.mem, cmd, 1); !errors.Is(err, state.ErrUnknownCommand) {
		t.Fatalf("got %v", err)
	}
	field := s.command(command.GroupSet, map[string]any{"number": 10109, "name": "x", "colour": "red"})
	if _, _, err := s.m.Apply(s.mem, field, 1); !errors.Is(err, state.ErrUnknownCommand) {
		t.Fatalf("got %v", err)
	}
	inner := s.command(command.Batch, state.BatchChange{Commands: []command.Command{cmd}})
	if _, _, err := s.m.Apply(s.mem, inner, 1); !errors.Is(err, state.ErrUnknownCommand) {
		t.Fatalf("got %v", err)
	}
	cmd.Flags = command.Skippable
	if _, _, err := s.m.Apply(s.mem, cmd, 1); err != nil {
		t.Fatal(err)
	}
	if s.hash() != before {
		t.Fatal("the state changed")
	}
}

func TestAForgottenRequestIsRefusedRatherThanAppliedTwice(t *testing.T) {
	s := furnished(t)
	old := s.command(command.MemberDelete, state.Member{Group: 10100, Unit: 10002})
	if err := s.apply(old).Err(); err != nil {
		t.Fatal(err)
	}
	s.do(command.MemberSet, state.Member{Group: 10100, Unit: 10002})
	s.at += 40 * 24 * 3600 * 1000
	for range 2 {
		s.do(command.Expire, state.ExpireChange{Now: state.Millis(s.at)})
	}
	if res := s.apply(old); res.Reason != "request_too_old" {
		t.Fatalf("%+v", res)
	}
	if _, err := s.view().Member(10100, 10002); err != nil {
		t.Fatal("it was applied again")
	}
}
