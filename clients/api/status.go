package api

import (
	"crypto/subtle"
	_ "embed"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the description of the API that this binary serves.
func OpenAPI() []byte { return append([]byte(nil), openAPI...) }

// status is what the node is doing now.
func (s *Server) status() wire.Status {
	st := s.d.Status()
	st.Node, st.Version, st.Time = s.cfg.Node, s.cfg.Version, msOf(s.d.Now())
	st.Consoles = s.hub.len()
	st.Talking = s.d.Talks.Talking()
	if s.d.Desk != nil {
		st.Calls = len(s.d.Desk.Calls())
	}
	if st.Degraded == nil {
		st.Degraded = []string{}
	}
	st.Nodes = s.nodes()
	return st
}

func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request) error { return ok(w, s.status()) }

// healthz says that the process serves; readyz that it can do its work.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	_, err := w.Write([]byte("ok\n"))
	return err
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) error {
	if err := s.d.Ready(); err != nil {
		return fusion.E(fusion.CutOff, "not_ready", "%v", err)
	}
	_, err := w.Write([]byte("ready\n"))
	return err
}

func (s *Server) describe(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, err := w.Write(openAPI)
	return err
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	tok, _ := token(r)
	known := s.cfg.MetricsToken != "" && subtle.ConstantTimeCompare([]byte(tok), []byte(s.cfg.MetricsToken)) == 1
	if !known && !isLoopback(r.RemoteAddr) {
		return fusion.E(fusion.NotAllowed, "metrics", "metrics are for this machine, or for who has the token")
	}
	promhttp.HandlerFor(s.d.Metrics, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}

// counts are the counters of the API.
type counts struct {
	refused   *prometheus.CounterVec // by fault
	logins    *prometheus.CounterVec // by result
	overConns prometheus.Counter
	auditLost prometheus.Counter
	panics    prometheus.Counter
	frames    *prometheus.CounterVec // WebSocket messages from clients, by type
	slow      prometheus.Counter
	uplink    prometheus.Counter // speech packets without a floor
}

func newCounts(s *Server, reg *prometheus.Registry) (*counts, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "guantong", Subsystem: "api", Name: name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "guantong", Subsystem: "api", Name: name, Help: help}, []string{label})
	}
	gauge := func(name, help string, f func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "guantong", Subsystem: "api", Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	c := &counts{
		refused:   vec("refused_total", "Requests that were refused, by whose fault it was.", "fault"),
		logins:    vec("logins_total", "Attempts to log in, by result.", "result"),
		overConns: counter("connections_refused_total", "TCP connections closed because there were too many."),
		auditLost: counter("audit_lost_total", "Audit entries that could not be written."),
		panics:    counter("panics_total", "Requests that met a defect of ours."),
		frames:    vec("ws_messages_total", "WebSocket messages from clients.", "t"),
		slow:      counter("ws_slow_total", "WebSockets closed because the client did not keep up."),
		uplink:    counter("uplink_without_floor_total", "Speech packets dropped because their sender held no floor."),
	}
	for _, m := range []prometheus.Collector{c.refused, c.logins, c.overConns, c.auditLost, c.panics, c.frames, c.slow, c.uplink,
		gauge("sessions", "Log-ins that are valid now.", s.d.Sessions.Len), gauge("websockets", "WebSockets that are open now.", s.hub.len)} {
		if err := reg.Register(m); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// statusPeriod is how often clients are told the status.
const statusPeriod = 5 * time.Second
