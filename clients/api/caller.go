package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// cookieName is the cookie of pages.
const cookieName = "guantong"

// caller is who a request comes from, as the record says at this moment.
type caller struct {
	session  *identity.Session
	user     state.User
	unit     state.Unit
	position *state.Position // the desk where the user sits
	rights   identity.Rights
	source   string
	cookie   bool // proved by cookie: the Origin must be ours
}

func (c *caller) may(r identity.Right) bool { return c.rights.Has(r) }

// sees reports whether the caller sees what everybody says.
func (c *caller) sees() bool { return c.may(identity.TalkAnywhere) || c.may(identity.ReplayAll) }

func (c *caller) need(r identity.Right) error {
	if c.may(r) {
		return nil
	}
	return forbidden(string(r))
}

func forbidden(right string) error {
	return fusion.E(fusion.NotAllowed, "right_missing", "you lack the right %s", right)
}

func (c *caller) actor() Actor {
	a := Actor{User: c.user.Name, Unit: c.unit.Number}
	if c.position != nil {
		a.Position = c.position.Number
	}
	return a
}

func (c *caller) me() wire.Me {
	return wire.Me{User: c.user, Unit: c.unit, Rights: c.rights.Names(), Position: c.position}
}

// token finds the proof of a session in a request.
func token(r *http.Request) (tok string, cookie bool) {
	if h := r.Header.Get("Authorization"); h != "" {
		bearer, ok := strings.CutPrefix(h, "Bearer ")
		if !ok {
			return "", false
		}
		return strings.TrimSpace(bearer), false
	}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return "", false
	}
	return c.Value, true
}

// identify tells who a request comes from. The user's rights and epoch are read from the record each time, so what was taken away is gone
// with the next request.
func (s *Server) identify(r *http.Request) (*caller, error) {
	tok, cookie := token(r)
	if tok == "" {
		return nil, errLogin
	}
	session, ok := s.d.Sessions.Find(tok)
	if !ok {
		return nil, errLogin
	}
	c := &caller{session: session, source: sourceOf(r.RemoteAddr), cookie: cookie}
	if err := s.refresh(c); err != nil {
		return nil, err
	}
	return c, nil
}

// refresh reads anew what the record says of the caller, and ends its session when that is over.
func (s *Server) refresh(c *caller) error {
	err := s.d.Record.View(func(v *state.View) error {
		u, err := v.User(c.session.User)
		if err != nil {
			return err
		}
		unit, err := v.Unit(u.Unit)
		if err != nil {
			return err
		}
		if u.Disabled || unit.Revoked || u.Epoch > s.d.Sessions.EpochOf(c.session) {
			return errLogin
		}
		c.user, c.unit, c.rights = u, unit, identity.RightsOf(u.Roles)
		c.position, err = seatOf(v, u.Name)
		return err
	})
	if fusion.FaultOf(err) == fusion.NotFound || err == error(errLogin) {
		s.d.Sessions.End(c.session, "revoked")
		return errLogin
	}
	return err
}

// seatOf is the desk where a user sits, or nil.
func seatOf(v *state.View, user string) (*state.Position, error) {
	positions, err := v.Positions()
	if err != nil {
		return nil, err
	}
	for _, p := range positions {
		if p.Occupant == user {
			return &p, nil
		}
	}
	return nil, nil
}

// checkOrigin refuses what another page makes a browser send (CSRF). Browsers always say the Origin of what changes
// something, and of a WebSocket.
func (s *Server) checkOrigin(r *http.Request) error {
	foreign := fusion.E(fusion.NotAllowed, "foreign_origin", "this request comes from another page")
	origin := r.Header.Get("Origin")
	if origin == "" {
		if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
			return nil
		}
		return foreign
	}
	if slices.Contains(s.cfg.Origins, origin) {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(r.RemoteAddr) || !strings.EqualFold(u.Host, r.Host) {
		return foreign
	}
	return nil
}

type ctxKey struct{}

func withCaller(ctx context.Context, c *caller) context.Context {
	return context.WithValue(ctx, ctxKey{}, c)
}

// callerOf gives the caller that the route has identified.
func callerOf(r *http.Request) *caller {
	c, _ := r.Context().Value(ctxKey{}).(*caller)
	return c
}
