package main

import (
	"context"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/alerting"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/state"
)

// dutyEvery is how soon a duty telephone rings again that did not answer, was busy, or was not there.
const dutyEvery = 10 * time.Second

// dutyRinger rings the duty telephones for alerts that nobody has acknowledged, again and again until somebody does. It goes by the record alone, so
// another leader or a restarted node goes on with it.
type dutyRinger struct {
	open   func() ([]state.Alert, error)
	leads  func() bool
	phones func() []fusion.Number
	place  func(desk.User, desk.Place) (desk.Call, error)
	live   func(fusion.ID) bool
	newID  func() fusion.ID
	failed func(a state.Alert, phone fusion.Number, err error)

	poke  chan struct{}
	calls map[ringing]fusion.ID
}

// ringing is one telephone that rings for one alert.
type ringing struct {
	alert fusion.ID
	phone fusion.Number
}

func (s *server) newDutyRinger() *dutyRinger {
	return &dutyRinger{
		open: func() ([]state.Alert, error) { return openAlerts(s.node) }, leads: s.node.Leads, phones: s.directory.duty,
		place: s.board.Place, newID: newID, poke: make(chan struct{}, 1), calls: make(map[ringing]fusion.ID),
		live: func(id fusion.ID) bool { _, ok := s.board.Call(id); return ok },
		failed: func(a state.Alert, phone fusion.Number, err error) {
			s.log.Warn("duty phone not rung", "alert", a.ID.String(), "phone", phone.String(), "error", err)
		},
	}
}

// ring rings soon. It does not wait.
func (d *dutyRinger) ring(context.Context, state.Alert) error {
	select {
	case d.poke <- struct{}{}:
	default:
	}
	return nil
}

// Run rings until ctx ends.
func (d *dutyRinger) Run(ctx context.Context) error {
	tick := time.NewTicker(dutyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-d.poke:
		}
		d.round()
	}
}

// round rings every duty telephone that does not ring or speak for an alert already.
func (d *dutyRinger) round() {
	if !d.leads() {
		return
	}
	alerts, err := d.open()
	if err != nil {
		return // the next round reads again
	}
	still := make(map[ringing]fusion.ID)
	for _, a := range alerts {
		if a.State != state.AlertRaised || a.Stage < alerting.DutyPhone {
			continue
		}
		for _, n := range d.phones() {
			k := ringing{a.ID, n}
			still[k] = d.one(a, n, d.calls[k])
		}
	}
	d.calls = still
}

// one calls a telephone into the group of the alert and gives the call's ID.
func (d *dutyRinger) one(a state.Alert, phone fusion.Number, last fusion.ID) fusion.ID {
	if !last.IsZero() && d.live(last) {
		return last
	}
	id := d.newID()
	if _, err := d.place(desk.User{Name: "system", Unit: a.Unit}, desk.Place{ID: id, To: phone, Group: a.Group}); err != nil {
		d.failed(a, phone, err)
		return fusion.ID{}
	}
	return id
}
