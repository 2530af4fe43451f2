package floor

import (
	"encoding"
	"encoding/json"
	"testing"
)

// roundTrip proves that every name is there, is one value's only, and is read back.
func roundTrip[T ~uint8, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, names []named[T], n int) {
	t.Helper()
	seen := map[string]bool{}
	for _, v := range names {
		if seen[v.name] || v.name == "" {
			t.Errorf("%q is there twice, or empty", v.name)
		}
		seen[v.name] = true
		var back T
		if err := P(&back).UnmarshalText([]byte(v.name)); err != nil || back != v.value {
			t.Errorf("%q read as %d: %v", v.name, back, err)
		}
	}
	if len(names) != n {
		t.Errorf("%d names for %d values", len(names), n)
	}
	var v T
	if P(&v).UnmarshalText([]byte("nonsense")) == nil {
		t.Error("nonsense was read")
	}
}

func TestNames(t *testing.T) {
	roundTrip(t, kindNames, kinds)
	roundTrip(t, typeNames, 16)
	roundTrip(t, denyNames, 8)
	roundTrip(t, revokeNames, 7)
	roundTrip(t, endNames, 9)
	roundTrip(t, stateNames, states)
	roundTrip(t, seatNames, 8)
	roundTrip(t, clientStateNames, clientStates)
	roundTrip(t, clientKindNames, clientKinds)
	roundTrip(t, orderNames, 7)
	roundTrip(t, floorKindNames, 4)
	roundTrip(t, levelNames, 5)
}

func TestOutputIsJSON(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.on(Request, zhang, 1)
	for _, want := range s.out {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Output
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Fatalf("%s read as %+v: %v", text, got, err)
		}
	}
}
