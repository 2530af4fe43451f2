package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// Server serves clients. New, then Run; Handler is what is served.
type Server struct {
	cfg     Config
	d       Deps
	handler http.Handler
	routes  []route
	rate    *limiter
	conns   *tally
	count   *counts
	audit   *auditor
	hub     *hub
	codes   *usedCodes
	owners  *owners
	exports *tally   // ZIPs under way
	secret  [32]byte // of generated passwords: the same request ID gives the same one again
}

// New makes a Server. Nothing runs before Run.
func New(cfg Config, d Deps) (*Server, error) {
	s := &Server{cfg: cfg.withDefaults(), d: d, codes: newUsedCodes(), owners: newOwners(), exports: newTally(2, 2)}
	if _, err := readFull(d.Rand, s.secret[:]); err != nil {
		return nil, fmt.Errorf("new API server: %w", err)
	}
	s.rate = newLimiter(s.cfg.RatePerSource, s.cfg.Burst, d.Now)
	s.conns = newTally(s.cfg.ConnsSource, s.cfg.Conns)
	s.audit = newAuditor(s)
	s.hub = newHub(s)
	var err error
	if s.count, err = newCounts(s, d.Metrics); err != nil {
		return nil, fmt.Errorf("new API server: %w", err)
	}
	s.routes = s.table()
	s.handler = s.mux()
	return s, nil
}

// Handler serves the API, and the console when there is one. It needs Run to be under way for events to flow.
func (s *Server) Handler() http.Handler { return s.handler }

// Sockets is how many WebSockets are open.
func (s *Server) Sockets() int { return s.hub.len() }

// Run carries on what no request does: events to connections, audit entries, sessions that end. It returns when ctx ends,
// after every connection was told so.
func (s *Server) Run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan struct{}, 3)
	for _, f := range []func(context.Context){s.hub.run, s.audit.run, s.housekeep} {
		go func() { f(inner); done <- struct{}{} }()
	}
	<-ctx.Done()
	s.hub.closeAll("shutting_down")
	stop()
	for range 3 {
		<-done
	}
	return nil
}

// housekeep ends sessions that have expired or whose user has changed.
func (s *Server) housekeep(ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.d.Sessions.Sweep()
			s.checkSessions()
		}
	}
}

// checkSessions ends the sessions of users who are disabled, revoked, or in a later epoch, and forgets those of users who are not there.
func (s *Server) checkSessions() {
	for _, name := range s.d.Sessions.Users() {
		epoch := uint64(0)
		err := s.d.Record.View(func(v *state.View) error {
			u, err := v.User(name)
			if err != nil {
				return err
			}
			unit, err := v.Unit(u.Unit)
			epoch = epochOf(u, unit)
			return err
		})
		switch {
		case err == nil:
			s.d.Sessions.EndUser(name, epoch, "revoked")
		case fusion.FaultOf(err) == fusion.NotFound:
			s.d.Sessions.ForgetUser(name, "revoked")
		}
	}
}

// Serve answers on a listener until ctx ends. TLS is 1.3 only; a nil config serves plainly, which only tests do.
func (s *Server) Serve(ctx context.Context, ln net.Listener, tc *tls.Config) error {
	ln = &listener{Listener: ln, open: s.conns, over: s.count.overConns.Inc}
	srv := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog:    slog.NewLogLogger(s.d.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	if tc != nil {
		tc = tc.Clone()
		tc.MinVersion = tls.VersionTLS13
		tc.NextProtos = []string{"http/1.1"} // a WebSocket needs it, and one connection per tab is plenty
		ln = tls.NewListener(ln, tc)
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve API: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve API: %w", err)
	}
	return nil
}

// guard says who may call a route.
type guard uint8

const (
	anybody  guard = iota // without a log-in
	loggedIn              // with one, even while the password must be changed
	settled               // with one, and the password changed
)

// route is one call of the API.
type route struct {
	method, path string
	guard        guard
	right        identity.Right // "" for none
	limit        int64          // of the body in octets; 0: maxBody; -1: the handler limits it
	timeout      time.Duration  // 0: callTimeout; -1: none
	serve        func(http.ResponseWriter, *http.Request) error
}

// callTimeout is how long a call may take, with its commit.
const callTimeout = 15 * time.Second

// changes reports whether a call changes something.
func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// run guards a route and answers its error.
func (s *Server) run(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.serve(rt, w, r); err != nil {
			s.refuse(w, r, err)
		}
	})
}

func (s *Server) serve(rt route, w http.ResponseWriter, r *http.Request) error {
	limit, timeout := rt.limit, rt.timeout
	if limit == 0 {
		limit = maxBody
	}
	if limit > 0 {
		r.Body = http.MaxBytesReader(w, r.Body, limit)
	}
	if timeout == 0 {
		timeout = callTimeout
	}
	rc := http.NewResponseController(w)
	if timeout > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		r = r.WithContext(ctx)
		deadline := time.Now().Add(timeout)
		_ = rc.SetReadDeadline(deadline) // an httptest.ResponseRecorder has none
		_ = rc.SetWriteDeadline(deadline.Add(5 * time.Second))
	}
	if rt.guard != anybody {
		c, err := s.identify(r)
		if err != nil {
			return err
		}
		if err := s.admit(rt, r, c); err != nil {
			return err
		}
		r = r.WithContext(withCaller(r.Context(), c))
	}
	err := rt.serve(w, r)
	if c := callerOf(r); c != nil && err != nil && changes(r.Method) && fusion.FaultOf(err) == fusion.NotAllowed {
		s.audit.refused(c, rt, r, err)
	}
	return err
}

// admit holds the caller against what the route asks for.
func (s *Server) admit(rt route, r *http.Request, c *caller) error {
	var err error
	switch {
	case c.cookie && changes(r.Method):
		err = s.checkOrigin(r)
	}
	if err == nil && rt.guard == settled && c.user.MustChange {
		err = fusion.E(fusion.NotAllowed, "must_change", "change your password first")
	}
	if err == nil && rt.right != "" {
		err = c.need(rt.right)
	}
	if err != nil && changes(r.Method) {
		s.audit.refused(c, rt, r, err)
	}
	return err
}

// mux puts the routes together.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes {
		mux.Handle(rt.method+" "+rt.path, s.run(rt))
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, errNotFound) })
	if s.d.Console != nil {
		mux.Handle("/", s.d.Console)
	} else {
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, errNotFound) })
	}
	return s.limited(s.headers(s.cors(s.recovered(mux))))
}

// contentPolicy lets the page load only what comes from here, and talk only to here and (%s) to the site's other nodes.
const contentPolicy = "default-src 'self'; connect-src 'self'%s; img-src 'self' data: blob:; media-src 'self' blob:; " +
	"style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func (s *Server) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", s.policy(r))
		h.Set("Permissions-Policy", "microphone=(self), hid=(self), speaker-selection=(self), geolocation=(self), camera=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if len(r.URL.Path) >= 5 && r.URL.Path[:5] == "/api/" {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

// recovered answers a defect of ours with an error, so that one request cannot take the others along.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.count.panics.Inc()
			s.refuse(w, r, fmt.Errorf("panic: %v", p))
		}()
		next.ServeHTTP(w, r)
	})
}
