package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/guantong-net/guantong/testbed/chaos"
	"github.com/guantong-net/guantong/testbed/site"
)

// siteDisk is the size of each node's own file system, where there is one.
const siteDisk = 1 << 30

// place is where a drill's site runs: for root, nodes that are apart, with disks of their own; else all on loopback, where neither links nor disks can be harmed.
func place() site.Config {
	if !site.Unshared() {
		return site.Config{}
	}
	return site.Config{Apart: true, Disk: siteDisk}
}

// runChaos harms a site at random while clients work on it.
func runChaos(ctx context.Context, d *drill) error {
	c := place()
	if !c.Apart {
		d.say("not root: links and disks stay whole")
	}
	s, err := d.startSite(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	d.say("seed %d", d.seed)
	r, err := chaos.Run(ctx, s, chaos.Config{Seed: d.seed, Plan: chaos.NewPlan(d.seed, len(s.Nodes), c.Apart, c.Disk > 0), Last: time.Duration(d.minutes * float64(time.Minute)), Say: d.say})
	if err != nil {
		if d.keep != "" {
			d.logs(s)
		}
		return err
	}
	d.verdict(r)
	return nil
}

// verdict reports what a run came to.
func (d *drill) verdict(r chaos.Result) {
	faults := 0
	for kind, n := range r.Faults {
		d.say("%d × %v", n, kind)
		faults += n
	}
	d.figure("faults", float64(faults))
	d.figure("messages", float64(r.Messages))
	d.figure("edits", float64(r.Edits))
	d.figure("receipts", float64(r.Receipts))
	d.figure("floor_grants", float64(r.Grants))
	d.figure("floor_grants_apart", float64(r.Apart))
	d.figure("whole_again_s_max", r.Worst.Seconds())
	for _, double := range r.Doubles {
		d.say("two had the floor: %v", double)
	}
	d.atMost("floor_double_grants", float64(len(r.Doubles)), 0)
	d.atMost("acknowledged_lost", float64(len(r.Lost)), 0)
	d.atMost("applied_twice", float64(len(r.Twice)), 0)
	for _, h := range []struct {
		what string
		err  error
	}{{"acceptance is linearizable", r.Order}, {"edits are linearizable", r.Swaps}, {"receipts are linearizable", r.Pushes}, {"one talks at a time", r.Floor}} {
		got := "yes"
		if h.err != nil {
			got = h.err.Error()
		}
		d.check(h.what, "yes", got, h.err == nil)
	}
	d.check("there was work", "messages, edits, receipts, grants", fmt.Sprint(r.Messages, r.Edits, r.Receipts, r.Grants), r.Messages > 0 && r.Edits > 0 && r.Receipts > 0 && r.Grants > 0)
}

// logs leaves what the nodes have printed in the run's folder.
func (d *drill) logs(s *site.Site) {
	for _, n := range s.Nodes {
		if n.Process != nil {
			_ = os.WriteFile(fmt.Sprintf("%s/%s.log", d.dir, n.ID), []byte(n.Log().String()), 0o600) // a help for a person only
		}
	}
}
