package webrtc

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Config says where and how browsers are served. The zero value of each member means the default in brackets.
type Config struct {
	Listen  string       // UDP address of the one media socket ["[::]:8443", dual-stack]; ignored when UDPConn is set
	UDPConn *net.UDPConn // a socket made by the caller; the Server closes it
	// Announce are the addresses that answers name, for a server behind a static NAT; a zero port means the
	// socket's own. [every address of this machine, the loopback ones last]
	Announce    []netip.AddrPort
	Certificate *tls.Certificate // of DTLS [a new ECDSA P-256 one: see NewCertificate]

	Slots          int // receive slots of a session, 1…32 [8]
	MaxSessions    int // [1000]
	Handshakes     int // DTLS handshakes under way at once [64]
	HandshakesEach int // of those, from one IP address [32]
	// Readers is how many goroutines read the socket. One carries some 80 000 forwarded packets a second; with more, two packets of a
	// talker that arrive together may change places. [1]
	Readers int
	Buffer  int           // SO_RCVBUF and SO_SNDBUF, in bytes [4 MiB; the kernel may give less]
	Setup   time.Duration // offer → connected, else the session is closed [15 s]
	Consent time.Duration // without an authenticated STUN request for so long, a session is closed [30 s, RFC 7675 §5.1]

	Log  *slog.Logger     // [discard]
	Now  func() time.Time // [time.Now]
	Rand io.Reader        // of ufrags, passwords, SSRCs, first sequence numbers [crypto/rand]
	// Ticker starts the clock of the housekeeping. [time.NewTicker]
	Ticker func(d time.Duration) (c <-chan time.Time, stop func())
}

func (c Config) withDefaults() (Config, error) {
	set := func(p *int, def int) {
		if *p == 0 {
			*p = def
		}
	}
	set(&c.Slots, 8)
	set(&c.MaxSessions, 1000)
	set(&c.Handshakes, 64)
	set(&c.HandshakesEach, 32)
	set(&c.Readers, 1)
	set(&c.Buffer, 4<<20)
	if c.Slots < 1 || c.Slots > maxSlots || c.Readers < 1 || c.MaxSessions < 1 || c.Handshakes < 1 || c.HandshakesEach < 1 {
		return c, fmt.Errorf("webrtc: config: slots 1…%d, and every limit at least 1", maxSlots)
	}
	if c.Listen == "" {
		c.Listen = "[::]:8443"
	}
	if c.Setup <= 0 {
		c.Setup = 15 * time.Second
	}
	if c.Consent <= 0 {
		c.Consent = 30 * time.Second
	}
	return c.withSystem(), nil
}

// withSystem takes from the system what was not handed in.
func (c Config) withSystem() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Ticker == nil {
		c.Ticker = func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(d)
			return t.C, t.Stop
		}
	}
	return c
}
