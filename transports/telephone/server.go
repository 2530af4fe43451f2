package telephone

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
)

// Server is the telephone gateway. It implements desk.Dialler.
type Server struct {
	cfg       Config
	deps      Deps
	now       func() time.Time
	counters  Counters
	guard     *guard
	nonces    *nonces
	failures  *failures
	registrar *registrar
	conns     *conns
	calls     *calls
	ports     *ports
	outlet    *outlet
	library   *library
	parser    *sip.Parser
	trunks    []*trunk
	ua        *sipgo.UserAgent
	client    *sipgo.Client
	randMu    sync.Mutex

	udp        *net.UDPConn
	tcp, tls   net.Listener
	background jobs // what was started on behalf of calls
}

var _ desk.Dialler = (*Server)(nil)

// New binds the listeners, so that an address in use is known at once. Run serves them.
func New(cfg Config, deps Deps) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if deps.Accounts == nil || deps.Incoming == nil || deps.Events == nil || deps.Rand == nil {
		return nil, errors.New("telephone: accounts, incoming, events and randomness are needed")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg, deps: deps, now: deps.Now,
		failures: newFailures(cfg.Limits.AuthFailures, cfg.Limits.Sources),
		conns:    &conns{open: make(map[netip.AddrPort]*screenedStream), perAddr: make(map[netip.Addr]int)},
		calls:    newCalls(), ports: newPorts(cfg.RTPLow, cfg.RTPHigh), outlet: newOutlet(deps.Now), library: newLibrary(),
		parser: sip.NewParser(),
	}
	s.parser.MaxMessageLength = cfg.Limits.MessageBytes
	s.guard = newGuard(cfg.Limits, nil, s.now)
	s.registrar = newRegistrar(s.guard, cfg.DutyUnits)
	s.registrar.told = deps.Told
	var key [32]byte
	if _, err := io.ReadFull(deps.Rand, key[:]); err != nil {
		return nil, fmt.Errorf("telephone: nonce key: %w", err)
	}
	s.nonces = newNonces(key, cfg.Timers.NonceLife, cfg.Limits.Sources)
	for _, t := range cfg.Trunks {
		s.trunks = append(s.trunks, newTrunk(s, t))
	}
	if err := s.stack(); err != nil {
		return nil, err
	}
	return s, s.listen()
}

// stack makes the SIP stack with our handlers.
func (s *Server) stack() error {
	log := slog.New(stackLog{s})
	ua, err := sipgo.NewUA(
		sipgo.WithUserAgent("Guantong"), sipgo.WithUserAgentParser(s.parser),
		sipgo.WithUserAgenTLSConfig(s.trunkTLS()),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(log)),
		sipgo.WithUserAgentTransactionLayerOptions(
			sip.WithTransactionLayerLogger(log), sip.WithTransactionLayerUnhandledResponseHandler(s.stray)),
	)
	if err != nil {
		return fmt.Errorf("telephone: SIP stack: %w", err)
	}
	srv, err := sipgo.NewServer(ua, sipgo.WithServerLogger(log))
	if err != nil {
		return fmt.Errorf("telephone: SIP server: %w", err)
	}
	if s.client, err = sipgo.NewClient(ua, sipgo.WithClientLogger(log)); err != nil {
		return fmt.Errorf("telephone: SIP client: %w", err)
	}
	s.ua = ua
	srv.OnRegister(s.onRegister)
	srv.OnInvite(s.onInvite)
	srv.OnAck(s.onAck)
	srv.OnBye(s.onBye)
	srv.OnCancel(s.onNothing)
	srv.OnInfo(s.onInfo)
	srv.OnUpdate(s.onUpdate)
	srv.OnRefer(s.onRefer)
	srv.OnNotify(s.onNotify)
	srv.OnOptions(s.onOptions)
	srv.OnNoRoute(func(req *sip.Request, tx sip.ServerTransaction) { s.respond(tx, notAllowed(req)) })
	return nil
}

// trunkTLS is the configuration for connections that we open.
func (s *Server) trunkTLS() *tls.Config {
	if s.cfg.TLSConfig == nil {
		return nil
	}
	return &tls.Config{RootCAs: s.cfg.TLSConfig.RootCAs, Certificates: s.cfg.TLSConfig.Certificates, MinVersion: tls.VersionTLS12}
}

