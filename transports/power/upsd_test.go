package power_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/transports/power"
)

// TestARealUPSDIsUnderstood goes through a blackout with the upsd of Debian and its simulated UPS, and through what can happen to upsd itself.
func TestARealUPSDIsUnderstood(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	nut, err := peer.StartNUT(ctx, t.TempDir(), "OL CHRG")
	if err != nil {
		t.Fatal(err)
	}
	defer nut.Stop()
	m, err := power.New(power.Config{UPS: nut.UPS(), Every: 100 * time.Millisecond, Limit: 500 * time.Millisecond, Stale: 700 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = m.Run(ctx) }()
	until := func(what string, ok func(power.State) bool) {
		t.Helper()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for !ok(m.State()) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("waited for %s: %+v; %s", what, m.State(), nut.Log())
			}
		}
	}
	say := func(status string, charge int, lasts time.Duration) {
		t.Helper()
		if err := nut.Say(status, charge, lasts); err != nil {
			t.Fatal(err)
		}
	}
	until("mains", func(s power.State) bool { return s.Known && !s.OnBattery && s.Charge == 100 && s.Runtime == time.Hour })
	say("OB DISCHRG", 60, 20*time.Minute)
	until("the battery", func(s power.State) bool {
		return s.OnBattery && !s.Critical() && s.Charge == 60 && s.Runtime == 20*time.Minute && !s.Since.IsZero()
	})
	say("OB LB", 9, 2*time.Minute)
	until("a low battery", power.State.Critical)
	if err := nut.Server().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until("a upsd that hangs to be told", func(s power.State) bool { return !s.Known && strings.Contains(s.Fault, "no answer") })
	if err := nut.Server().Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until("it to go on", power.State.Critical)
	nut.Driver().Kill()
	until("a dead driver to be told", func(s power.State) bool {
		return !s.Known && (strings.Contains(s.Fault, "STALE") || strings.Contains(s.Fault, "DRIVER"))
	})
	nut.Server().Kill()
	until("a dead upsd to be told", func(s power.State) bool { return !s.Known && strings.Contains(s.Fault, "refused") })
}
