package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/websocket"

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

// bearerProtocol is how a page proves itself on a WebSocket to a node from which it was not loaded: it can set no other header there.
const (
	ownProtocol    = "guantong"
	bearerProtocol = "bearer."
)

// token finds the proof of a session in a request.
func token(r *http.Request) (tok string, cookie bool) {
	if h := r.Header.Get("Authorization"); h != "" {
		bearer, ok := strings.CutPrefix(h, "Bearer ")
		if !ok {
			return "", false
		}
		return strings.TrimSpace(bearer), false
	}
	for _, p := range websocket.Subprotocols(r) {
		if bearer, ok := strings.CutPrefix(p, bearerProtocol); ok {
			return bearer, false
		}
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

// refresh reads anew what the record says of the caller, and ends its session when that is over. A user whom this node does not know may be one
// that it has not heard of yet: then the session ends here only.
func (s *Server) refresh(c *caller) error {
	epoch := uint64(0)
	err := s.d.Record.View(func(v *state.View) error {
		u, err := v.User(c.session.User)
		if err != nil {
			return err
		}
		unit, err := v.Unit(u.Unit)
		if err != nil {
			return err
		}
		if epoch = epochOf(u, unit); epoch > s.d.Sessions.EpochOf(c.session) {
			return errLogin
		}
		c.user, c.unit, c.rights = u, unit, identity.RightsOf(u.Roles)
		c.position, err = seatOf(v, u.Name)
		return err
	})
	switch {
	case err == error(errLogin):
		s.d.Sessions.EndUser(c.session.User, epoch, "revoked")
		return errLogin
	case fusion.FaultOf(err) == fusion.NotFound && err != nil:
		s.d.Sessions.Forget(c.session, "revoked")
		return errLogin
	}
	return err
}

// epochOf is the first epoch in which a user's sessions are good; the last one there is for a user who may not come in at all.
func epochOf(u state.User, unit state.Unit) uint64 {
	if u.Disabled || unit.Revoked {
		return ^uint64(0)
	}
	return u.Epoch
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
