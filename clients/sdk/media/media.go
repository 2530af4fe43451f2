package media

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"

	"github.com/guantong-net/guantong/clients/internal/pipe"
)

const (
	opusType    = 111
	checkEvery  = 50 * time.Millisecond // until a candidate answers
	datagramMax = 2048
)

// Packet is one packet of speech from the server. Payload is valid during the call only.
type Packet struct {
	Slot    int
	Seq     uint16
	Time    uint32
	Marker  bool
	Payload []byte
}

// Config says what a client wants. The zero value means the defaults in brackets.
type Config struct {
	Slots       int              // receive slots to ask for [8]
	Receive     func(Packet)     // called for each packet, from the client's one goroutine [count only]
	Consent     time.Duration    // between two STUN checks [2.5 s, as Chromium does]
	Certificate *tls.Certificate // of DTLS [a new one; share one between many clients to spare the CPU]
	// Drop sees each outgoing DTLS record and media packet and says whether to lose it, for drills of lossy networks. It
	// must not keep what it sees. [none is lost]
	Drop func(datagram []byte) bool
}

// Signal carries an SDP offer to the server and returns its answer.
type Signal func(ctx context.Context, offer string) (answer string, err error)

// Stats are the client's counters.
type Stats struct {
	Received uint64 // speech packets
	Lost     uint64 // numbers missing in the sequence of the slots
	Late     uint64 // packets that came after a later one
	Bad      uint64 // packets that could not be decrypted or belonged to no slot
}

// Conn is a client's media. Its methods are for any goroutine.
type Conn struct {
	cfg    Config
	sock   atomic.Pointer[net.UDPConn]
	reader chan struct{} // closed when the reader of sock has ended; guarded by mu
	cert   *tls.Certificate
	answer answer
	ufrag  string
	dtls   *dtls.Conn
	pipe   *pipe.Conn[struct{}]
	remote atomic.Pointer[netip.AddrPort]

	done   chan struct{}
	ended  sync.Once
	wg     sync.WaitGroup
	in     atomic.Pointer[srtp.Context] // used by the reader alone
	next   map[int]uint16               // of each slot, by the reader alone
	mu     sync.Mutex
	out    *srtp.Context
	ssrc   uint32
	seq    uint16
	ts     uint32
	counts struct{ received, lost, late, bad atomic.Uint64 }
}

// Dial makes a client and returns when it can send and receive. It fails when ctx ends first.
func Dial(ctx context.Context, cfg Config, signal Signal) (*Conn, error) {
	c, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("media: open: %w", err)
	}
	text, err := signal(ctx, c.offer())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("media: signal: %w", err), c.Close())
	}
	if c.answer, err = parseAnswer(text); err != nil {
		return nil, errors.Join(fmt.Errorf("media: answer: %w", err), c.Close())
	}
	if err := c.connect(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("media: connect: %w", err), c.Close())
	}
	return c, nil
}

func open(cfg Config) (*Conn, error) {
	if cfg.Slots == 0 {
		cfg.Slots = 8
	}
	if cfg.Consent <= 0 {
		cfg.Consent = 2500 * time.Millisecond
	}
	c := &Conn{cfg: cfg, cert: cfg.Certificate, done: make(chan struct{}), next: make(map[int]uint16)}
	if c.cert == nil {
		var err error
		if c.cert, err = NewCertificate(); err != nil {
			return nil, err
		}
	}
	var b [14]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	c.ssrc, c.seq, c.ts = binary.BigEndian.Uint32(b[:])|1, binary.BigEndian.Uint16(b[4:])&0x7FFF, binary.BigEndian.Uint32(b[6:])
	c.ufrag = hex.EncodeToString(b[10:])
	sock, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, err
	}
	c.sock.Store(sock)
	return c, nil
}

