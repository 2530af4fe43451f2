package telephone

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// errFlooding ends a connection that sends more than its purse allows.
var errFlooding = errors.New("telephone: connection sends too much")

// screenedListener takes TCP connections within the limits. A connection that does not prove itself in time is closed.
type screenedListener struct {
	net.Listener
	server *Server
}

// Accept gives the next connection that is within the limits.
func (l *screenedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if sc := l.server.conns.add(c, l.server); sc != nil {
			return sc, nil
		}
		l.server.counters.ConnsRefused.Add(1)
		_ = c.Close()
	}
}

// conns are the open TCP and TLS connections.
type conns struct {
	mu      sync.Mutex
	open    map[netip.AddrPort]*screenedStream
	perAddr map[netip.Addr]int
}

// screenedStream is one connection: each read is charged, as a datagram would be.
type screenedStream struct {
	net.Conn
	server  *Server
	src     netip.AddrPort
	once    sync.Once
	mu      sync.Mutex
	trusted bool
}

func remoteOf(c net.Conn) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return canonical(ap)
}

func (t *conns) add(c net.Conn, s *Server) *screenedStream {
	sc := &screenedStream{Conn: c, server: s, src: remoteOf(c)}
	l := s.cfg.Limits
	reserved := s.registrar.dutyAddr(sc.src.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	room := l.Conns - l.DutyConns
	if reserved || s.guard.trunk(sc.src.Addr()) {
		room = l.Conns
	}
	if len(t.open) >= room || (!reserved && t.perAddr[sc.src.Addr()] >= l.ConnsPerAddr) {
		return nil
	}
	t.open[sc.src] = sc
	t.perAddr[sc.src.Addr()]++
	_ = c.SetReadDeadline(time.Now().Add(s.cfg.Timers.StrangerConn))
	return sc
}

// trust lifts the log-in deadline of the connection from src, if it is one. The address's count is for strangers only.
func (t *conns) trust(src netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sc := t.open[canonical(src)]
	if sc == nil {
		return
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if !sc.trusted {
		sc.trusted = true
		t.drop(sc.src.Addr())
		_ = sc.Conn.SetReadDeadline(time.Time{})
	}
}

func (t *conns) drop(a netip.Addr) {
	if t.perAddr[a]--; t.perAddr[a] <= 0 {
		delete(t.perAddr, a)
	}
}

// Read charges what it reads to the source.
func (c *screenedStream) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.server.guard.admit(c.src) == drop {
		c.server.counters.Limited.Add(1)
		return 0, errFlooding
	}
	return n, err
}

// Close ends the connection, and the registrations that live on it (RFC 5626 §4.2.2).
func (c *screenedStream) Close() error {
	c.once.Do(func() {
		t := c.server.conns
		t.mu.Lock()
		if t.open[c.src] == c {
			delete(t.open, c.src)
		}
		c.mu.Lock()
		if !c.trusted {
			t.drop(c.src.Addr())
		}
		c.mu.Unlock()
		t.mu.Unlock()
		c.server.registrar.flowClosed(c.src)
	})
	return c.Conn.Close()
}
