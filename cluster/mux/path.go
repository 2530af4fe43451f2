package mux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/trust"
)

// Live is the protocol of paths.
const Live = "guantong-live/1"

// pathIdle is how long a path may carry nothing before it counts as broken. Its users send something many times a second.
const pathIdle = 4 * time.Second

// Path is a QUIC connection to another node (RFC 9000): one ordered stream each way, and datagrams (RFC 9221), which are lost
// rather than late. Read and Write are those of the stream; each is for one goroutine at a time.
type Path struct {
	conn   *quic.Conn
	stream *quic.Stream
	peer   trust.NodeName
}

// Node is who is at the other end, by its certificate.
func (p *Path) Node() string { return p.peer.Node }

// Read implements io.Reader on the stream.
func (p *Path) Read(b []byte) (int, error) { return p.stream.Read(b) }

// Write implements io.Writer on the stream. It waits while the other end does not read.
func (p *Path) Write(b []byte) (int, error) { return p.stream.Write(b) }

// SendDatagram sends at most MaxDatagram octets, which may be lost. It waits while many others are on their way.
func (p *Path) SendDatagram(b []byte) error { return p.conn.SendDatagram(b) }

// MaxDatagram is what fits a datagram on every path: QUIC's smallest packet less its overhead.
const MaxDatagram = 1150

// ReceiveDatagram gives the next datagram.
func (p *Path) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	return p.conn.ReceiveDatagram(ctx)
}

// Done is closed when the path is over.
func (p *Path) Done() <-chan struct{} { return p.conn.Context().Done() }

// Close ends the path at once. The reason is told to the other end.
func (p *Path) Close(reason string) error { return p.conn.CloseWithError(0, reason) }

// paths is the QUIC side of a Mux: one UDP socket with the port number of the TCP listener.
type paths struct {
	socket    net.PacketConn
	transport *quic.Transport
	listener  *quic.Listener
	ready     chan *Path
}

func pathConfig(m *Mux) *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout: m.cfg.Handshake, MaxIdleTimeout: pathIdle, EnableDatagrams: true,
		MaxIncomingStreams: 1, MaxIncomingUniStreams: -1,
	}
}

// openPaths listens for paths beside the TCP listener.
func (m *Mux) openPaths(socket net.PacketConn) (err error) {
	p := &paths{socket: socket, transport: &quic.Transport{Conn: socket}, ready: make(chan *Path, waiting)}
	p.transport.VerifySourceAddress = func(net.Addr) bool { return true } // a source proves its address before anything is kept of it
	p.listener, err = p.transport.Listen(m.pathTLS(""), pathConfig(m))
	if err != nil {
		return fmt.Errorf("open node port: %w", err)
	}
	m.paths = p
	m.running.Go(m.acceptPaths)
	return nil
}

func (p *paths) close() error {
	return errors.Join(p.listener.Close(), p.transport.Close(), p.socket.Close())
}

// pathTLS is for both ends: each shows a node's certificate. node is whom it must be at the other end; empty: any of the site.
func (m *Mux) pathTLS(node string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{m.cfg.Certificate}, RootCAs: m.cfg.Roots, ClientCAs: m.cfg.Roots, ServerName: trust.NodeHost,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13, NextProtos: []string{Live},
		VerifyConnection: m.admit(node), SessionTicketsDisabled: true, Time: m.cfg.Now,
	}
}

// acceptPaths takes connections until Close.
func (m *Mux) acceptPaths() {
	var opening sync.WaitGroup
	defer opening.Wait()
	for {
		conn, err := m.paths.listener.Accept(m.ctx)
		if err != nil {
			return
		}
		opening.Go(func() { m.welcomePath(conn) })
	}
}

// welcomePath hands a connection out once its stream is open.
func (m *Mux) welcomePath(conn *quic.Conn) {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.Handshake)
	defer cancel()
	p, err := newPath(conn, func() (*quic.Stream, error) { return conn.AcceptStream(ctx) })
	if err == nil {
		select {
		case m.paths.ready <- p:
			return
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	m.mu.Lock()
	m.stats.Refused++
	m.mu.Unlock()
	m.cfg.Log.Info("a path to the node port was refused", "from", conn.RemoteAddr().String(), "error", err)
	_ = conn.CloseWithError(1, "refused")
}

func newPath(conn *quic.Conn, open func() (*quic.Stream, error)) (*Path, error) {
	name, _, err := peer(conn.ConnectionState().TLS)
	if err != nil {
		return nil, err
	}
	stream, err := open()
	if err != nil {
		return nil, err
	}
	return &Path{conn: conn, stream: stream, peer: name}, nil
}

// DialPath opens a path to a node. The other end sees it with the first octet that is written.
func (m *Mux) DialPath(ctx context.Context, address, node string) (*Path, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Handshake)
	defer cancel()
	to, err := resolve(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("reach node %s: %w", node, err)
	}
	conn, err := m.paths.transport.Dial(ctx, to, m.pathTLS(node), pathConfig(m))
	if err != nil {
		return nil, fmt.Errorf("reach node %s at %s: %w", node, address, err)
	}
	p, err := newPath(conn, func() (*quic.Stream, error) { return conn.OpenStreamSync(ctx) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reach node %s at %s: %w", node, address, err), conn.CloseWithError(1, "no stream"))
	}
	return p, nil
}

// resolve finds the UDP address of a host:port.
func resolve(ctx context.Context, address string) (*net.UDPAddr, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var r net.Resolver
	ips, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	n, err := r.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil, err
	}
	if len(ips) == 0 {
		return nil, fusion.E(fusion.CutOff, "no_address", "%s has no address", host)
	}
	return &net.UDPAddr{IP: ips[0].AsSlice(), Zone: ips[0].Zone(), Port: n}, nil
}

// AcceptPath gives the next path that another node opened. After Close it gives net.ErrClosed.
func (m *Mux) AcceptPath(ctx context.Context) (*Path, error) {
	select {
	case p := <-m.paths.ready:
		return p, nil
	case <-m.ctx.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
