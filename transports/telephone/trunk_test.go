package telephone

import (
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// TestATrunkRegistersAndCalls joins two gateways: one is the exchange, the other registers with it as a subscriber.
func TestATrunkRegistersAndCalls(t *testing.T) {
	far, near := newBoard(t), newBoard(t)
	near.full, far.full = true, true
	exchange := serve(t, Config{UDP: "127.0.0.1:0"}, book{extension(11001, "1001")}, far, far)
	s := serve(t, Config{UDP: "127.0.0.1:0", Trunks: []Trunk{{
		Name: "exchange", Hosts: []string{"127.0.0.1:9", exchange.Addr("udp").String()}[1:], Register: true, User: "1001", Password: "pw-1001",
		Codecs: []codec.ID{codec.PCMA}, Headers: map[string]string{"X-Site": "1"},
	}}}, book{}, near, near)
	deadline := time.After(10 * time.Second)
	for !s.TrunkRegistered("exchange") {
		select {
		case <-deadline:
			t.Fatal("the trunk did not register")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if !exchange.Registered(11001) {
		t.Fatal("the exchange does not know the trunk")
	}
	line, err := s.Dial(t.Context(), desk.Target{Trunk: "exchange", Digits: "95001", From: "057112345678"})
	if err != nil {
		t.Fatal(err)
	}
	far.wait("the call", far.has("incoming 95001"))
	near.wait("its answer", near.has("answered"))
	if got := far.lines[0].Caller(); got.Unit != 11001 {
		t.Fatalf("the exchange sees %+v", got)
	}
	line.Hang(desk.Normal)
	far.wait("its end there", far.has("ended normal"))
	near.wait("its end here", near.has("ended normal"))

	// And the other way: the exchange calls what registered with it; that is a call by the trunk, of nobody we know.
	back, err := exchange.Dial(t.Context(), desk.Target{Unit: 11001, From: "110"})
	if err != nil {
		t.Fatal(err)
	}
	near.wait("the call back", func() bool { return len(near.lines) == 1 })
	far.wait("its answer", far.has("answered"))
	if got := near.lines[0].Caller(); got.Trunk != "exchange" || got.Unit != 0 || got.Digits != "110" {
		t.Fatalf("caller %+v", got)
	}
	near.lines[0].Hang(desk.Normal)
	far.wait("end", func() bool { return far.count("ended normal") == 2 })
	_ = back
}

func TestATrunkThatRefusesSaysWhy(t *testing.T) {
	far, near := newBoard(t), newBoard(t)
	far.manual = func(l desk.Line, _ string) { l.Hang(desk.BusyHere) }
	exchange := serve(t, Config{UDP: "127.0.0.1:0"}, book{extension(11001, "1001")}, far, far)
	s := serve(t, Config{UDP: "127.0.0.1:0", Trunks: []Trunk{{
		Name: "x", Hosts: []string{exchange.Addr("udp").String()}, User: "1001", Password: "pw-1001",
	}}}, book{}, near, near)
	if _, err := s.Dial(t.Context(), desk.Target{Trunk: "x", Digits: "110"}); err != nil {
		t.Fatal(err)
	}
	near.wait("busy", near.has("ended busy"))
	if _, err := s.Dial(t.Context(), desk.Target{Trunk: "x", Digits: "sip:evil"}); err == nil {
		t.Fatal("digits that are none were dialled")
	}
	if _, err := s.Dial(t.Context(), desk.Target{Trunk: "y", Digits: "110"}); err == nil {
		t.Fatal("a trunk that is none was dialled")
	}
}
