package main

import (
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/alerting"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/state"
)

func TestTheDutyPhoneRingsUntilTheAlertIsAcknowledged(t *testing.T) {
	alert := state.Alert{ID: fusion.ID{1}, Unit: 10101, Group: 10001, State: state.AlertRaised, Stage: alerting.Consoles}
	live := make(map[fusion.ID]bool)
	var placed []desk.Place
	var refuse error
	ids := byte(0)
	d := &dutyRinger{
		open: func() ([]state.Alert, error) { return []state.Alert{alert}, nil }, leads: func() bool { return true },
		phones: func() []fusion.Number { return []fusion.Number{10803} },
		place: func(_ desk.User, p desk.Place) (desk.Call, error) {
			if refuse == nil {
				placed, live[p.ID] = append(placed, p), true
			}
			return desk.Call{}, refuse
		},
		live: func(id fusion.ID) bool { return live[id] }, newID: func() fusion.ID { ids++; return fusion.ID{9, ids} },
		failed: func(state.Alert, fusion.Number, error) {}, calls: make(map[ringing]fusion.ID),
	}
	expect := func(when string, n int) {
		t.Helper()
		d.round()
		if len(placed) != n {
			t.Errorf("%s: %d calls, want %d", when, len(placed), n)
		}
	}
	expect("too early", 0)
	alert.Stage = alerting.DutyPhone
	expect("due", 1)
	expect("it rings", 1)
	clear(live)
	refuse = fusion.E(fusion.Busy, "not_reachable", "")
	expect("not there", 1)
	refuse = nil
	expect("nobody answered", 2)
	alert.State = state.AlertAcknowledged
	clear(live)
	expect("acknowledged", 2)
	if placed[0].Group != 10001 || placed[0].To != 10803 {
		t.Errorf("%+v", placed[0])
	}
}
