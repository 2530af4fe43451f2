package main

import (
	"testing"

	"github.com/guantong-net/guantong/fusion/state"
)

func TestAMissedCallIsReturnedByCallingWhoMadeIt(t *testing.T) {
	for _, c := range []struct {
		name         string
		back, missed state.CallRecord
		want         bool
	}{
		{"an extension", state.CallRecord{To: 10801}, state.CallRecord{From: 10801}, true},
		{"another extension", state.CallRecord{To: 10802}, state.CallRecord{From: 10801}, false},
		{"an outside number", state.CallRecord{ToDigits: "913800000000"}, state.CallRecord{Outside: true, FromName: "李四 <13800000000>"}, true},
		{"an outside number without a name", state.CallRecord{ToDigits: "13800000000"}, state.CallRecord{Outside: true, FromName: "13800000000"}, true},
		{"a caller who showed no number", state.CallRecord{ToDigits: "13800000000"}, state.CallRecord{Outside: true}, false},
	} {
		if got := callsBack(c.back, c.missed); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
