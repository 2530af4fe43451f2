package mux

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/trust"
)

// The protocols on the port.
const (
	Raft    = "guantong-raft/1"
	Forward = "guantong-forward/1"
	Files   = "guantong-files/1"
	Join    = "guantong-join/1" // no client certificate: a token proves the newcomer
)

// Config of a Mux. Zero numbers take the defaults that are named.
type Config struct {
	Listen      string // host:port; port 0 takes a free one
	Self        trust.NodeName
	Certificate tls.Certificate // Self's, with the CA's behind it
	Roots       *x509.CertPool  // the site's CA
	// Admit refuses a node whose certificate is good: one that was removed. nil admits all. pin is trust.KeyPin.
	Admit func(name trust.NodeName, pin string) error
	// Refused is told of those who came with a node's certificate and were not let in: one of another CA, site or incarnation, or
	// of a node that is not admitted. It must not block. Garbage and silence are counted only. May be nil.
	Refused func(from, reason string, err error)

	Handshake    time.Duration // a handshake's limit; default 5 s
	MaxPending   int           // handshakes at once; default 128
	MaxPerSource int           // handshakes at once from one address; default 16
	MaxOpen      int           // connections of one address; default 256
	Now          func() time.Time
	Log          *slog.Logger
}

func (c *Config) defaults() {
	for _, d := range []struct {
		field *int
		value int
	}{{&c.MaxPending, 128}, {&c.MaxPerSource, 16}, {&c.MaxOpen, 256}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Handshake == 0 {
		c.Handshake = 5 * time.Second
	}
	if c.Admit == nil {
		c.Admit = func(trust.NodeName, string) error { return nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// ErrClosed reports a Mux that was closed.
var ErrClosed = errors.New("mux: closed")

// Mux is the open port. Safe for concurrent use.
type Mux struct {
	cfg      Config
	listener net.Listener
	paths    *paths
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu    sync.Mutex
	lines map[string]*line
	limit limits
	stats Stats
}

// Open listens. Connections of a protocol wait until Listener has asked for it.
func Open(ctx context.Context, cfg Config) (*Mux, error) {
	cfg.defaults()
	l, udp, err := listen(ctx, cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("open node port: %w", err)
	}
	m := &Mux{cfg: cfg, listener: l, lines: make(map[string]*line), limit: newLimits()}
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := m.openPaths(udp); err != nil {
		return nil, errors.Join(err, l.Close(), udp.Close())
	}
	m.running.Go(m.accept)
	return m, nil
}

// listen takes the TCP port and the UDP port of the same number. With port 0 the number that is free for one may be taken for the other.
func listen(ctx context.Context, address string) (net.Listener, net.PacketConn, error) {
	var lc net.ListenConfig
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	for tries := 10; ; tries-- {
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, nil, err
		}
		udp, err := lc.ListenPacket(ctx, "udp", l.Addr().String())
		if err == nil {
			return l, udp, nil
		}
		if err = errors.Join(err, l.Close()); port != "0" || tries == 0 {
			return nil, nil, err
		}
	}
}

// Addr is where it listens.
func (m *Mux) Addr() net.Addr { return m.listener.Addr() }

// Close closes the port; connections that were handed out go on, those in a handshake end.
func (m *Mux) Close() error {
	m.cancel()
	err := m.listener.Close()
	if e := m.paths.close(); e != nil && !errors.Is(e, net.ErrClosed) {
		m.cfg.Log.Warn("node port", "error", e)
	}
	m.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept takes connections until Close. A failing accept (too many files) is waited out.
func (m *Mux) accept() {
	for {
		conn, err := m.listener.Accept()
		if m.ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil {
			m.cfg.Log.Warn("node port", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-m.ctx.Done():
			}
			continue
		}
		m.begin(conn)
	}
}

// begin starts a handshake if its source may have one.
func (m *Mux) begin(conn net.Conn) {
	source := sourceOf(conn.RemoteAddr())
	m.mu.Lock()
	m.stats.Accepted++
	ok := m.limit.take(source, m.cfg)
	if !ok {
		m.stats.Limited++
	}
	m.mu.Unlock()
	if !ok {
		_ = conn.Close()
		return
	}
	m.running.Go(func() { m.handshake(conn, source) })
}

func (m *Mux) handshake(conn net.Conn, source netip.Addr) {
	held := &counted{Conn: conn, gone: func() { m.release(source) }}
	tc := tls.Server(held, m.serverTLS())
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.Handshake)
	err := tc.HandshakeContext(ctx)
	cancel()
	m.mu.Lock()
	m.limit.shook(source)
	l := m.lines[tc.ConnectionState().NegotiatedProtocol]
	if err == nil && l == nil {
		err = fmt.Errorf("no protocol %q here", tc.ConnectionState().NegotiatedProtocol)
	}
	if err != nil {
		m.stats.Refused++
	}
	m.mu.Unlock()
	if err == nil {
		err = l.give(m.ctx, tc)
	}
	if err != nil {
		m.cfg.Log.Info("a connection to the node port was refused", "from", conn.RemoteAddr().String(), "error", err)
		m.tell(conn.RemoteAddr().String(), err)
		_ = tc.Close()
		_ = held.Close() // tls.Conn.Close may be waiting for a peer that does not read
	}
}

func (m *Mux) release(source netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit.gone(source)
}

// serverTLS lets the newcomer's protocol in without a certificate and everything else with one only.
func (m *Mux) serverTLS() *tls.Config {
	nodes := &tls.Config{
		Certificates: []tls.Certificate{m.cfg.Certificate}, MinVersion: tls.VersionTLS13, NextProtos: []string{Raft, Forward, Files},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: m.cfg.Roots, VerifyConnection: m.admit(""),
		SessionTicketsDisabled: true, Time: m.cfg.Now,
	}
	join := &tls.Config{
		Certificates: nodes.Certificates, MinVersion: tls.VersionTLS13, NextProtos: []string{Join}, SessionTicketsDisabled: true, Time: m.cfg.Now,
	}
	outer := nodes.Clone()
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Equal(hello.SupportedProtos, join.NextProtos) {
			return join, nil
		}
		return nodes, nil
	}
	return outer
}

// Dial connects to a node by a protocol. node is whom it must be there; empty: any node of the site.
func (m *Mux) Dial(ctx context.Context, address, node, protocol string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Handshake)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{
		Certificates: []tls.Certificate{m.cfg.Certificate}, RootCAs: m.cfg.Roots, ServerName: trust.NodeHost, NextProtos: []string{protocol},
		MinVersion: tls.VersionTLS13, VerifyConnection: m.admit(node), Time: m.cfg.Now,
	}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("reach node %s at %s: %w", node, address, err)
	}
	return conn.(*tls.Conn), nil
}

