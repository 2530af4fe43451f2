package webrtc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/srtp/v3"

	"github.com/guantong-net/guantong/clients/internal/pipe"
)

const (
	handshakeLimit = 10 * time.Second
	replayWindow   = 128
	// quiet is how long after the handshake the client must not have repeated a flight of it to count as connected.
	quiet = 100 * time.Millisecond
	// retireAfter is when the DTLS machine is let go though the client has sent no media.
	retireAfter  = 10 * time.Second
	alertLimit   = 2 * time.Second // between two alerts that are looked at
	recordAlert  = 21              // RFC 6347 §4.1, content types
	recordShake  = 22
	recordHeader = 13
)

// stages of an association.
const (
	stageNone = iota
	stageShaking
	stageUp      // the machine still answers repeated flights
	stageRetired // no goroutine is left; alerts are read by a machine made for them
)

// association is the DTLS side of a session. Guarded by Server.mu.
type association struct {
	stage   int
	pipe    *pipe.Conn[origin]
	conn    *dtls.Conn
	profile string
	resume  *dtls.State
	upAt    time.Time
	record  time.Time // last handshake record
	alertAt time.Time
}

// handleDTLS takes a record from an address that passed a STUN check; from elsewhere none is looked at.
func (s *Server) handleDTLS(data []byte, from origin) {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byAddr[from.remote]
	if x == nil || len(data) < recordHeader {
		s.count.badDTLS.Add(1)
		return
	}
	d := &x.dtls
	if data[0] == recordShake {
		d.record = now
	}
	switch {
	case d.stage == stageNone && data[0] == recordShake && s.mayShake(from):
		d.stage = stageShaking
		d.pipe = pipe.New(udpAddr(from), s.sendRecord)
		d.pipe.Push(data, from)
		s.wg.Add(1)
		go s.shake(x, d.pipe, from)
	case (d.stage == stageShaking || d.stage == stageUp) && d.pipe.Push(data, from):
	case d.stage == stageRetired && data[0] == recordAlert && now.Sub(d.alertAt) >= alertLimit && d.resume != nil:
		d.alertAt = now
		s.wg.Add(1)
		go s.readAlert(x, d.resume, append([]byte(nil), data...), from)
	default:
		s.count.badDTLS.Add(1)
	}
}

func (s *Server) sendRecord(data []byte, to origin) {
	s.sock.send(data, newDestination(s.sock.family, to))
}

// mayShake counts a handshake in, within the limits. Server.mu is held.
func (s *Server) mayShake(from origin) bool {
	ip := from.remote.Addr()
	if s.closed || s.handshakes >= s.cfg.Handshakes || s.perAddress[ip] >= s.cfg.HandshakesEach {
		return false // the client repeats its first flight
	}
	s.handshakes++
	s.perAddress[ip]++
	return true
}

// shaken counts it out.
func (s *Server) shaken(from origin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ip := from.remote.Addr()
	s.handshakes--
	if s.perAddress[ip]--; s.perAddress[ip] <= 0 {
		delete(s.perAddress, ip)
	}
}

// shake runs one handshake; its goroutine ends with it.
func (s *Server) shake(x *Session, p *pipe.Conn[origin], from origin) {
	defer s.wg.Done()
	err := s.establish(x, p, from)
	s.shaken(from)
	if err != nil {
		s.count.failed.Add(1)
		s.cfg.Log.Debug("dtls handshake failed", "ufrag", x.ufrag, "remote", from.remote, "err", err)
		s.end(x, "handshake_failed")
		return
	}
	s.count.established.Add(1)
}

func (s *Server) establish(x *Session, p *pipe.Conn[origin], from origin) error {
	conn, err := dtls.ServerWithOptions(p, udpAddr(from), s.dtlsOptions(x)...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeLimit)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		p.Silence()
		return errors.Join(err, conn.Close())
	}
	state, ok := conn.ConnectionState()
	profile, chosen := conn.SelectedSRTPProtectionProfile()
	if !ok || !chosen {
		return errors.Join(errors.New("no SRTP profile"), conn.Close())
	}
	if err := x.key(&state, srtp.ProtectionProfile(profile), from); err != nil {
		return errors.Join(err, conn.Close())
	}
	s.mu.Lock()
	d := &x.dtls
	d.stage, d.conn, d.profile, d.upAt, d.resume = stageUp, conn, srtp.ProtectionProfile(profile).String(), s.cfg.Now(), &state
	p.OnFarewell(func() { _ = conn.Close() }) // close_notify is a courtesy
	closed := x.closed.Load()
	s.mu.Unlock()
	if closed {
		p.Farewell(true)
		return nil
	}
	s.wg.Add(1)
	go s.watch(x, conn)
	return nil
}

