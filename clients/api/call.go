package api

import (
	"context"
	"net/http"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

var errNoDesk = fusion.E(fusion.NotFound, "no_switchboard", "this node has no switchboard")

func (s *Server) listCalls(w http.ResponseWriter, r *http.Request) error {
	if s.d.Desk == nil {
		return ok(w, pageOf[wire.CallInfo](nil))
	}
	all := s.d.Desk.Calls()
	calls, err := see(s, callerOf(r), func(_ *state.View, st *sight) ([]wire.CallInfo, error) { return keep(all, st.live), nil })
	if err != nil {
		return err
	}
	return ok(w, pageOf(calls))
}

func (s *Server) placeCall(w http.ResponseWriter, r *http.Request) error {
	if s.d.Desk == nil {
		return errNoDesk
	}
	var p Placing
	if err := decode(r, &p); err != nil {
		return err
	}
	c := callerOf(r)
	if err := mayPlace(c, p); err != nil {
		return err
	}
	id, err := s.requestID(r)
	if err != nil {
		return err
	}
	call, err := s.d.Desk.Place(r.Context(), id, c.actor(), p)
	if err != nil {
		return err
	}
	s.audit.did(c, "call.place", p.To.String()+p.Digits, call.ID.String())
	return ok(w, call)
}

func mayPlace(c *caller, p Placing) error {
	switch {
	case (p.To == 0) == (p.Digits == ""):
		return bad("bad_call", "a call goes to a number or to digits")
	case len(p.Digits) > 32:
		return bad("bad_call", "at most 32 digits are dialled")
	}
	if p.Digits != "" {
		if err := c.need(identity.DialOut); err != nil {
			return err
		}
	}
	if p.Group != 0 {
		return c.need(identity.AdmitCall)
	}
	return nil
}

// callBody is the body of what is done with a call.
type callBody struct {
	To    fusion.Number `json:"to"`
	Group fusion.Number `json:"group"`
}

// deed is something that is done with a live call.
type deed struct {
	name       string
	dispatcher bool // only dispatchers
	do         func(Desk, context.Context, fusion.ID, Actor, callBody) error
}

func deeds() []deed {
	plain := func(f func(Desk, context.Context, fusion.ID, Actor) error) func(Desk, context.Context, fusion.ID, Actor, callBody) error {
		return func(d Desk, ctx context.Context, id fusion.ID, a Actor, _ callBody) error { return f(d, ctx, id, a) }
	}
	return []deed{
		{"answer", false, plain(Desk.Answer)},
		{"hang", false, plain(Desk.Hang)},
		{"hold", false, plain(Desk.Hold)},
		{"resume", false, plain(Desk.Resume)},
		{"pickup", true, plain(Desk.PickUp)},
		{"dismiss", true, plain(Desk.Dismiss)},
		{"transfer", true, func(d Desk, ctx context.Context, id fusion.ID, a Actor, b callBody) error {
			if b.To == 0 {
				return bad("bad_call", "a call is transferred to a number")
			}
			return d.Transfer(ctx, id, a, b.To)
		}},
		{"admit", true, func(d Desk, ctx context.Context, id fusion.ID, a Actor, b callBody) error {
			if b.Group == 0 {
				return bad("bad_call", "a call is let into a group")
			}
			return d.Admit(ctx, id, a, b.Group)
		}},
	}
}

func (s *Server) actOnCall(d deed) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.d.Desk == nil {
			return errNoDesk
		}
		id, err := pathID(r, "id")
		if err != nil {
			return err
		}
		var b callBody
		if err := decode(r, &b); err != nil {
			return err
		}
		c := callerOf(r)
		call, there := s.d.Desk.Call(id)
		allowed, err := see(s, c, func(_ *state.View, st *sight) (bool, error) {
			there = there && st.live(call)
			return mayAct(st, call), nil
		})
		switch {
		case err != nil:
			return err
		case !there:
			return fusion.E(fusion.NotFound, "call_unknown", "there is no such call")
		case !allowed || d.dispatcher && !c.may(identity.AdmitCall):
			return forbidden(string(identity.AdmitCall))
		}
		if err := d.do(s.d.Desk, r.Context(), id, c.actor(), b); err != nil {
			return err
		}
		s.audit.did(c, "call."+d.name, id.String(), "")
		if call, there = s.d.Desk.Call(id); there {
			return ok(w, call)
		}
		return done(w)
	}
}
