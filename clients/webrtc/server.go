package webrtc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

const (
	tick        = 50 * time.Millisecond // of the housekeeping, while sessions come up
	sweepEvery  = time.Second           // and for all
	datagramMax = 2048
)

// Server serves every browser over one UDP socket. It implements voice.Outlet.
type Server struct {
	cfg         Config
	sock        *socket
	cert        tls.Certificate
	fingerprint string
	hosts       hostList
	batches     batchPool
	count       counters

	mu         sync.RWMutex
	closed     bool
	byUfrag    map[string]*Session
	byAddr     map[netip.AddrPort]*Session
	young      []*Session    // not connected yet
	hatched    chan struct{} // the first of them has come
	handshakes int
	perAddress map[netip.Addr]int // handshakes under way

	wg sync.WaitGroup
}

// New opens the socket. Nothing is read before Run.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, hatched: make(chan struct{}, 1),
		byUfrag: make(map[string]*Session), byAddr: make(map[netip.AddrPort]*Session), perAddress: make(map[netip.Addr]int),
	}
	if err := s.certify(); err != nil {
		return nil, fmt.Errorf("webrtc: certificate: %w", err)
	}
	conn := cfg.UDPConn
	if conn == nil {
		if conn, err = listen(cfg.Listen); err != nil {
			return nil, fmt.Errorf("webrtc: listen on %s: %w", cfg.Listen, err)
		}
	}
	if s.sock, err = newSocket(conn, cfg.Buffer); err != nil {
		return nil, errors.Join(fmt.Errorf("webrtc: socket: %w", err), conn.Close())
	}
	s.batches.sock = s.sock
	return s, nil
}

// listen opens a dual-stack socket, or an IPv4 one on a machine without IPv6.
func listen(address string) (*net.UDPConn, error) {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		rest, v6 := strings.CutPrefix(address, "[::]")
		if !v6 {
			return nil, err
		}
		var err4 error
		if pc, err4 = lc.ListenPacket(context.Background(), "udp4", rest); err4 != nil {
			return nil, errors.Join(err, err4)
		}
	}
	return pc.(*net.UDPConn), nil
}

func (s *Server) certify() error {
	if s.cfg.Certificate == nil {
		c, err := NewCertificate(s.cfg.Rand, s.cfg.Now())
		if err != nil {
			return err
		}
		s.cfg.Certificate = c
	}
	s.cert = *s.cfg.Certificate
	if len(s.cert.Certificate) == 0 {
		return errors.New("empty")
	}
	if _, err := x509.ParseCertificate(s.cert.Certificate[0]); err != nil {
		return err
	}
	s.fingerprint = sha256Fingerprint(s.cert.Certificate[0])
	return nil
}

// Addr is the socket's local address.
func (s *Server) Addr() netip.AddrPort { return s.sock.local }

// Run serves until ctx ends; then every session is closed with reason "shutdown". It owns all goroutines of the server.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, s.cfg.Readers)
	for range s.cfg.Readers {
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			failed <- s.read()
		}()
	}
	err := s.keepHouse(ctx, failed)
	s.shut()
	return errors.Join(err, s.sock.close(&s.wg))
}

// keepHouse looks after all sessions once a second, and after those that come up more often: an idle server should not wake for nobody.
func (s *Server) keepHouse(ctx context.Context, failed <-chan error) error {
	slow, stopSlow := s.cfg.Ticker(sweepEvery)
	defer stopSlow()
	var fast <-chan time.Time
	stopFast := func() {}
	defer func() { stopFast() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("webrtc: read: %w", err)
		case <-s.hatched:
			if fast == nil {
				fast, stopFast = s.cfg.Ticker(tick)
			}
		case <-fast:
			if !s.raise() {
				stopFast()
				fast, stopFast = nil, func() {}
			}
		case <-slow:
			s.sweep()
		}
	}
}

// shut closes every session and takes no more.
func (s *Server) shut() {
	s.mu.Lock()
	s.closed = true
	var all []*Session
	for _, x := range s.byUfrag {
		all = append(all, x)
	}
	s.mu.Unlock()
	for _, x := range all {
		s.end(x, "shutdown")
	}
}

// Open answers a page's offer with a session. The answer names the candidates: there is nothing to trickle. Errors are
// of fusion.Error: BadRequest for an offer that can never work, Busy when there are too many sessions.
func (s *Server) Open(ctx context.Context, offerSDP string, events Events) (*Session, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if s.full() {
		s.count.refused.Add(1)
		return nil, "", fusion.E(fusion.Busy, "too_many_sessions", "at most %d", s.cfg.MaxSessions)
	}
	o, err := parseOffer(offerSDP, s.cfg.Slots)
	if err != nil {
		s.count.refused.Add(1)
		return nil, "", fusion.E(fusion.BadRequest, "bad_sdp", "%v", err)
	}
	x, err := s.newSession(o, events)
	if err != nil {
		return nil, "", fmt.Errorf("webrtc: open: %w", err)
	}
	answer, err := s.answer(x)
	if err != nil {
		return nil, "", fmt.Errorf("webrtc: answer: %w", err)
	}
	if err := s.admit(x); err != nil {
		return nil, "", err
	}
	return x, answer, nil
}

func (s *Server) full() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed || len(s.byUfrag) >= s.cfg.MaxSessions
}

func (s *Server) newSession(o offer, events Events) (*Session, error) {
	now := s.cfg.Now()
	x := &Session{server: s, events: events, offer: o, opened: now}
	ufrag, err := randomText(s.cfg.Rand, 8)
	if err != nil {
		return nil, err
	}
	pwd, err := randomText(s.cfg.Rand, 24)
	if err != nil {
		return nil, err
	}
	x.ufrag, x.pwd = ufrag, []byte(pwd)
	x.slots, err = newSlots(s.cfg.Rand, o, now)
	x.report.init(len(x.slots))
	return x, err
}

func (s *Server) admit(x *Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.byUfrag) >= s.cfg.MaxSessions {
		s.count.refused.Add(1)
		return fusion.E(fusion.Busy, "too_many_sessions", "at most %d", s.cfg.MaxSessions)
	}
	s.byUfrag[x.ufrag] = x
	s.young = append(s.young, x)
	select {
	case s.hatched <- struct{}{}:
	default:
	}
	s.count.opened.Add(1)
	return nil
}

// end closes a session once, whoever asks first.
func (s *Server) end(x *Session, reason string) {
	if !x.closed.CompareAndSwap(false, true) {
		return
	}
	s.mu.Lock()
	delete(s.byUfrag, x.ufrag)
	for _, a := range x.paths {
		if s.byAddr[a] == x {
			delete(s.byAddr, a)
		}
	}
	dtls := x.dtls.pipe
	x.dtls.resume = nil
	s.mu.Unlock()
	if dtls != nil {
		dtls.Farewell(reason != "peer_closed" && reason != "consent_lost")
	}
	x.out.Lock()
	x.ready = false
	x.out.Unlock()
	s.cfg.Log.Debug("session closed", "ufrag", x.ufrag, "reason", reason)
	x.events.Closed(reason)
}
