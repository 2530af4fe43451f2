package main

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/guantong-net/guantong/testbed/peer"
)

func TestALeaderWhoseUPSRunsLowHandsOverAndSaysSo(t *testing.T) {
	nut, err := peer.StartNUT(t.Context(), t.TempDir(), "OL CHRG")
	if err != nil {
		t.Fatal(err)
	}
	defer nut.Stop()
	r := three(t)
	n := r.nodes[1]
	f, err := os.OpenFile(n.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = fmt.Fprintf(f, "power:\n  ups: %s\n", nut.UPS()); err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	n.Kill()
	r.again(n)
	r.until(20*time.Second, "the UPS to be known", func() bool { p := r.status(n).Node.Power; return p != nil && p.Known && !p.OnBattery })
	r.until(30*time.Second, n.id+" to lead", func() bool {
		if l := r.leader(); l != nil && l != n && r.even() {
			r.command(l, "handover", n.id)
		}
		return r.leader() == n
	})
	if err := nut.Say("OB LB", 8, 90*time.Second); err != nil {
		t.Fatal(err)
	}
	r.until(20*time.Second, "another node to lead", func() bool { l := r.leader(); return l != nil && l != n })
	st := r.status(n).Node
	if st.Power == nil || !st.Power.Low || *st.Power.Charge != 8 || *st.Power.Runtime != 90 || !slices.Contains(st.Degraded, "battery_low") {
		t.Errorf("%+v, degraded %v", st.Power, st.Degraded)
	}
}
