package e2e

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/speech"
)

// outside is a caller at an address of the exchange, without any account here.
func outside(t *testing.T, b *bench, last byte, from string) *load.Phone {
	t.Helper()
	p, err := load.NewPhone(load.PhoneConfig{Server: netip.MustParseAddrPort(b.SIP), Local: netip.AddrFrom4([4]byte{127, 0, 77, last}), User: from, Payload: load.PCMA, Seed: uint64(last)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// told waits until a console is told of a call that matches.
func (d *console) told(t *testing.T, match func(wire.CallInfo) bool) wire.CallInfo {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case c := <-d.calls:
			if match(c) {
				return c
			}
		case <-late:
			t.Fatal("the console was not told of the call in 10 s")
		}
	}
}

func TestACallFromOutsideReachesAGroupOnlyByADispatcher(t *testing.T) {
	b := server(t)
	g := b.group(t, true)
	who := b.person(t, fusion.Dispatcher)
	d, h := sit(t, b.sdk(t, who)), sit(t, b.sdk(t, b.person(t, fusion.Operator)))
	d.join(t, g)
	h.join(t, g)
	desk := fusion.NewNumber(1, 901)
	if _, err := d.TakePosition(t.Context(), desk, ""); err != nil {
		t.Fatal(err)
	}
	p := outside(t, b, 7, "13800000001")
	dialled := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { dialled <- p.Dial(ctx, g.String()) }() // it dials the group itself
	call := d.told(t, func(c wire.CallInfo) bool { return c.Outside && strings.Contains(c.Digits+c.FromName, "13800000001") })
	if call.Position != desk || call.Group != 0 {
		t.Errorf("a call to a group from outside: %+v, want it in the queue of %s", call, desk)
	}
	if err := d.CallDeed(ctx, call.ID, "answer"); err != nil {
		t.Fatal(err)
	}
	if err := <-dialled; err != nil {
		t.Fatal(err)
	}
	s, err := speech.Load("pilot")
	if err != nil {
		t.Fatal(err)
	}
	said := load.Frames(s.Cut(0, 0.6))
	if err := p.Key(ctx, '*'); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Talk(ctx, said); err != nil {
		t.Fatal(err)
	}
	if n := h.heard.Load(); n != 0 {
		t.Errorf("the group heard %d packets of a call that nobody had let in", n)
	}
	if err := d.Admit(ctx, call.ID, g); err != nil {
		t.Fatal(err)
	}
	d.told(t, func(c wire.CallInfo) bool { return c.ID == call.ID && c.Group == g })
	eventually(t, "the call is heard in the group", func() bool {
		if p.Key(ctx, '*') != nil {
			return false
		}
		if _, _, err := p.Talk(ctx, said); err != nil {
			return false
		}
		return h.heard.Load() > 0
	})
	if err := p.Hang(ctx); err != nil {
		t.Error(err)
	}
	d.told(t, func(c wire.CallInfo) bool { return c.ID == call.ID && c.State == "ended" })

	// Nobody answers the second one.
	missed := outside(t, b, 8, "13800000002")
	short, giveUp := context.WithTimeout(t.Context(), 20*time.Second)
	defer giveUp()
	over := make(chan error, 1)
	go func() { over <- missed.Dial(short, desk.String()) }()
	second := d.told(t, func(c wire.CallInfo) bool { return strings.Contains(c.Digits+c.FromName, "13800000002") })
	giveUp()
	if err := <-over; err == nil {
		t.Error("a call that nobody answered was answered")
	}
	eventually(t, "both calls are logged", func() bool {
		log, err := peer.List[state.CallRecord](t.Context(), b.admin, "/calls/log")
		if err != nil {
			return false
		}
		found := map[fusion.ID]state.CallRecord{}
		for _, c := range log {
			found[c.ID] = c
		}
		return found[call.ID].Result == "answered" && found[call.ID].Outside && found[call.ID].By == who.name && found[second.ID].Result == "missed"
	})
}

func TestNobodyDialsOutWithoutAClass(t *testing.T) {
	b := server(t)
	p := b.phone(t)
	err := p.Dial(t.Context(), "913800000000")
	if err == nil || !strings.Contains(err.Error(), ": 4") && !strings.Contains(err.Error(), ": 6") {
		t.Errorf("a telephone without a class dials out: %v, want a refusal", err)
	}
	operator := b.sdk(t, b.person(t, fusion.Operator))
	_, err = operator.Place(t.Context(), sdk.Place{Digits: "913800000000"})
	if fusion.FaultOf(err) != fusion.NotAllowed {
		t.Errorf("an operator dials out: %v, want not_allowed", err)
	}
	// From an address that is no exchange, nobody gets in either.
	stranger, err := load.NewPhone(load.PhoneConfig{Server: netip.MustParseAddrPort(b.SIP), Local: netip.MustParseAddr("127.0.78.1"), User: "13800000003", Payload: load.PCMA, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stranger.Close)
	if err := stranger.Dial(t.Context(), "10001"); err == nil {
		t.Error("a stranger's call was answered")
	}
}