func (s *Server) listen() (err error) {
	defer func() {
		if err != nil {
			s.closeListeners()
		}
	}()
	if s.cfg.UDP != "" {
		addr, err := net.ResolveUDPAddr("udp", s.cfg.UDP)
		if err != nil {
			return fmt.Errorf("telephone: listen udp: %w", err)
		}
		if s.udp, err = net.ListenUDP("udp", addr); err != nil {
			return fmt.Errorf("telephone: %w", err)
		}
		// Known to the stack before it is served, so that a request of ours that comes first finds its socket.
		name := s.udp.LocalAddr().String()
		s.ua.TransportLayer().Pool("udp").Add(name, &sip.UDPConnection{PacketConn: s.udp, PacketAddr: name, Listener: true})
	}
	if s.cfg.TCP != "" {
		if s.tcp, err = net.Listen("tcp", s.cfg.TCP); err != nil {
			return fmt.Errorf("telephone: %w", err)
		}
	}
	if s.cfg.TLS != "" {
		if s.tls, err = net.Listen("tcp", s.cfg.TLS); err != nil {
			return fmt.Errorf("telephone: %w", err)
		}
	}
	return nil
}

func (s *Server) closeListeners() {
	if s.udp != nil {
		_ = s.udp.Close()
	}
	for _, l := range []net.Listener{s.tcp, s.tls} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// Addr is the bound address of "udp", "tcp" or "tls"; nil when it is not served.
func (s *Server) Addr(network string) net.Addr {
	switch {
	case network == "udp" && s.udp != nil:
		return s.udp.LocalAddr()
	case network == "tcp" && s.tcp != nil:
		return s.tcp.Addr()
	case network == "tls" && s.tls != nil:
		return s.tls.Addr()
	}
	return nil
}

// Run serves until ctx ends; then it hangs up every call, and returns when the far ends have been told or 2 s are over.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 3)
	tp := s.ua.TransportLayer()
	if s.udp != nil {
		go func() { failed <- tp.ServeUDP(&screenedConn{s.udp, s}) }()
	}
	if s.tcp != nil {
		go func() { failed <- tp.ServeTCP(&screenedListener{s.tcp, s}) }()
	}
	if s.tls != nil {
		go func() { failed <- tp.ServeTLS(tls.NewListener(&screenedListener{s.tls, s}, s.cfg.TLSConfig)) }()
	}
	for _, t := range s.trunks {
		s.background.Go(func() { t.run(ctx) })
	}
	var err error
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for err == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
			err = fmt.Errorf("telephone: listener ended: %w", orClosed(err))
		case <-tick.C:
			s.tick(s.now())
		}
	}
	cancel()
	s.shutdown()
	return err
}

func orClosed(err error) error {
	if err == nil {
		return net.ErrClosed
	}
	return err
}

func (s *Server) shutdown() {
	for _, c := range s.calls.all() {
		c.Hang(desk.Normal)
	}
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s.background.wait(grace)
	s.closeListeners()
	_ = s.ua.Close()
}

// tick does what is due, once a second.
func (s *Server) tick(now time.Time) {
	s.registrar.sweep(now)
	s.nonces.expire(now)
	s.guard.sweep()
	for _, c := range s.calls.all() {
		c.tick(now)
	}
}

// Registered implements desk.Dialler. A telephone that is registered at another node of the site counts, if it can be called from here.
func (s *Server) Registered(unit fusion.Number) bool {
	return len(s.contacts(unit)) > 0
}

// Counters gives the counters.
func (s *Server) Counters() *Counters { return &s.counters }

// Calls is how many calls there are now, Registrations how many extensions are registered.
func (s *Server) Calls() int { return s.calls.count() }

// Registrations is how many extensions are registered now.
func (s *Server) Registrations() int { return s.registrar.count() }

// respond answers; a failure shows as the peer's retransmission.
func (s *Server) respond(tx sip.ServerTransaction, res *sip.Response) {
	if err := tx.Respond(res); err != nil {
		s.deps.Log.Debug("telephone: respond", "code", res.StatusCode, "error", err)
	}
}

// random gives 64 random bits. Without randomness there are no safe tags, so a failing source ends the process's use of it loudly.
func (s *Server) random() uint64 {
	var b [8]byte
	s.randMu.Lock()
	_, err := io.ReadFull(s.deps.Rand, b[:])
	s.randMu.Unlock()
	if err != nil {
		s.deps.Log.Error("telephone: no randomness", "error", err)
	}
	return binary.BigEndian.Uint64(b[:])
}

func (s *Server) newID() (id fusion.ID) {
	binary.BigEndian.PutUint64(id[:], s.random())
	binary.BigEndian.PutUint64(id[8:], s.random())
	return id
}

func (s *Server) newTag() string { return fmt.Sprintf("%016x", s.random()) }

// stackLog keeps what the SIP stack says out of our log, since it quotes messages; malformed ones are counted.
type stackLog struct{ s *Server }

func (l stackLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (l stackLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l stackLog) WithGroup(string) slog.Handler                    { return l }
func (l stackLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "failed to parse" {
		l.s.counters.Malformed.Add(1)
	}
	return nil
}
