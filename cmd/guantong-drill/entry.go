package main

import (
	"context"
	"fmt"
	"math"

	"github.com/guantong-net/guantong/testbed/peer"
)

// lateEntry measures from the click on a group in which somebody talks to the first sound of it out of the decoder (MCPTT KPI 4).
func (s *cast) lateEntry(ctx context.Context, d *drill, t *timing) error {
	if err := s.chief.tune(ctx, s.groups, s.one); err != nil {
		return err
	}
	for range d.rounds {
		ms, err := s.enterLate(ctx)
		if err != nil {
			return err
		}
		d.say("late entry after %.0f ms", ms)
		if !math.IsNaN(ms) {
			t.late = append(t.late, ms)
		}
	}
	d.check("who comes late hears", fmt.Sprintf("%d of %d", d.rounds, d.rounds), fmt.Sprint(len(t.late)), len(t.late) == d.rounds)
	return nil
}

func (s *cast) enterLate(ctx context.Context) (float64, error) {
	if err := s.officer.tune(ctx, s.groups); err != nil {
		return 0, err
	}
	at, err := s.chief.nextSentence(ctx)
	if err != nil {
		return 0, err
	}
	if err := until(ctx, at-leadTime); err != nil {
		return 0, err
	}
	if err := s.chief.page.MouseDown(ctx, "ptt"); err != nil {
		return 0, err
	}
	if err := until(ctx, at+800); err != nil {
		return 0, err
	}
	before := peer.Monotonic()
	if err := s.officer.page.Click(ctx, "group-"+s.one.String()+"-listen"); err != nil {
		return 0, err
	}
	if err := until(ctx, at+s.chief.says.Seconds()*1000); err != nil {
		return 0, err
	}
	if err := s.chief.page.MouseUp(ctx, "ptt"); err != nil {
		return 0, err
	}
	return s.firstSound(ctx, before)
}

// firstSound is the time from the click to the first frame on any slot that is not silence; NaN when there is none.
func (s *cast) firstSound(ctx context.Context, before float64) (float64, error) {
	events, err := s.officer.page.Events(ctx)
	if err != nil {
		return 0, err
	}
	clicked := math.NaN()
	for _, e := range events {
		if e.What == "click" && e.At >= before-5 && e.ID == "group-"+s.one.String()+"-listen" {
			clicked = e.At
			break
		}
	}
	first := math.NaN()
	for slot := range 8 {
		c, err := s.officer.page.Slot(ctx, slot, before, before+600000)
		if err != nil {
			return 0, err
		}
		if len(c.Sound.Samples) > 0 && !(c.Begin > first) {
			first = c.Begin
		}
	}
	return first - clicked, nil
}

// presses measures access time again, without a listener's judgement, until there are enough presses for a percentile.
func (s *cast) presses(ctx context.Context, d *drill, t *timing) error {
	for i := range 2 * d.rounds {
		who := []*station{s.chief, s.officer}[i%2]
		if i < 2 {
			if err := who.tune(ctx, s.groups, s.one); err != nil {
				return err
			}
		}
		from := peer.Monotonic()
		if err := who.page.MouseDown(ctx, "ptt"); err != nil {
			return err
		}
		if err := until(ctx, from+400+d.rand.Float64()*200); err != nil {
			return err
		}
		to := peer.Monotonic()
		if err := who.page.MouseUp(ctx, "ptt"); err != nil {
			return err
		}
		if err := until(ctx, to+500); err != nil {
			return err
		}
		if err := d.access(ctx, who, from, to, t); err != nil {
			return err
		}
	}
	return nil
}
