package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

var errWrongPassword = fusion.E(fusion.NotAllowed, "wrong_password", "user or password is wrong")

// usedCodes remembers one-time codes of this node, so that one works once even while the record cannot be written.
type usedCodes struct {
	mu   sync.Mutex
	last map[string]int64
}

func newUsedCodes() *usedCodes { return &usedCodes{last: make(map[string]int64)} }

// use takes a step; false when it or a later one was used.
func (u *usedCodes) use(user string, step int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if step <= u.last[user] {
		return false
	}
	u.last[user] = step
	return true
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	var q wire.LoginRequest
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		if err := s.checkOrigin(r); err != nil && !s.ofSite(r.Header.Get("Origin")) {
			return err
		}
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	q.User = strings.ToLower(strings.TrimSpace(q.User))
	if len(q.User) > 64 || len(q.TOTP) > 16 {
		return bad("bad_login", "user name or code is too long")
	}
	source := sourceOf(r.RemoteAddr)
	c, needsCode, err := s.prove(r.Context(), source, q)
	if needsCode {
		return ok(w, wire.LoginReply{NeedsTOTP: true})
	}
	s.audit.login(q.User, source, err)
	if err != nil {
		s.count.logins.WithLabelValues(fusion.ReasonOf(err)).Inc()
		return err
	}
	return s.open(w, r, c)
}

// open begins the session of a caller who has proved itself.
func (s *Server) open(w http.ResponseWriter, r *http.Request, c *caller) error {
	tok, session, err := s.d.Sessions.Open(c.user.Name, c.user.Epoch, c.source)
	if err != nil {
		return err
	}
	c.session = session
	if err := s.refresh(c); err != nil {
		return err
	}
	s.count.logins.WithLabelValues("ok").Inc()
	http.SetCookie(w, s.cookie(r, tok, session.Expires))
	me := c.me()
	return ok(w, wire.LoginReply{Token: tok, Expires: state.Millis(session.Expires.UnixMilli()), Me: &me, Nodes: s.nodes()})
}

func (s *Server) cookie(r *http.Request, value string, expires time.Time) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", Expires: expires, HttpOnly: true, Secure: r.TLS != nil || !isLoopback(r.RemoteAddr),
		SameSite: http.SameSiteStrictMode}
}

// prove checks password and code. The same is done, and takes as long, whether the user is there or not.
func (s *Server) prove(ctx context.Context, source string, q wire.LoginRequest) (c *caller, needsCode bool, err error) {
	if wait := s.d.Throttle.Allow(source, q.User); wait > 0 {
		return nil, false, waitError{identity.ErrWait(wait), int(wait.Seconds()) + 1}
	}
	user, unit, secret, err := s.account(q.User)
	if err != nil {
		return nil, false, err
	}
	wait, cancel := context.WithTimeout(ctx, s.cfg.LoginWait)
	defer cancel()
	fits, err := s.d.Hasher.Verify(wait, secret.Password, q.Password, s.d.Throttle.Known(source, q.User))
	if err != nil {
		return nil, false, err
	}
	if !fits {
		return nil, false, errWrongPassword
	}
	if user.Disabled || unit.Revoked {
		return nil, false, fusion.E(fusion.NotAllowed, "user_disabled", "this user is disabled")
	}
	if user.TOTP {
		if q.TOTP == "" {
			s.d.Throttle.Forgive(source, q.User)
			return nil, true, nil
		}
		if err := s.proveCode(ctx, user, secret, q.TOTP); err != nil {
			return nil, false, err
		}
	}
	s.d.Throttle.Success(source, q.User)
	return &caller{user: user, unit: unit, source: source}, false, nil
}

// account reads a user; one who is not there comes with no secret, and no error.
func (s *Server) account(name string) (user state.User, unit state.Unit, secret state.UserSecret, err error) {
	err = s.d.Record.View(func(v *state.View) error {
		var err error
		if user, err = v.User(name); err != nil {
			return err
		}
		if unit, err = v.Unit(user.Unit); err != nil {
			return err
		}
		secret, err = v.UserSecret(name)
		return err
	})
	if err != nil && fusion.FaultOf(err) == fusion.NotFound {
		return state.User{}, state.Unit{}, state.UserSecret{}, nil
	}
	return user, unit, secret, err
}

// proveCode takes a one-time code. It is written down as used; a node that cannot write does log-ins all the same, and remembers by itself.
func (s *Server) proveCode(ctx context.Context, u state.User, secret state.UserSecret, code string) error {
	step, err := identity.CheckTOTP(secret.TOTP, code, s.d.Now(), secret.LastTOTPStep)
	if err != nil {
		return err
	}
	if !s.codes.use(u.Name, step) {
		return fusion.E(fusion.NotAllowed, "wrong_code", "the one-time code is wrong, or was used already")
	}
	secret.LastTOTPStep = step
	hlc, at := s.d.Stamp()
	cmd, err := command.New(command.UserSecretSet, s.d.NewID(), hlc, at, u.Name, state.UserSecretChange{Secret: secret, MustChange: u.MustChange, TOTP: u.TOTP})
	if err != nil {
		return err
	}
	try, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	res, err := s.d.Record.Propose(try, cmd)
	if err != nil {
		s.d.Log.Warn("one-time code remembered on this node only", "user", u.Name, "error", err)
		return nil
	}
	return res.Err()
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	s.d.Sessions.End(c.session, "logged_out")
	s.audit.did(c, "logout", "", "")
	gone := s.cookie(r, "", time.Unix(1, 0))
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	return done(w)
}

