package media

import (
	"context"
	"net"
	"sync"
)

// Line is speech to and from whichever node a client is at: each Attach connects it to another one. Its methods are for any goroutine.
type Line struct {
	cfg Config

	mu     sync.Mutex
	conn   *Conn
	closed bool
}

// NewLine makes a line that is not connected yet. A certificate that cfg does not name is made once.
func NewLine(cfg Config) (*Line, error) {
	if cfg.Certificate == nil {
		cert, err := NewCertificate()
		if err != nil {
			return nil, err
		}
		cfg.Certificate = cert
	}
	return &Line{cfg: cfg}, nil
}

// Attach connects the line by a signal to a node. The old connection is given up when the new one is there, without waiting for its node.
func (l *Line) Attach(ctx context.Context, signal Signal) error {
	fresh, err := Dial(ctx, l.cfg, signal)
	if err != nil {
		return err
	}
	l.mu.Lock()
	old, closed := l.conn, l.closed
	if !closed {
		l.conn = fresh
	}
	l.mu.Unlock()
	if closed {
		return fresh.Close()
	}
	if old != nil {
		go func() { _ = old.Close() }() // its node is gone, most likely
	}
	return nil
}

// Send sends one packet, as Conn.Send does. While there is no node it is lost.
func (l *Line) Send(payload []byte, samples uint32, marker bool) error {
	l.mu.Lock()
	c := l.conn
	l.mu.Unlock()
	if c == nil {
		return net.ErrClosed
	}
	return c.Send(payload, samples, marker)
}

// Conn is the connection of now; nil before the first.
func (l *Line) Conn() *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// Close ends the line.
func (l *Line) Close() error {
	l.mu.Lock()
	c := l.conn
	l.closed = true
	l.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}
