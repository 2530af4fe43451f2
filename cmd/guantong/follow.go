package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// follow keeps the live plane in step with the record: groups and rights that change, patches made and parted, units revoked.
func (s *server) follow(ctx context.Context) error {
	last, ok := look(s.node, (*state.View).LastEvent)
	if !ok {
		return errors.New("the events cannot be read")
	}
	if err := s.standing(); err != nil {
		return err
	}
	w := s.node.Watch(last)
	for {
		events, err := w.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range events {
			s.followOne(e)
		}
	}
}

// standing sets the patches up that stand.
func (s *server) standing() error {
	if err := s.directory.refresh(); err != nil {
		return err
	}
	patches, _ := look(s.node, (*state.View).Patches)
	for _, p := range patches {
		if err := s.talks.Patch(p.ID, p.Groups); err != nil {
			s.log.Error("patch not set up", "patch", p.ID.String(), "error", err)
		}
	}
	return nil
}

func (s *server) followOne(e state.Event) {
	switch e.Type {
	case "group", "site":
		if err := s.directory.refresh(); err != nil {
			s.log.Error("groups not read", "error", err)
		}
		if n, err := fusion.ParseNumber(e.Key, s.cfg.Site.Number); err == nil && e.Gone && e.Type == "group" {
			s.board.CloseGroup(n)
			s.talks.CloseGroup(n)
		} else if err == nil && e.Type == "group" {
			s.talks.Regroup(n)
		}
	case "patch":
		s.followPatch(e)
	case "unit":
		u, _ := e.Data.(state.Unit)
		if n, err := fusion.ParseNumber(e.Key, s.cfg.Site.Number); err == nil && (u.Revoked || e.Gone) {
			s.board.Revoke(n, 0)
			s.talks.Revoke(n, fusion.Talk{}, "revoked")
		}
	case "member":
		s.followMember(e)
	case "alert":
		if a, ok := e.Data.(state.Alert); ok {
			s.followAlert(a)
		}
	}
}

// followAlert ends the emergency call of a unit whose last alert in a group is cleared: it would else pre-empt everybody for ever after.
func (s *server) followAlert(a state.Alert) {
	if a.State != state.AlertCleared || a.Group == 0 {
		return
	}
	open, ok := look(s.node, (*state.View).OpenAlerts)
	if !ok || slices.ContainsFunc(open, func(o state.Alert) bool { return o.Unit == a.Unit && o.Group == a.Group }) {
		return
	}
	if err := s.talks.EndEmergency(fusion.GroupTalk(a.Group), a.Unit, a.ClearedBy); err != nil && fusion.FaultOf(err) != fusion.NotFound {
		s.log.Error("emergency not ended", "unit", a.Unit.String(), "error", err)
	}
}

func (s *server) followPatch(e state.Event) {
	id, err := fusion.ParseID(e.Key)
	if err == nil && e.Gone {
		err = s.talks.Part(id)
	} else if p, ok := look(s.node, func(v *state.View) (state.Patch, error) { return v.Patch(id) }); ok && err == nil {
		err = s.talks.Patch(p.ID, p.Groups)
	}
	if err != nil {
		s.log.Error("patch not followed", "patch", e.Key, "error", err)
	}
}

// followMember takes a unit out of a group that it may no longer be in.
func (s *server) followMember(e state.Event) {
	group, unit, _ := strings.Cut(e.Key, "/")
	g, err1 := fusion.ParseNumber(group, s.cfg.Site.Number)
	u, err2 := fusion.ParseNumber(unit, s.cfg.Site.Number)
	if err := errors.Join(err1, err2); err != nil {
		s.log.Error("member not followed", "key", e.Key, "error", err)
		return
	}
	if _, err := s.directory.Membership(u, g); err != nil && !s.directory.everywhere(u) {
		s.board.Revoke(u, g)
		s.talks.Revoke(u, fusion.GroupTalk(g), "not_a_member")
	}
}