// NewCertificate makes a certificate for any number of clients.
func NewCertificate() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// connect runs ICE, DTLS and the keys.
func (c *Conn) connect(ctx context.Context) error {
	found := make(chan netip.AddrPort, 1)
	c.pipe = pipe.New(net.Addr(&net.UDPAddr{}), func(data []byte, _ struct{}) {
		if to := c.remote.Load(); to != nil {
			_ = c.write(data, *to) // a lost datagram, to DTLS
		}
	})
	c.listen(found)
	if err := c.find(ctx, found); err != nil {
		return err
	}
	c.wg.Add(1)
	go c.keep()
	if err := c.shake(ctx); err != nil {
		return err
	}
	c.wg.Add(1)
	go c.watch()
	return nil
}

// write sends a datagram that may be lost.
func (c *Conn) write(data []byte, to netip.AddrPort) error {
	if c.cfg.Drop != nil && c.cfg.Drop(data) {
		return nil
	}
	_, err := c.sock.Load().WriteToUDPAddrPort(data, to)
	return err
}

// listen starts the reader of the socket.
func (c *Conn) listen(found chan<- netip.AddrPort) {
	ended := make(chan struct{})
	c.mu.Lock()
	c.reader = ended
	c.mu.Unlock()
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		defer close(ended)
		c.read(c.sock.Load(), found)
	}()
}

// Rebind goes on from another local port, as a client does whose NAT has forgotten it. It must not run beside Close.
func (c *Conn) Rebind() error {
	sock, err := net.ListenUDP("udp", nil)
	if err != nil {
		return fmt.Errorf("media: rebind: %w", err)
	}
	c.mu.Lock()
	ended := c.reader
	c.mu.Unlock()
	err = c.sock.Swap(sock).Close()
	<-ended
	c.listen(make(chan netip.AddrPort, 1))
	c.check(*c.remote.Load())
	return err
}

// find sends checks to every candidate until one answers.
func (c *Conn) find(ctx context.Context, found <-chan netip.AddrPort) error {
	t := time.NewTicker(checkEvery)
	defer t.Stop()
	for {
		for _, a := range c.answer.candidates {
			c.check(a)
		}
		select {
		case a := <-found:
			c.remote.Store(&a)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// check sends one connectivity check that nominates at once: the server is ICE-lite (RFC 8445 §8.1.1).
func (c *Conn) check(a netip.AddrPort) {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(c.answer.ufrag+":"+c.ufrag),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0x6E, 0x7F, 0xFF, 0xFF}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: []byte("guantong")},
		stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.NewShortTermIntegrity(c.answer.pwd), stun.Fingerprint)
	if err == nil {
		_, _ = c.sock.Load().WriteToUDPAddrPort(m.Raw, a) // asked again
	}
}

// keep renews the server's consent.
func (c *Conn) keep() {
	defer c.wg.Done()
	t := time.NewTicker(c.cfg.Consent)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.check(*c.remote.Load())
		case <-c.done:
			return
		}
	}
}

func (c *Conn) shake(ctx context.Context) error {
	conn, err := dtls.ClientWithOptions(c.pipe, &net.UDPAddr{},
		dtls.WithCertificates(*c.cert), dtls.WithInsecureSkipVerify(true),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithFlightInterval(200*time.Millisecond), dtls.WithVerifyPeerCertificate(c.answer.verify))
	if err != nil {
		return err
	}
	c.dtls = conn
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	state, ok := conn.ConnectionState()
	profile, chosen := conn.SelectedSRTPProtectionProfile()
	if !ok || !chosen {
		return errors.New("no SRTP profile")
	}
	k := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := k.ExtractSessionKeysFromDTLS(&state, true); err != nil {
		return err
	}
	in, err := srtp.CreateContext(k.Keys.RemoteMasterKey, k.Keys.RemoteMasterSalt, k.Profile, srtp.SRTPReplayProtection(128))
	if err != nil {
		return err
	}
	c.in.Store(in)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out, err = srtp.CreateContext(k.Keys.LocalMasterKey, k.Keys.LocalMasterSalt, k.Profile)
	return err
}

func (a *answer) verify(raw [][]byte, _ [][]*x509.Certificate) error {
	if len(raw) == 0 {
		return errors.New("no certificate")
	}
	sum := sha256.Sum256(raw[0])
	if !strings.EqualFold(hex.EncodeToString(sum[:]), a.fingerprint) {
		return errors.New("the certificate is not that of the answer")
	}
	return nil
}

