package main

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/transports/telephone"
)

// records is the part of cluster.Node that reads.
type records interface {
	View(func(*state.View) error) error
}

// directory answers what the switchboard, the floor and the telephones ask about the site, from the replicated state.
type directory struct {
	records records
	cfg     config
	online  func(fusion.Number) bool // at a console
	groups  atomic.Pointer[map[fusion.Number]talk.GroupConfig]
	site    atomic.Pointer[state.Site]
}

// refresh reads what is asked on the live plane, which must not wait for a store.
func (d *directory) refresh() error {
	groups := make(map[fusion.Number]talk.GroupConfig)
	var site state.Site
	err := d.records.View(func(v *state.View) error {
		list, err := v.Groups()
		if err != nil {
			return err
		}
		for _, g := range list {
			groups[g.Number] = talk.GroupConfig{
				Name: g.Name, Broadcast: g.Kind == state.BroadcastGroup, Temporary: g.Kind == state.TemporaryGroup,
				Priority: g.Priority, Prec: g.Precedence, TalkLimit: time.Duration(g.TalkLimit) * time.Second,
			}
		}
		site, err = v.Site()
		return err
	})
	if err == nil {
		d.groups.Store(&groups)
		d.site.Store(&site)
	}
	return err
}

func (d *directory) group(n fusion.Number) (talk.GroupConfig, bool) {
	m := d.groups.Load()
	if m == nil {
		return talk.GroupConfig{}, false
	}
	g, ok := (*m)[n]
	return g, ok
}

func (d *directory) exercise() string {
	if s := d.site.Load(); s != nil {
		return s.Exercise
	}
	return ""
}

// look reads one thing; what cannot be read is not there.
func look[T any](r records, get func(*state.View) (T, error)) (t T, ok bool) {
	err := r.View(func(v *state.View) (err error) {
		t, err = get(v)
		return err
	})
	return t, err == nil
}

// Resolve implements desk.Directory.
func (d *directory) Resolve(digits string) (desk.DestKind, fusion.Number, bool) {
	n, err := fusion.ParseNumber(digits, d.cfg.Site.Number)
	if err != nil {
		return 0, 0, false
	}
	if _, ok := d.group(n); ok {
		return desk.ToGroup, n, true
	}
	if _, ok := look(d.records, func(v *state.View) (state.Position, error) { return v.Position(n) }); ok {
		return desk.ToPosition, n, true
	}
	if u, ok := look(d.records, func(v *state.View) (state.Unit, error) { return v.Unit(n) }); ok && !u.Revoked {
		return desk.ToUnit, n, true
	}
	return 0, 0, false
}

// TrunkEntry implements desk.Directory.
func (d *directory) TrunkEntry(trunk, _ string) (fusion.Number, bool) {
	entry := d.cfg.Telephone.Entry
	for _, t := range d.cfg.Telephone.Trunks {
		if t.Name == trunk && t.Entry != 0 {
			entry = t.Entry
		}
	}
	if entry != 0 {
		return entry, true
	}
	list, ok := look(d.records, (*state.View).Positions)
	if !ok || len(list) == 0 {
		return 0, false
	}
	return slices.MinFunc(list, func(a, b state.Position) int { return cmp.Compare(a.Number, b.Number) }).Number, true
}

// Membership implements desk.Directory.
func (d *directory) Membership(unit, group fusion.Number) (opt talk.JoinOptions, err error) {
	err = d.records.View(func(v *state.View) error {
		u, err := v.Unit(unit)
		if err != nil {
			return err
		}
		g, err := v.Group(group)
		if err != nil {
			return err
		}
		m, err := v.Member(group, unit)
		member := err == nil
		if u.Revoked || !member && !g.Open {
			return fusion.E(fusion.NotAllowed, "not_a_member", "%s is not in %s", unit, group)
		}
		opt = talk.JoinOptions{Name: u.Name, MayTalk: m.Talk || !member && g.Kind != state.BroadcastGroup, MayEmergency: true, Priority: m.Priority}
		return nil
	})
	return opt, err
}

// everywhere reports whether a unit's user may talk in every group, a member or not.
func (d *directory) everywhere(unit fusion.Number) bool {
	users, _ := look(d.records, func(v *state.View) ([]state.User, error) { return v.UsersOf(unit) })
	return slices.ContainsFunc(users, func(u state.User) bool {
		return !u.Disabled && identity.RightsOf(u.Roles).Has(identity.TalkAnywhere)
	})
}

