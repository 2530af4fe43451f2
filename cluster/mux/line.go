package mux

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// waiting is how many connections of one protocol wait to be accepted.
const waiting = 64

// line is the listener of one protocol.
type line struct {
	m      *Mux
	conns  chan net.Conn
	closed context.Context
	close  context.CancelFunc
}

// Listener gives the connections of one protocol. Closing it leaves the port open. It is asked for once per protocol.
func (m *Mux) Listener(protocol string) net.Listener {
	l := &line{m: m, conns: make(chan net.Conn, waiting)}
	l.closed, l.close = context.WithCancel(m.ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines[protocol] = l
	return l
}

func (l *line) give(ctx context.Context, c net.Conn) error {
	select {
	case l.conns <- c:
		return nil
	case <-l.closed.Done():
		return ErrClosed
	case <-ctx.Done():
		return ErrClosed
	}
}

// Accept implements net.Listener. After Close it gives net.ErrClosed.
func (l *line) Accept() (net.Conn, error) {
	select {
	case <-l.closed.Done():
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *line) Close() error {
	l.close()
	for {
		select {
		case c := <-l.conns:
			_ = c.Close()
		default:
			return nil
		}
	}
}

// Addr implements net.Listener.
func (l *line) Addr() net.Addr { return l.m.Addr() }

// Stats counts what happened at the port.
type Stats struct {
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"` // no TLS, no certificate, another site's, too slow, an unknown protocol
	Limited  uint64 `json:"limited"` // too many from one source, or in all
	Open     int    `json:"open"`
	// Newer is a later incarnation of the site that a node came with, 0 for none: the site went on without this node.
	Newer uint64 `json:"newer,omitempty"`
}

// Stats tells what happened so far.
func (m *Mux) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Open = m.limit.all
	return s
}

// limits counts connections by source.
type limits struct {
	all, shaking int
	sources      map[netip.Addr]*use
}

type use struct{ open, shaking int }

func newLimits() limits { return limits{sources: make(map[netip.Addr]*use)} }

func (l *limits) take(from netip.Addr, c Config) bool {
	u := l.sources[from]
	if u == nil {
		u = &use{}
	}
	if l.shaking >= c.MaxPending || u.shaking >= c.MaxPerSource || u.open >= c.MaxOpen {
		return false
	}
	u.open++
	u.shaking++
	l.all++
	l.shaking++
	l.sources[from] = u
	return true
}

func (l *limits) shook(from netip.Addr) {
	l.sources[from].shaking--
	l.shaking--
	l.forget(from)
}

func (l *limits) gone(from netip.Addr) {
	l.sources[from].open--
	l.all--
	l.forget(from)
}

func (l *limits) forget(from netip.Addr) {
	if u := l.sources[from]; u.open == 0 && u.shaking == 0 {
		delete(l.sources, from)
	}
}

func sourceOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// counted tells once that a connection was closed.
type counted struct {
	net.Conn
	once sync.Once
	gone func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(c.gone)
	return c.Conn.Close()
}
