package main

import (
	"context"

	"github.com/guantong-net/guantong/clients/api"
	"github.com/guantong-net/guantong/clients/webrtc"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/state"
)

// browsers gives the API the media of browsers.
type browsers struct{ *webrtc.Server }

// Open implements api.Media.
func (b browsers) Open(ctx context.Context, offer string, events api.MediaEvents) (api.MediaSession, string, error) {
	session, answer, err := b.Server.Open(ctx, offer, events)
	if err != nil {
		return nil, "", err
	}
	return session, answer, nil
}

// deskCalls gives the API the switchboard.
type deskCalls struct{ s *server }

func actor(a api.Actor) desk.User {
	return desk.User{Name: a.User, Unit: a.Unit, Position: a.Position}
}

// Place implements api.Desk. Digits without a trunk go by the first one.
func (d deskCalls) Place(_ context.Context, id fusion.ID, by api.Actor, p api.Placing) (wire.CallInfo, error) {
	trunk := p.Trunk
	if p.Digits != "" && trunk == "" && len(d.s.cfg.Telephone.Trunks) > 0 {
		trunk = d.s.cfg.Telephone.Trunks[0].Name
	}
	c, err := d.s.board.Place(actor(by), desk.Place{ID: id, To: p.To, Digits: p.Digits, Trunk: trunk, Group: p.Group, Floor: p.Floor})
	return callInfo(c), err
}

// Answer implements api.Desk.
func (d deskCalls) Answer(_ context.Context, id fusion.ID, by api.Actor) error {
	_, err := d.s.board.Answer(id, actor(by))
	return err
}

// PickUp implements api.Desk.
func (d deskCalls) PickUp(_ context.Context, id fusion.ID, by api.Actor) error {
	_, err := d.s.board.PickUp(id, actor(by))
	return err
}

// Hang implements api.Desk.
func (d deskCalls) Hang(_ context.Context, id fusion.ID, _ api.Actor) error {
	return d.s.board.Hang(id)
}

// Hold implements api.Desk.
func (d deskCalls) Hold(_ context.Context, id fusion.ID, _ api.Actor) error {
	return d.s.board.Hold(id)
}

// Resume implements api.Desk.
func (d deskCalls) Resume(_ context.Context, id fusion.ID, _ api.Actor) error {
	return d.s.board.Resume(id)
}

// Transfer implements api.Desk.
func (d deskCalls) Transfer(_ context.Context, id fusion.ID, by api.Actor, to fusion.Number) error {
	return d.s.board.HandOn(id, actor(by), desk.TransferTo{Number: to})
}

// Admit implements api.Desk.
func (d deskCalls) Admit(_ context.Context, id fusion.ID, by api.Actor, group fusion.Number) error {
	return d.s.board.Admit(id, actor(by), group)
}

// Dismiss implements api.Desk.
func (d deskCalls) Dismiss(_ context.Context, id fusion.ID, _ api.Actor) error {
	return d.s.board.Dismiss(id)
}

// Call implements api.Desk.
func (d deskCalls) Call(id fusion.ID) (wire.CallInfo, bool) {
	c, ok := d.s.board.Call(id)
	return callInfo(c), ok
}

// Calls implements api.Desk.
func (d deskCalls) Calls() []wire.CallInfo {
	calls := d.s.board.Calls()
	list := make([]wire.CallInfo, len(calls))
	for i, c := range calls {
		list[i] = callInfo(c)
	}
	return list
}

// Subscribe implements api.Desk.
func (d deskCalls) Subscribe(f func(wire.CallInfo)) (cancel func()) {
	return d.s.board.Subscribe(func(c desk.Call) { f(callInfo(c)) })
}

func callInfo(c desk.Call) wire.CallInfo {
	digits := c.Digits
	if digits == "" {
		digits = c.From.Digits
	}
	return wire.CallInfo{
		ID: c.ID, State: string(c.Status), From: c.From.Unit, FromName: c.From.Name, Digits: digits, Outside: c.Outside(), To: c.To,
		Position: c.Position, Group: c.Group, By: c.By, ByUnit: c.ByUnit, Talk: c.Talk, Floor: c.Floor, Since: state.Millis(c.Since.UnixMilli()), Cause: string(c.Cause),
	}
}
