package api

import (
	"net/http"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

func (s *Server) siteInfo(w http.ResponseWriter, _ *http.Request) error {
	info, err := s.info()
	if err != nil {
		return err
	}
	return ok(w, info)
}

func (s *Server) info() (wire.SiteInfo, error) {
	site, err := view(s, (*state.View).Site)
	return wire.SiteInfo{Number: site.Number, Name: site.Name, Exercise: site.Exercise, Version: s.cfg.Version, Node: s.cfg.Node,
		Nodes: s.nodes(), Trunks: s.cfg.Trunks, Incarnation: site.Incarnation}, err
}

func (s *Server) setExercise(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Exercise string `json:"exercise"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	site, err := view(s, (*state.View).Site)
	if err != nil {
		return err
	}
	site.Exercise = q.Exercise
	if _, err := s.change(r, command.SiteSet, site); err != nil {
		return err
	}
	return s.siteInfo(w, r)
}

func (s *Server) listPositions(w http.ResponseWriter, _ *http.Request) error {
	return listed(s, w, (*state.View).Positions)
}

func (s *Server) putPosition(w http.ResponseWriter, r *http.Request) error {
	var p state.Position
	n, err := putNumbered(r, &p, func(p *state.Position) *fusion.Number { return &p.Number })
	if err != nil {
		return err
	}
	if _, err := s.change(r, command.PositionSet, p); err != nil {
		return err
	}
	return s.answer(w, func(v *state.View) (any, error) { return v.Position(n) })
}

type noteBody struct {
	Note string `json:"note"`
}

// sit lets the caller sit down at a desk, or leave it.
func (s *Server) sit(down bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		n, err := pathNumber(r, "n")
		if err != nil {
			return err
		}
		var q noteBody
		if err := decode(r, &q); err != nil {
			return err
		}
		x := state.HandoverChange{Position: n, Note: q.Note}
		if down {
			x.To = callerOf(r).user.Name
		}
		if _, err := s.change(r, command.PositionTake, x); err != nil {
			return err
		}
		return s.answer(w, func(v *state.View) (any, error) { return v.Position(n) })
	}
}

func (s *Server) listHandovers(w http.ResponseWriter, r *http.Request) error {
	n, err := pathNumber(r, "n")
	if err != nil {
		return err
	}
	q := query{r: r}
	limit := q.limit()
	if q.err != nil {
		return q.err
	}
	return listed(s, w, func(v *state.View) ([]state.Handover, error) {
		if _, err := v.Position(n); err != nil {
			return nil, err
		}
		return v.Handovers(n, limit)
	})
}

// shiftLog gathers what happened at a desk, the last twelve hours when no span is named.
func (s *Server) shiftLog(w http.ResponseWriter, r *http.Request) error {
	n, err := pathNumber(r, "n")
	if err != nil {
		return err
	}
	q := query{r: r}
	l := wire.ShiftLog{From: q.millis("from"), To: q.millis("to")}
	if q.err != nil {
		return q.err
	}
	if l.To == 0 {
		l.To = state.Millis(s.d.Now().UnixMilli()) + 1
	}
	if l.From == 0 {
		l.From = l.To - 12*3600*1000
	}
	err = s.d.Record.View(func(v *state.View) error { return gatherShift(v, n, &l) })
	if err != nil {
		return err
	}
	return ok(w, l)
}

func gatherShift(v *state.View, n fusion.Number, l *wire.ShiftLog) error {
	var err error
	if l.Position, err = v.Position(n); err != nil {
		return err
	}
	within := func(at state.Millis) bool { return at >= l.From && at < l.To }
	handovers, err := v.Handovers(n, state.MaxLimit)
	if err != nil {
		return err
	}
	l.Handovers = keep(handovers, func(h state.Handover) bool { return within(h.At) })
	if l.Messages, err = v.Messages(state.MessageFilter{With: n, Since: l.From, Before: l.To, Limit: state.MaxLimit}); err != nil {
		return err
	}
	alerts, err := v.Alerts(state.MaxLimit)
	if err != nil {
		return err
	}
	l.Alerts = keep(alerts, func(a state.Alert) bool { return within(a.Raised) })
	if l.Calls, err = v.Calls(state.CallFilter{Number: n, From: l.From, To: l.To, Limit: state.MaxLimit}); err != nil {
		return err
	}
	if l.Unsigned, err = v.Unsigned(n); err != nil {
		return err
	}
	l.Messages, l.Calls, l.Unsigned = pageOf(l.Messages).Items, pageOf(l.Calls).Items, pageOf(l.Unsigned).Items
	return nil
}

func (s *Server) listPatches(w http.ResponseWriter, r *http.Request) error {
	patches, err := see(s, callerOf(r), func(v *state.View, st *sight) ([]state.Patch, error) {
		all, err := v.Patches()
		return keep(all, func(p state.Patch) bool { return st.anyGroup(p.Groups) }), err
	})
	if err != nil {
		return err
	}
	return ok(w, pageOf(patches))
}

func (s *Server) addPatch(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Name   string          `json:"name"`
		Groups []fusion.Number `json:"groups"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	id, err := s.change(r, command.PatchSet, state.Patch{Name: q.Name, Groups: q.Groups})
	if err != nil {
		return err
	}
	return s.answer(w, func(v *state.View) (any, error) { return v.Patch(id) })
}

func (s *Server) partPatch(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	if _, err := s.change(r, command.PatchPart, state.IDKey{ID: id}); err != nil {
		return err
	}
	return done(w)
}

// Temporary is the body of POST /groups/temporary.
type Temporary struct {
	Name    string          `json:"name"`
	Units   []fusion.Number `json:"units"`
	Groups  []fusion.Number `json:"groups"` // all members of these besides
	Minutes int             `json:"minutes"`
}

const (
	firstTemporary = 9000 // local numbers from here on are given to temporary groups
	lastTemporary  = 9999
	longestGroup   = 7 * 24 * 60 // minutes
)

func (s *Server) addTemporary(w http.ResponseWriter, r *http.Request) error {
	q := Temporary{Minutes: 120}
	if err := decode(r, &q); err != nil {
		return err
	}
	if q.Minutes < 1 || q.Minutes > longestGroup {
		return bad("bad_minutes", "a temporary group lasts 1 to %d minutes", longestGroup)
	}
	id, err := s.requestID(r)
	if err != nil {
		return err
	}
	c := callerOf(r)
	g, units, again, err := s.planTemporary(c, id, q)
	if err != nil {
		return err
	}
	if again {
		return ok(w, g)
	}
	batch := state.BatchChange{}
	add := func(t command.Type, what string, payload any) error {
		cmd, err := s.build(c, derived(id, what), t, payload)
		batch.Commands = append(batch.Commands, cmd)
		return err
	}
	if err := add(command.GroupSet, "group", g); err != nil {
		return err
	}
	for _, u := range units {
		if err := add(command.MemberSet, "member"+u.String(), state.Member{Group: g.Number, Unit: u, Talk: true}); err != nil {
			return err
		}
	}
	if _, err := s.propose(r.Context(), c, id, command.Batch, batch); err != nil {
		return err
	}
	return s.answer(w, func(v *state.View) (any, error) { return v.Group(g.Number) })
}

// planTemporary finds a free number and all members. Again says that this request has made the group already.
func (s *Server) planTemporary(c *caller, id fusion.ID, q Temporary) (g state.Group, units []fusion.Number, again bool, err error) {
	err = s.d.Record.View(func(v *state.View) error {
		site, err := v.Site()
		if err != nil {
			return err
		}
		res, known, err := v.Outcome(id)
		if err != nil {
			return err
		}
		if again = known && res.Err() == nil; known && !again {
			return res.Err()
		}
		if units, err = membersOf(v, c, q); err != nil {
			return err
		}
		span := lastTemporary - firstTemporary + 1
		for i := range span {
			n := fusion.NewNumber(site.Number, uint16(firstTemporary+(int(id[0])<<8+int(id[1])+i)%span))
			kind, err := v.KindOf(n)
			if err != nil {
				return err
			}
			if again && kind == "group" {
				if g, err = v.Group(n); err != nil || g.Name == q.Name {
					return err
				}
			}
			if !again && kind == "" {
				ends := s.d.Now().UnixMilli() + int64(q.Minutes)*60_000
				g = state.Group{Number: n, Name: q.Name, Kind: state.TemporaryGroup, Precedence: fusion.Routine, Ends: state.Millis(ends)}
				return nil
			}
		}
		return fusion.E(fusion.Busy, "no_number", "all numbers of temporary groups are taken")
	})
	return g, units, again, err
}

func membersOf(v *state.View, c *caller, q Temporary) ([]fusion.Number, error) {
	seen := make(map[fusion.Number]bool)
	var out []fusion.Number
	add := func(n fusion.Number) {
		if n != 0 && !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	add(c.unit.Number)
	for _, n := range q.Units {
		add(n)
	}
	for _, g := range q.Groups {
		members, err := v.Members(g)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			add(m.Unit)
		}
	}
	if len(out) > state.MaxMembers {
		return nil, bad("too_many_members", "a group has at most %d members", state.MaxMembers)
	}
	return out, nil
}

// mayAct reports whether a call may be acted on: by who takes part, and by dispatchers.
func mayAct(st *sight, c wire.CallInfo) bool { return st.party(c) || st.may(identity.AdmitCall) }
