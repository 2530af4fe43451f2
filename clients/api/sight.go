package api

import (
	"slices"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// sight is what a caller may see: a unit sees the groups that it may join and what is addressed to it, to its desk or to
// those groups; a dispatcher sees all; who administers sees definitions but nothing that was said.
type sight struct {
	*caller
	groups map[fusion.Number]bool // that it may join
}

func sightOf(v *state.View, c *caller) (*sight, error) {
	s := &sight{caller: c, groups: make(map[fusion.Number]bool)}
	members, err := v.MembershipsOf(c.unit.Number)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		s.groups[m.Group] = true
	}
	groups, err := v.Groups()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Open {
			s.groups[g.Number] = true
		}
	}
	return s, nil
}

// joins reports whether the caller hears a group.
func (s *sight) joins(n fusion.Number) bool { return s.groups[n] || s.may(identity.TalkAnywhere) }

// group reports whether the definition of a group is seen.
func (s *sight) group(n fusion.Number) bool {
	return s.groups[n] || s.sees() || s.may(identity.AdminObjects)
}

func (s *sight) anyGroup(ns []fusion.Number) bool { return slices.ContainsFunc(ns, s.group) }

func (s *sight) said(ns []fusion.Number) bool {
	return s.sees() || slices.ContainsFunc(ns, func(n fusion.Number) bool { return s.groups[n] })
}

// own reports whether a number is the caller's: its unit or its desk.
func (s *sight) own(n fusion.Number) bool {
	return n != 0 && (n == s.unit.Number || s.position != nil && n == s.position.Number)
}

func (s *sight) message(m state.Message) bool {
	return s.sees() || s.own(m.From) || m.By == s.user.Name || slices.ContainsFunc(m.To, s.own) || s.said(m.To)
}

func (s *sight) alert(a state.Alert) bool {
	return s.sees() || s.own(a.Unit) || a.Group != 0 && s.groups[a.Group]
}

func (s *sight) burst(b state.Burst) bool { return s.sees() || s.own(b.Talker) || s.said(b.Groups) }

func (s *sight) call(c state.CallRecord) bool {
	return s.sees() || s.may(identity.AdmitCall) || s.own(c.From) || s.own(c.To) || s.own(c.Position) || c.By == s.user.Name
}

func (s *sight) live(c wire.CallInfo) bool {
	return s.may(identity.AdmitCall) || s.own(c.From) || s.own(c.To) || s.own(c.Position) || c.By == s.user.Name
}

// party reports whether the caller takes part in a call.
func (s *sight) party(c wire.CallInfo) bool {
	return c.By == s.user.Name || s.unit.Number != 0 && (c.From == s.unit.Number || c.To == s.unit.Number)
}

func (s *sight) member(m state.Member) bool { return m.Unit == s.unit.Number || s.group(m.Group) }

// event reports whether a durable event goes to the caller. It may look up what the event refers to.
func (s *sight) event(v *state.View, e state.Event) (bool, error) {
	if e.Gone {
		return s.goneEvent(e), nil
	}
	switch d := e.Data.(type) {
	case state.Message:
		return s.message(d), nil
	case state.Receipt:
		m, err := v.Message(d.Message)
		if fusion.FaultOf(err) == fusion.NotFound && err != nil {
			return false, nil
		}
		return err == nil && s.receipt(m, d), err
	case state.Alert:
		return s.alert(d), nil
	case state.Burst:
		return s.burst(d), nil
	case state.Group:
		return s.group(d.Number), nil
	case state.Member:
		return s.member(d), nil
	case state.User:
		return s.may(identity.AdminUsers) || d.Name == s.user.Name, nil
	case state.Extension:
		return s.may(identity.AdminObjects), nil
	case state.Handover:
		return s.sees() || s.own(d.Position), nil
	case state.Patch:
		return s.anyGroup(d.Groups), nil
	case state.CallRecord:
		return s.call(d), nil
	case state.Node:
		return s.may(identity.SeeStatus), nil
	case state.Unit, state.Position, state.Site:
		return true, nil
	}
	return false, nil
}

// receipt reports whether a receipt is seen: by who wrote the message, by the recipient, by who sees all.
func (s *sight) receipt(m state.Message, r state.Receipt) bool {
	return s.sees() || s.own(m.From) || m.By == s.user.Name || s.own(r.Recipient)
}

// goneEvent passes the key of an object that is no more to whoever may have a copy.
func (s *sight) goneEvent(e state.Event) bool {
	switch e.Type {
	case "user":
		return s.may(identity.AdminUsers)
	case "extension":
		return s.may(identity.AdminObjects)
	}
	return true
}

// changesSight reports whether an event may change what callers see or may do.
func changesSight(e state.Event) bool {
	switch e.Type {
	case "group", "member", "user", "unit", "position":
		return true
	}
	return false
}
