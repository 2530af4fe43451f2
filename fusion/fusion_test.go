package fusion_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/guantong-net/guantong/fusion"
)

func TestNumbersAreSiteAndLocalPart(t *testing.T) {
	for _, c := range []struct {
		digits string
		want   fusion.Number
		ok     bool
	}{
		{"101", 70101, true}, {"0101", 70101, true}, {"80101", 80101, true}, {"16769999", 16769999, true},
		{"", 0, false}, {"0", 0, false}, {"16770000", 0, false}, {"9x", 0, false}, {"-1", 0, false}, {"99999999999", 0, false}, {"00101", 0, false},
	} {
		got, err := fusion.ParseNumber(c.digits, 7)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%q: %d, %v", c.digits, got, err)
		}
	}
	if n := fusion.NewNumber(fusion.MaxSite, 9999); uint32(n) >= 1<<24 || n.Site() != fusion.MaxSite || n.Local() != 9999 {
		t.Errorf("the highest number %d does not fit trunked radio", n)
	}
}

func TestWordsSurviveJSON(t *testing.T) {
	type all struct {
		ID   fusion.ID
		Talk fusion.Talk
		Call fusion.Talk
		Prec fusion.Precedence
	}
	id := fusion.ID{1, 2, 3}
	in := all{ID: id, Talk: fusion.GroupTalk(10001), Call: fusion.CallTalk(id), Prec: fusion.Flash}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out all
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("%s: %+v, %v", b, out, err)
	}
	for _, bad := range []string{`{"ID":"12"}`, `{"ID":"zz000000000000000000000000000000"}`, `{"Talk":"call:1"}`, `{"Talk":"12"}`, `{"Prec":"urgent"}`} {
		if json.Unmarshal([]byte(bad), &out) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestAnErrorKeepsItsFaultAndReasonThroughWrapping(t *testing.T) {
	cause := errors.New("disk")
	err := fmt.Errorf("post: %w", fusion.E(fusion.Full, "disk_reserve", "%d left: %v", 7, cause))
	if fusion.FaultOf(err) != fusion.Full || fusion.ReasonOf(err) != "disk_reserve" || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if !errors.Is(err, &fusion.Error{Fault: fusion.Full, Reason: "disk_reserve"}) || errors.Is(err, &fusion.Error{Fault: fusion.Full}) {
		t.Error("errors are compared by fault and reason")
	}
	if fusion.FaultOf(cause) != fusion.Broken {
		t.Error("an error that says nothing is our own fault")
	}
}

func TestPrecedenceOrders(t *testing.T) {
	if !fusion.Flash.Above(fusion.Routine) || fusion.Routine.Above(fusion.Routine) || fusion.Precedence(9).Valid() {
		t.Error("precedence does not order")
	}
}
