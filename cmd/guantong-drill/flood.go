package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/guantong-net/guantong/testbed/hearing"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
)

// floodTime bounds a flood.
const floodTime = 25 * time.Second

// underFlood floods the registrar with REGISTER and INVITE while the duty telephone, which was registered before, calls the group, and emergency calls are made from the chief's
// console by its emergency button. emergency_ms_under_flood is from the button having been held as long as the page wants to the floor shown as granted.
func (s *cast) underFlood(ctx context.Context, d *drill, t *timing) error {
	server, err := netip.ParseAddrPort(s.server.SIP)
	if err != nil {
		return fmt.Errorf("flood: %w", err)
	}
	flooding, stop := context.WithTimeout(ctx, floodTime)
	defer stop()
	sent := make(chan int, 1)
	failed := make(chan error, 1)
	go func() {
		n, err := load.Flood{Server: server, Rate: d.flood, Rand: d.rand}.Run(flooding)
		sent <- n
		failed <- err
	}()
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	err = s.callsUnderFlood(ctx, d)
	stop()
	d.figure("flood_requests", float64(<-sent))
	if flood := <-failed; err == nil {
		err = flood
	}
	if err != nil {
		return err
	}
	return d.sayTo(ctx, "after the flood", s.chief, []*station{s.officer, s.brigade}, nil, t)
}

func (s *cast) callsUnderFlood(ctx context.Context, d *drill) error {
	before := time.Now()
	err := s.brigade.dial(ctx, s.one)
	d.check("the duty telephone gets into the group under the flood", "answered", fmt.Sprint(err), err == nil)
	d.figure("duty_call_ms_under_flood", time.Since(before).Seconds()*1000-3500) // dial waits 3.5 s by itself
	var took []float64
	for range d.rounds {
		ms, err := s.emergency(ctx)
		if err != nil {
			d.check("an emergency call under the flood", "granted", err.Error(), false)
			return nil
		}
		took = append(took, ms)
	}
	d.atMost("emergency_ms_under_flood", hearing.Percentile(took, 100), 200)
	return nil
}

// emergency holds the button until the page has the floor, and clears the emergency again.
func (s *cast) emergency(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	page := s.chief.page
	from := peer.Monotonic()
	if err := page.MouseDown(ctx, "emergency"); err != nil {
		return 0, err
	}
	granted := page.Until(ctx, `document.querySelector('[data-testid="ptt-state"]')?.dataset.state === 'granted'`)
	if err := page.MouseUp(ctx, "emergency"); err != nil {
		return 0, err
	}
	if granted != nil {
		return 0, granted
	}
	events, err := page.Events(ctx)
	if err != nil {
		return 0, err
	}
	asked, got := 0.0, 0.0
	for _, e := range events {
		if e.At < from || e.ID != "ptt-state" || e.What != "data-state" {
			continue
		}
		if e.Value == "requesting" && asked == 0 {
			asked = e.At
		}
		if e.Value == "granted" && got == 0 {
			got = e.At
		}
	}
	if asked == 0 || got < asked {
		return 0, fmt.Errorf("the page showed the request at %.0f ms and the grant at %.0f ms after the button", asked-from, got-from)
	}
	return got - asked, pause(ctx, time.Second)
}
