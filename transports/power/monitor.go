package power

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// Config says which UPS is asked. Zero members take the default in brackets.
type Config struct {
	UPS   string        // name@host, or name@host:port [3493]
	Every time.Duration // [2 s]
	Limit time.Duration // for one answer, connecting too [3 s]
	Stale time.Duration // after it what was heard last is not believed any more [15 s]
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Now   func() time.Time
	Log   *slog.Logger
}

// State is what a UPS says.
type State struct {
	Known     bool // false: nothing was heard for too long; Fault says why
	OnBattery bool // mains has failed
	Low       bool // the battery is nearly empty
	Replace   bool // the battery is worn out
	Charge    int  // %; -1: it does not say
	Runtime   time.Duration
	Status    string    // as the UPS says it
	Since     time.Time // on battery since; zero: it is not
	At        time.Time // when it was heard
	Fault     string
}

// Critical reports whether the node will lose its power within minutes: on battery, and that is nearly empty. A low battery that is being charged is not.
func (s State) Critical() bool { return s.Known && s.OnBattery && s.Low }

// Monitor asks one UPS again and again.
type Monitor struct {
	cfg       Config
	ups, host string

	mu   sync.Mutex
	last State // the last that was heard
	why  error // why nothing was heard since
}

// Parse parts name@host:port.
func Parse(text string) (ups, address string, err error) {
	ups, host, found := strings.Cut(text, "@")
	if !found || ups == "" || host == "" || len(ups) > maxShown || strings.ContainsAny(ups, " \t\r\n\"\\") {
		return "", "", fmt.Errorf("power: %q is not name@host:port", text)
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "3493")
	}
	if h, port, err := net.SplitHostPort(host); err != nil || h == "" || port == "" {
		return "", "", fmt.Errorf("power: %q is not name@host:port", text)
	}
	return ups, host, nil
}

// New makes a Monitor.
func New(cfg Config) (*Monitor, error) {
	m := &Monitor{cfg: cfg}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&m.cfg.Every, 2 * time.Second}, {&m.cfg.Limit, 3 * time.Second}, {&m.cfg.Stale, 15 * time.Second}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if m.cfg.Dial == nil {
		m.cfg.Dial = (&net.Dialer{}).DialContext
	}
	if m.cfg.Now == nil {
		m.cfg.Now = time.Now
	}
	if m.cfg.Log == nil {
		m.cfg.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	m.ups, m.host, err = Parse(cfg.UPS)
	return m, err
}

// State tells what is known now.
func (m *Monitor) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last.Known && m.cfg.Now().Sub(m.last.At) < m.cfg.Stale {
		return m.last
	}
	s := State{Charge: -1, Runtime: -1, At: m.last.At, Fault: "upsd has not been asked yet"}
	if m.why != nil {
		why := m.why.Error()
		s.Fault = printable(why[:min(len(why), maxFault)])
	}
	return s
}

// Run asks until ctx ends. One connection is kept; after a failure a new one is made.
func (m *Monitor) Run(ctx context.Context) error {
	tick := time.NewTicker(m.cfg.Every)
	defer tick.Stop()
	var c *session
	for {
		c = m.ask(ctx, c)
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.close()
			return nil
		}
	}
}

// session is one connection to upsd.
type session struct {
	net.Conn
	in *bufio.Reader
}

func (c *session) close() {
	if c != nil {
		_ = c.Close()
	}
}

// ask makes one reading, and gives the connection back while it is good.
func (m *Monitor) ask(ctx context.Context, c *session) *session {
	limit, cancel := context.WithTimeout(ctx, m.cfg.Limit)
	defer cancel()
	var err error
	if c == nil {
		c, err = m.connect(limit)
	}
	var s State
	if err == nil {
		s, err = m.read(limit, c)
	}
	if ctx.Err() == nil {
		m.note(ctx, s, err)
	}
	if _, refused := errors.AsType[Refusal](err); err != nil && !refused {
		c.close()
		return nil
	}
	return c
}

func (m *Monitor) connect(ctx context.Context) (*session, error) {
	conn, err := m.cfg.Dial(ctx, "tcp", m.host)
	if err != nil {
		return nil, fmt.Errorf("reach upsd: %w", err)
	}
	return &session{conn, bufio.NewReaderSize(conn, maxLine)}, nil
}

func (m *Monitor) read(ctx context.Context, c *session) (State, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() }) // however slowly it answers
	defer stop()
	if _, err := io.WriteString(c, "LIST VAR "+m.ups+"\n"); err != nil {
		return State{}, fmt.Errorf("ask upsd: %w", err)
	}
	vars, err := readVars(c.in, m.ups)
	if ctx.Err() != nil {
		return State{}, fmt.Errorf("ask upsd: no answer within %s", m.cfg.Limit)
	}
	if err != nil {
		return State{}, err
	}
	return reading(vars)
}

// note takes a reading down. Changes are logged once.
func (m *Monitor) note(ctx context.Context, s State, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		if m.why == nil {
			m.cfg.Log.WarnContext(ctx, "the UPS is not heard", "ups", m.cfg.UPS, "error", err)
		}
		m.why = err
		return
	}
	s.At = m.cfg.Now()
	if s.OnBattery {
		if s.Since = m.last.Since; s.Since.IsZero() {
			s.Since = s.At
		}
	}
	if m.why != nil || s.Status != m.last.Status {
		m.cfg.Log.InfoContext(ctx, "the UPS says", "ups", m.cfg.UPS, "status", s.Status, "charge", s.Charge, "runtime", s.Runtime)
	}
	m.last, m.why = s, nil
}