func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) error { return ok(w, callerOf(r).me()) }

// reprove asks a logged-in user for its password again before its credentials change.
func (s *Server) reprove(ctx context.Context, c *caller, password string) (state.UserSecret, error) {
	if wait := s.d.Throttle.Allow(c.source, c.user.Name); wait > 0 {
		return state.UserSecret{}, waitError{identity.ErrWait(wait), int(wait.Seconds()) + 1}
	}
	secret, err := view(s, func(v *state.View) (state.UserSecret, error) { return v.UserSecret(c.user.Name) })
	if err != nil {
		return secret, err
	}
	fits, err := s.d.Hasher.Verify(ctx, secret.Password, password, true)
	if err != nil {
		return secret, err
	}
	if !fits {
		return secret, errWrongPassword
	}
	s.d.Throttle.Forgive(c.source, c.user.Name)
	return secret, nil
}

func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	c := callerOf(r)
	secret, err := s.reprove(r.Context(), c, q.Old)
	if err != nil {
		return err
	}
	if err := identity.CheckPassword(q.New, c.user.Name); err != nil {
		return err
	}
	if q.New == q.Old {
		return bad("same_password", "the new password is the old one")
	}
	if secret.Password, err = s.d.Hasher.Hash(r.Context(), q.New, true); err != nil {
		return err
	}
	// The other sessions of the user end with the new epoch; this one has just proved itself and goes on.
	s.d.Sessions.Renew(c.session, c.user.Epoch+1)
	if _, err := s.change(r, command.UserSecretSet, state.UserSecretChange{Secret: secret, TOTP: c.user.TOTP}); err != nil {
		return err
	}
	return done(w)
}

func (s *Server) beginTOTP(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	if c.user.TOTP {
		return fusion.E(fusion.Conflict, "totp_set", "a second factor is set up already; take it away first")
	}
	secret, err := view(s, func(v *state.View) (state.UserSecret, error) { return v.UserSecret(c.user.Name) })
	if err != nil {
		return err
	}
	if secret.PendingTOTP, err = identity.NewTOTP(s.d.Rand); err != nil {
		return err
	}
	site, err := view(s, (*state.View).Site)
	if err != nil {
		return err
	}
	if _, err := s.change(r, command.UserSecretSet, state.UserSecretChange{Secret: secret, MustChange: c.user.MustChange}); err != nil {
		return err
	}
	key, uri := identity.ShowTOTP(secret.PendingTOTP, site.Name, c.user.Name)
	return ok(w, TOTPReply{Secret: key, URI: uri})
}

// TOTPReply shows the key of a second factor, once.
type TOTPReply struct {
	Secret string `json:"secret"` // base32, to be typed
	URI    string `json:"uri"`    // otpauth:, for a QR code
}

func (s *Server) confirmTOTP(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Code string `json:"code"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	c := callerOf(r)
	if wait := s.d.Throttle.Allow(c.source, c.user.Name); wait > 0 {
		return waitError{identity.ErrWait(wait), int(wait.Seconds()) + 1}
	}
	secret, err := view(s, func(v *state.View) (state.UserSecret, error) { return v.UserSecret(c.user.Name) })
	if err != nil {
		return err
	}
	if len(secret.PendingTOTP) == 0 {
		return fusion.E(fusion.Conflict, "totp_not_begun", "no second factor waits to be confirmed")
	}
	step, err := identity.CheckTOTP(secret.PendingTOTP, q.Code, s.d.Now(), 0)
	if err != nil {
		return err
	}
	s.d.Throttle.Forgive(c.source, c.user.Name)
	secret.TOTP, secret.PendingTOTP, secret.LastTOTPStep = secret.PendingTOTP, nil, step
	s.codes.use(c.user.Name, step)
	if _, err := s.change(r, command.UserSecretSet, state.UserSecretChange{Secret: secret, MustChange: c.user.MustChange, TOTP: true}); err != nil {
		return err
	}
	return done(w)
}

func (s *Server) endTOTP(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Password string `json:"password"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	c := callerOf(r)
	secret, err := s.reprove(r.Context(), c, q.Password)
	if err != nil {
		return err
	}
	secret.TOTP, secret.PendingTOTP = nil, nil
	if _, err := s.change(r, command.UserSecretSet, state.UserSecretChange{Secret: secret, MustChange: c.user.MustChange}); err != nil {
		return err
	}
	return done(w)
}