func (s *Server) dtlsOptions(x *Session) []dtls.ServerOption {
	return []dtls.ServerOption{
		dtls.WithCertificates(s.cert),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerify(true), // the fingerprint of the offer is what is verified
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error { return x.offer.verify(raw) }),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithInsecureSkipVerifyHello(true), // the STUN check has proved the address already
		dtls.WithFlightInterval(200 * time.Millisecond),
		dtls.WithMTU(1200),
		dtls.WithLoggerFactory(noLog{}),
	}
}

// verify compares the client's certificate with the fingerprint of its offer (RFC 8122 §5).
func (o *offer) verify(raw [][]byte) error {
	if len(raw) == 0 {
		return errors.New("no certificate")
	}
	var sum []byte
	switch o.hash {
	case "sha-256":
		h := sha256.Sum256(raw[0])
		sum = h[:]
	case "sha-384":
		h := sha512.Sum384(raw[0])
		sum = h[:]
	case "sha-512":
		h := sha512.Sum512(raw[0])
		sum = h[:]
	}
	if len(sum) == 0 || subtle.ConstantTimeCompare(sum, o.fingerprint) != 1 {
		return errors.New("the certificate is not that of the offer")
	}
	return nil
}

// key makes the SRTP contexts, and the address of the handshake that of media if none was nominated yet.
func (x *Session) key(state *dtls.State, profile srtp.ProtectionProfile, from origin) error {
	c := srtp.Config{Profile: profile}
	if err := c.ExtractSessionKeysFromDTLS(state, false); err != nil {
		return fmt.Errorf("srtp keys: %w", err)
	}
	in, err := srtp.CreateContext(c.Keys.RemoteMasterKey, c.Keys.RemoteMasterSalt, profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return fmt.Errorf("srtp in: %w", err)
	}
	out, err := srtp.CreateContext(c.Keys.LocalMasterKey, c.Keys.LocalMasterSalt, profile)
	if err != nil {
		return fmt.Errorf("srtp out: %w", err)
	}
	x.in.Lock()
	x.inCtx = in
	x.in.Unlock()
	x.out.Lock()
	defer x.out.Unlock()
	x.outCtx, x.ready = out, true
	if !x.addr.IsValid() {
		x.addr, x.remote = from.remote, newDestination(x.server.sock.family, from)
	}
	return nil
}

// watch ends the session when the client says goodbye. It lives while the DTLS machine does.
func (s *Server) watch(x *Session, conn *dtls.Conn) {
	defer s.wg.Done()
	var b [datagramMax]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			break // application data is of no use to us
		}
	}
	s.mu.RLock()
	retired := x.dtls.stage == stageRetired
	s.mu.RUnlock()
	if !retired {
		s.end(x, "peer_closed")
	}
}

// retire lets the DTLS machine go: the client has the last flight. Its state is kept to read an alert with.
func (s *Server) retire(x *Session) {
	s.mu.Lock()
	d := &x.dtls
	if d.stage != stageUp {
		s.mu.Unlock()
		return
	}
	conn, p := d.conn, d.pipe
	d.stage, d.conn, d.pipe = stageRetired, nil, nil
	s.mu.Unlock()
	p.Silence() // dtls would send close_notify
	_ = conn.Close()
	_ = p.Close()
}

// readAlert decrypts one alert of a retired association. The machine that does it can never send: its keys and
// record numbers were another's.
func (s *Server) readAlert(x *Session, state *dtls.State, data []byte, from origin) {
	defer s.wg.Done()
	p := pipe.New(udpAddr(from), s.sendRecord)
	p.Silence()
	conn, err := dtls.ResumeWithOptions(state, p, udpAddr(from), dtls.WithLoggerFactory(noLog{}), dtls.WithCertificates(s.cert))
	if err != nil {
		s.count.badDTLS.Add(1)
		return
	}
	defer func() { _ = errors.Join(conn.Close(), p.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		s.count.badDTLS.Add(1)
		return
	}
	p.Push(data, from)
	var b [64]byte
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err = conn.Read(b[:]); isClosed(err) {
		s.end(x, "peer_closed")
		return
	}
	s.count.badDTLS.Add(1)
}

// isClosed reports that the machine has read a close_notify or a fatal alert.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, dtls.ErrConnClosed)
}

// noLog keeps pion's own logger off standard error.
type noLog struct{}

func (noLog) NewLogger(string) logging.LeveledLogger { return silent{} }

type silent struct{}

func (silent) Trace(string)          {}
func (silent) Tracef(string, ...any) {}
func (silent) Debug(string)          {}
func (silent) Debugf(string, ...any) {}
func (silent) Info(string)           {}
func (silent) Infof(string, ...any)  {}
func (silent) Warn(string)           {}
func (silent) Warnf(string, ...any)  {}
func (silent) Error(string)          {}
func (silent) Errorf(string, ...any) {}