// admit checks who is at the other end of a connection whose chain is verified.
func (m *Mux) admit(want string) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		name, pin, err := peer(cs)
		if err != nil {
			return err
		}
		self := m.cfg.Self
		switch {
		case cs.NegotiatedProtocol == "":
			return errors.New("no protocol was agreed on")
		case name.Site != self.Site:
			return fusion.E(fusion.NotAllowed, "other_site", "the node is of site %d, this is site %d", name.Site, self.Site)
		case name.Incarnation != self.Incarnation:
			m.overtaken(name.Incarnation)
			return fusion.E(fusion.NotAllowed, "other_incarnation", "the node is of incarnation %d, this is %d", name.Incarnation, self.Incarnation)
		case want != "" && name.Node != want:
			return fusion.E(fusion.NotAllowed, "other_node", "it is node %s, not %s", name.Node, want)
		}
		return m.cfg.Admit(name, pin)
	}
}

// tell passes a refusal on that a person must know of.
func (m *Mux) tell(from string, err error) {
	reason := ""
	if e, ok := errors.AsType[*fusion.Error](err); ok && e.Fault == fusion.NotAllowed {
		reason = e.Reason
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		reason = "other_ca"
	}
	if reason != "" && m.cfg.Refused != nil {
		m.cfg.Refused(from, reason, err)
	}
}

// overtaken notes a later incarnation: its holder has a certificate of the site's own CA.
func (m *Mux) overtaken(by uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if by>>32 > m.cfg.Self.Incarnation>>32 {
		m.stats.Newer = max(m.stats.Newer, by)
	}
}

func peer(cs tls.ConnectionState) (trust.NodeName, string, error) {
	if len(cs.PeerCertificates) == 0 {
		return trust.NodeName{}, "", trust.ErrNoNode
	}
	name, err := trust.NodeNameOf(cs.PeerCertificates[0])
	return name, trust.KeyPin(cs.PeerCertificates[0]), err
}

// Peer is the node at the other end of a connection that a Mux has handed out.
func Peer(c net.Conn) (trust.NodeName, error) {
	tc, ok := c.(*tls.Conn)
	if !ok {
		return trust.NodeName{}, trust.ErrNoNode
	}
	name, _, err := peer(tc.ConnectionState())
	return name, err
}