// Class implements desk.Directory.
func (d *directory) Class(unit fusion.Number) desk.Class {
	e, ok := look(d.records, func(v *state.View) (state.Extension, error) { return v.Extension(unit) })
	if !ok {
		return desk.Class{}
	}
	for _, k := range d.cfg.Telephone.Classes {
		if k.Name == e.Class && k.Name != "" {
			class := desk.Class{Name: k.Name, Minutes: k.Minutes, Calls: k.Calls}
			for _, p := range k.Prefixes {
				class.Prefixes = append(class.Prefixes, desk.Prefix{Digits: p.Digits, Trunk: p.Trunk, Strip: p.Strip})
			}
			return class
		}
	}
	return desk.Class{}
}

// Name implements desk.Directory.
func (d *directory) Name(n fusion.Number) string {
	if u, ok := look(d.records, func(v *state.View) (state.Unit, error) { return v.Unit(n) }); ok {
		return u.Name
	}
	if p, ok := look(d.records, func(v *state.View) (state.Position, error) { return v.Position(n) }); ok {
		return p.Name
	}
	return n.String()
}

func (d *directory) position(n fusion.Number) state.Position {
	p, _ := look(d.records, func(v *state.View) (state.Position, error) { return v.Position(n) })
	return p
}

// Phones implements desk.Directory: the position's own telephones, and the one of whoever sits there.
func (d *directory) Phones(position fusion.Number) []fusion.Number {
	p := d.position(position)
	phones := slices.DeleteFunc(slices.Clone(p.Phones), func(n fusion.Number) bool { return !d.Extension(n) })
	if p.Occupant == "" {
		return phones
	}
	u, ok := look(d.records, func(v *state.View) (state.User, error) { return v.User(p.Occupant) })
	if !ok || u.Unit == 0 || slices.Contains(phones, u.Unit) || !d.Extension(u.Unit) {
		return phones
	}
	return append(phones, u.Unit)
}

// DutyPhone implements desk.Directory.
func (d *directory) DutyPhone(position fusion.Number) fusion.Number {
	return d.position(position).DutyPhone
}

// Overflow implements desk.Directory.
func (d *directory) Overflow(position fusion.Number) fusion.Number {
	return d.position(position).Overflow
}

// Extension implements desk.Directory.
func (d *directory) Extension(unit fusion.Number) bool {
	_, ok := look(d.records, func(v *state.View) (state.Extension, error) { return v.Extension(unit) })
	return ok
}

// Online implements desk.Directory.
func (d *directory) Online(unit fusion.Number) bool { return d.online(unit) }

// duty lists the duty telephones of all positions.
func (d *directory) duty() (list []fusion.Number) {
	positions, _ := look(d.records, (*state.View).Positions)
	for _, p := range positions {
		if p.DutyPhone != 0 {
			list = append(list, p.DutyPhone)
		}
	}
	return list
}

// accounts answers the SIP registrar.
type accounts struct{ *directory }

// ByUser implements telephone.Accounts.
func (a accounts) ByUser(user string) (telephone.Account, bool) {
	return a.account(func(v *state.View) (state.Extension, error) { return v.ExtensionByUsername(user) })
}

// ByUnit implements telephone.Accounts.
func (a accounts) ByUnit(unit fusion.Number) (telephone.Account, bool) {
	return a.account(func(v *state.View) (state.Extension, error) { return v.Extension(unit) })
}

func (a accounts) account(find func(*state.View) (state.Extension, error)) (acc telephone.Account, ok bool) {
	err := a.records.View(func(v *state.View) error {
		e, err := find(v)
		if err != nil {
			return err
		}
		s, err := v.ExtensionSecret(e.Unit)
		if err != nil {
			return err
		}
		u, err := v.Unit(e.Unit)
		if err != nil {
			return err
		}
		acc = telephone.Account{Unit: e.Unit, User: e.Username, Name: u.Name, HA1MD5: s.MD5, HA1SHA256: s.SHA256, Class: e.Class, VAD: e.VAD}
		ok = !u.Revoked
		return nil
	})
	return acc, ok && err == nil
}
