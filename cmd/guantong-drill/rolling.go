package main

import (
	"context"
	"fmt"
	"time"

	"github.com/guantong-net/guantong/testbed/site"
)

const (
	rollingScribes = 8
	stopGrace      = 15 * time.Second
	together       = time.Minute // until all nodes are one site again
)

// rolling restarts the nodes one by one under load, as an upgrade does; then two die at once, the third is made the whole site by an operator, and the others come back to
// it. Nothing that was acknowledged may be lost.
func rolling(ctx context.Context, d *drill) error {
	s, err := d.startSite(ctx, place())
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	w := d.write(ctx, s, rollingScribes)
	defer w.rest()
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	for round := range d.rounds {
		for _, n := range s.Nodes {
			if err := d.restart(ctx, s, w, n); err != nil {
				return fmt.Errorf("round %d: %s: %w", round+1, n.ID, err)
			}
		}
	}
	d.atMost("restart_gap_ms_max", d.worst*1000, 2000)
	before := len(w.acked)
	err = d.recoverSite(ctx, s, w)
	if err == nil {
		err = pause(ctx, 2*time.Second)
	}
	w.rest()
	if err != nil {
		d.logs(s)
		return err
	}
	d.figure("messages_after_recovery_began", float64(len(w.acked)-before))
	d.figure("node_restarts", float64(d.rounds*len(s.Nodes)))
	return d.account(ctx, w)
}

// restart ends one node in order and starts it again, and notes for how long nothing was acknowledged.
func (d *drill) restart(ctx context.Context, s *site.Site, w *scribes, n *site.Node) error {
	leads := s.Leader() == n
	w.worst()
	if err := n.Stop(stopGrace); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, together)
	defer cancel()
	if err := s.Even(ctx, 64); err != nil {
		return err
	}
	gap := w.worst()
	d.worst = max(d.worst, gap.Seconds())
	d.say("%s (leader: %v) is back after %.0f ms; at most %v without an acknowledgement", n.ID, leads, n.StartMS, gap.Round(time.Millisecond))
	return nil
}

// recoverSite kills the leader and another node for good, as far as the third can know, and goes through what the manual says.
func (d *drill) recoverSite(ctx context.Context, s *site.Site, w *scribes) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	leader := s.Leader()
	if leader == nil {
		return fmt.Errorf("no leader")
	}
	survivor := s.Others(leader)[0]
	lost := s.Others(survivor)
	for _, n := range lost {
		n.Kill()
	}
	begun := time.Now()
	w.worst()
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	if err := survivor.Stop(stopGrace); err != nil {
		return err
	}
	said, err := survivor.Operator(ctx, "recover", "-force")
	if err != nil {
		return err
	}
	d.say("%s: %.120q", survivor.ID, said)
	if err := survivor.Up(ctx); err != nil {
		return err
	}
	if err := s.Await(ctx, "the site of one to acknowledge", func() bool { return w.since() < time.Second }); err != nil {
		return err
	}
	d.figure("recovered_s", time.Since(begun).Seconds())
	for _, n := range lost {
		token, err := survivor.Command(ctx, "token 3600")
		if err != nil {
			return err
		}
		if said, err = n.Operator(ctx, "rejoin", "-join", token); err != nil {
			return err
		}
		d.say("%s: %.200q", n.ID, said)
		if err := n.Up(ctx); err != nil {
			return err
		}
	}
	if err := s.Await(ctx, "three voters", func() bool { return s.Voters() == len(s.Nodes) }); err != nil {
		return err
	}
	d.figure("whole_again_s", time.Since(begun).Seconds())
	return nil
}
