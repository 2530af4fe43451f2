package state_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// doAs applies a command under a request ID.
func (s *site) doAs(id fusion.ID, k command.Type, payload any) state.Result {
	s.t.Helper()
	s.at += 1000
	cmd, err := command.New(k, id, uint64(s.at)<<16, s.at, "system", payload)
	if err != nil {
		s.t.Fatal(err)
	}
	res, _, err := s.m.Apply(s.mem, cmd, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

func TestAFullerRecordingReplacesWhatWasIndexed(t *testing.T) {
	s := furnished(t)
	id := fusion.ID{7}
	own := burst(state.Millis(start), 10100)
	own.ID, own.Heard, own.EndCause = id, 3000, "interrupted"
	fuller, less := own, own
	fuller.Heard, fuller.File, fuller.EndCause, fuller.Start = 9000, hash('d'), "released", own.Start+5
	less.Heard, less.File = 2000, hash('e')
	for i, b := range []state.Burst{own, less, fuller, less} {
		as := id
		if i > 0 {
			as = fusion.ID{7, byte(i)}
		}
		if res := s.doAs(as, command.BurstIndex, b); res.Err() != nil {
			t.Fatal(res)
		}
		s.do(command.ObjectKeep, state.KeepChange{ID: id, Keep: true})
	}
	got := must[state.Burst](t)(s.view().Burst(id))
	if got.File != fuller.File || !got.Keep || got.Heard != 9000 {
		t.Errorf("%+v", got)
	}
	for hash, want := range map[string]bool{own.File: false, less.File: false, fuller.File: true} {
		if named := must[bool](t)(s.view().FileReferenced(hash)); named != want {
			t.Errorf("%s is named: %t", hash, named)
		}
	}
	if list := must[[]state.Burst](t)(s.view().Bursts(state.BurstFilter{Group: 10100})); len(list) != 1 || list[0].Start != fuller.Start {
		t.Errorf("%+v", list)
	}
}

func TestACopyDoesNotBringBackWhatRetentionTook(t *testing.T) {
	s := furnished(t)
	b := burst(state.Millis(start), 10100)
	b.ID = fusion.ID{7}
	s.doAs(b.ID, command.BurstIndex, b)
	all := state.Millis(s.at + 1_000_000)
	s.do(command.Expire, state.ExpireChange{Now: all, Recordings: all})
	b.Heard = 99_000
	if res := s.doAs(fusion.ID{8}, command.BurstIndex, b); res.Reason != "burst_gone" {
		t.Errorf("%+v", res)
	}
}

// The recordings of a burst come in any order, by way of any node: the same one is kept.
func TestWhichRecordingIsKeptDoesNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(r, "recordings")
		all := make([]state.Burst, n)
		for i := range all {
			b := burst(state.Millis(start+rapid.Int64Range(0, 3).Draw(r, "start")), 10100)
			b.ID, b.File = fusion.ID{7}, hash("0123456789"[i])
			b.Heard, b.Duration, b.Size = rapid.Int64Range(0, 2).Draw(r, "heard"), rapid.Int64Range(0, 2).Draw(r, "duration"), rapid.Int64Range(0, 2).Draw(r, "size")
			all[i] = b
		}
		apply := func(order []int) string {
			s := furnished(t)
			for _, i := range order {
				as := fusion.ID{7, byte(i)}
				if res := s.doAs(as, command.BurstIndex, all[i]); res.Err() != nil {
					r.Fatal(res)
				}
			}
			b := must[state.Burst](t)(s.view().Burst(fusion.ID{7}))
			b.Seq = 0
			list := must[[]state.Burst](t)(s.view().Bursts(state.BurstFilter{Talker: b.Talker}))
			var named []string
			_ = s.view().EachFile(func(h string) error { named = append(named, h); return nil })
			return fmt.Sprint(b, len(list), named)
		}
		first := make([]int, n)
		for i := range first {
			first[i] = i
		}
		second := rapid.Permutation(slices.Clone(first)).Draw(r, "order")
		if a, b := apply(first), apply(second); a != b {
			r.Errorf("%v gives %s, %v gives %s", first, a, second, b)
		}
	})
}