// watch ends the client when the server says goodbye.
func (c *Conn) watch() {
	defer c.wg.Done()
	var b [64]byte
	for {
		if _, err := c.dtls.Read(b[:]); err != nil {
			c.ended.Do(func() { close(c.done) })
			return
		}
	}
}

// read serves the socket until it is closed.
func (c *Conn) read(sock *net.UDPConn, found chan<- netip.AddrPort) {
	var buf, plain [datagramMax]byte
	var h rtp.Header
	for {
		n, from, err := sock.ReadFromUDPAddrPort(buf[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n == 0 {
			continue
		}
		switch b := buf[0]; {
		case b <= 3:
			if c.answered(buf[:n]) {
				select {
				case found <- from:
				default:
				}
			}
		case b >= 20 && b <= 63:
			c.pipe.Push(buf[:n], struct{}{})
		case n >= 12 && b >= 128 && b <= 191 && (buf[1]&0x7F < 64 || buf[1]&0x7F > 95):
			c.take(plain[:0], buf[:n], &h)
		}
	}
}

func (c *Conn) answered(data []byte) bool {
	m := &stun.Message{Raw: append([]byte(nil), data...)}
	return m.Decode() == nil && m.Type == stun.BindingSuccess && stun.NewShortTermIntegrity(c.answer.pwd).Check(m) == nil
}

func (c *Conn) take(plain, data []byte, h *rtp.Header) {
	in := c.in.Load()
	slot, known := c.answer.slots[binary.BigEndian.Uint32(data[8:])]
	if in == nil || !known {
		c.counts.bad.Add(1)
		return
	}
	plain, err := in.DecryptRTP(plain, data, h)
	if err != nil {
		c.counts.bad.Add(1)
		return
	}
	if next, ok := c.next[slot]; ok {
		switch gap := int16(h.SequenceNumber - next); {
		case gap >= 0:
			c.counts.lost.Add(uint64(gap))
			c.next[slot] = h.SequenceNumber + 1
		default: // it was counted as lost, and is only late
			c.counts.lost.Add(^uint64(0))
			c.counts.late.Add(1)
		}
	} else {
		c.next[slot] = h.SequenceNumber + 1
	}
	c.counts.received.Add(1)
	if c.cfg.Receive != nil {
		c.cfg.Receive(Packet{Slot: slot, Seq: h.SequenceNumber, Time: h.Timestamp, Marker: h.Marker, Payload: plain[h.MarshalSize():]})
	}
}

// Send sends one packet of Opus that lasts samples at 48 kHz (960 for 20 ms). Marker is for the first after silence.
func (c *Conn) Send(payload []byte, samples uint32, marker bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.remote.Load()
	if c.out == nil || to == nil {
		return net.ErrClosed
	}
	p := rtp.Packet{Header: rtp.Header{Version: 2, Marker: marker, PayloadType: opusType, SequenceNumber: c.seq, Timestamp: c.ts, SSRC: c.ssrc}, Payload: payload}
	c.seq++
	c.ts += samples
	plain, err := p.Marshal()
	if err != nil {
		return fmt.Errorf("media: send: %w", err)
	}
	data, err := c.out.EncryptRTP(nil, plain, nil)
	if err != nil {
		return fmt.Errorf("media: send: %w", err)
	}
	if err := c.write(data, *to); err != nil {
		return fmt.Errorf("media: send: %w", err)
	}
	return nil
}

// Done is closed when the server has said goodbye, or Close was called.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Stats gives the counters.
func (c *Conn) Stats() Stats {
	return Stats{Received: c.counts.received.Load(), Lost: c.counts.lost.Load(), Late: c.counts.late.Load(), Bad: c.counts.bad.Load()}
}

// Close says goodbye and frees everything. It may be called more than once.
func (c *Conn) Close() error {
	c.ended.Do(func() { close(c.done) })
	if c.dtls != nil {
		_ = c.dtls.Close() // the goodbye is a courtesy
	}
	if c.pipe != nil {
		c.pipe.Farewell(false)
	}
	err := c.sock.Load().Close()
	c.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
