package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/hearing"
	"github.com/guantong-net/guantong/testbed/peer"
)

// cast is who takes part in one-site.
type cast struct {
	server           *peer.Server
	admin            *peer.API
	chief, officer   *station // consoles: a dispatcher, and a unit without a dispatcher's rights
	brigade, pilot   *station // telephones
	one, two, closed fusion.Number
	listen           fusion.Number // a closed group in which the officer may only listen
	groups           []fusion.Number
}

func (s *cast) all() []*station { return []*station{s.chief, s.officer, s.brigade, s.pilot} }

// oneSite is the scenario: figures as in the issue that asks for it.
func oneSite(ctx context.Context, d *drill) error {
	s, err := d.gather(ctx)
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return err
	}
	var t timing
	for _, part := range []func(context.Context, *drill, *timing) error{s.inOneGroup, s.inAPatch, s.withoutPermission, s.lateEntry, s.presses, s.underFlood} {
		if err := part(ctx, d, &t); err != nil {
			return err
		}
	}
	t.report(d)
	return nil
}

func (t *timing) report(d *drill) {
	d.atMost("access_ms_p95", hearing.Percentile(t.access, 95), 50)
	d.figure("access_ms_p50", hearing.Percentile(t.access, 50))
	d.atMost("mouth_to_ear_ms_p95", hearing.Percentile(t.mouth, 95), 120)
	d.figure("mouth_to_ear_ms_p50", hearing.Percentile(t.mouth, 50))
	d.atMost("late_entry_ms_p95", hearing.Percentile(t.late, 95), 150)
	d.figure("late_entry_ms_p50", hearing.Percentile(t.late, 50))
	d.atMost("clipped_ms_max", t.clipped, wantClipped)
	d.atLeast("stoi_min", t.stoi, wantSTOI)
	d.atLeast("spectral_min", t.spectral, wantSpectral)
	d.check("enough was measured", "access, mouth to ear and late entry at least 3 times", fmt.Sprintf("%d, %d and %d times", len(t.access), len(t.mouth), len(t.late)),
		len(t.access) >= 3 && len(t.mouth) >= 3 && len(t.late) >= 3)
}

// gather starts the server and everybody's devices.
func (d *drill) gather(ctx context.Context) (*cast, error) {
	s := &cast{one: local(1), two: local(2), closed: local(4), listen: local(5)}
	s.groups = []fusion.Number{s.one, s.two, s.closed, s.listen}
	var err error
	if s.server, s.admin, err = d.startServer(ctx, d.dir+"/server", d.dir+"/data"); err != nil {
		return nil, err
	}
	if len(s.server.Phones) < 2 {
		return nil, fmt.Errorf("the first start printed %d telephones, want 2", len(s.server.Phones))
	}
	a, err := addUser(ctx, s.server, s.admin, "chief", local(101), fusion.Dispatcher)
	if err != nil {
		return nil, err
	}
	b, err := addUser(ctx, s.server, s.admin, "officer", local(102), fusion.UnitRole)
	if err != nil {
		return nil, err
	}
	if err := s.closedGroups(ctx); err != nil {
		return nil, err
	}
	if s.chief, err = d.newConsole(ctx, s.server, "chief", "dispatcher", local(101), a); err != nil {
		return s, err
	}
	if s.officer, err = d.newConsole(ctx, s.server, "officer", "commander", local(102), b); err != nil {
		return s, err
	}
	if s.brigade, err = d.newPhone(ctx, s.server, "brigade", "brigade", local(801), s.server.Phones[0]); err != nil {
		return s, err
	}
	s.pilot, err = d.newPhone(ctx, s.server, "pilot", "pilot", local(802), s.server.Phones[1])
	return s, err
}

func (s *cast) closedGroups(ctx context.Context) error {
	members := []state.Member{
		{Group: s.closed, Unit: local(101), Talk: true}, {Group: s.closed, Unit: local(801), Talk: true},
		{Group: s.listen, Unit: local(101), Talk: true}, {Group: s.listen, Unit: local(102), Talk: false},
	}
	for _, g := range []state.Group{{Number: s.closed, Name: "专项组"}, {Number: s.listen, Name: "通报组"}} {
		g.Kind, g.Priority, g.Precedence = state.TalkGroup, 3, fusion.Routine
		if err := s.admin.Call(ctx, http.MethodPut, "/groups/"+g.Number.String(), g, nil); err != nil {
			return err
		}
	}
	for _, m := range members {
		if err := s.admin.Call(ctx, http.MethodPut, fmt.Sprintf("/groups/%s/members/%s", m.Group, m.Unit), m, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *cast) close() {
	for _, st := range s.all() {
		if st != nil && st.page != nil {
			st.page.Close()
		}
		if st != nil && st.phone != nil {
			st.phone.Kill()
		}
	}
	if s.server != nil {
		_ = s.server.Stop(10 * time.Second) // the scenario is over; power-cut judges how a server stops
	}
}

// everybodyTalks lets each talk and all others hear it.
func (s *cast) everybodyTalks(ctx context.Context, d *drill, where string, t *timing) error {
	for _, talker := range s.all() {
		var hearers []*station
		for _, h := range s.all() {
			if h != talker {
				hearers = append(hearers, h)
			}
		}
		if err := d.sayTo(ctx, where, talker, hearers, nil, t); err != nil {
			return err
		}
	}
	return nil
}

func (s *cast) inOneGroup(ctx context.Context, d *drill, t *timing) error {
	err := errors.Join(s.chief.tune(ctx, s.groups, s.one), s.officer.tune(ctx, s.groups, s.one), s.brigade.dial(ctx, s.one), s.pilot.dial(ctx, s.one))
	if err != nil {
		return err
	}
	return s.everybodyTalks(ctx, d, "one group", t)
}

// inAPatch has a console and a telephone in each of two groups: apart they do not hear one another, patched they do.
func (s *cast) inAPatch(ctx context.Context, d *drill, t *timing) error {
	if err := errors.Join(s.officer.tune(ctx, s.groups, s.two), s.pilot.dial(ctx, s.two)); err != nil {
		return err
	}
	if err := d.sayTo(ctx, "two groups apart", s.chief, []*station{s.brigade}, []*station{s.officer, s.pilot}, t); err != nil {
		return err
	}
	var p state.Patch
	body := map[string]any{"name": "联合搜救", "groups": []fusion.Number{s.one, s.two}}
	if err := s.admin.Call(ctx, http.MethodPost, "/patches", body, &p); err != nil {
		return err
	}
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	if err := s.everybodyTalks(ctx, d, "a patch of two groups", t); err != nil {
		return err
	}
	if err := s.admin.Call(ctx, http.MethodDelete, "/patches/"+p.ID.String(), nil, nil); err != nil {
		return err
	}
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	return d.sayTo(ctx, "the patch is parted", s.officer, []*station{s.pilot}, []*station{s.chief, s.brigade}, t)
}
