package telephone

import (
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func FuzzSDP(f *testing.F) {
	f.Add([]byte(linphoneOffer))
	f.Add([]byte("v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\nm=audio 65535 RTP/SAVP 8\r\nc=IN IP6 ::1\r\na=crypto:1 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseSDP(b)
		if err != nil {
			return
		}
		s, err := agree(d, defaultCodecs(), true)
		if err != nil {
			return
		}
		if s.in != nil {
			s.out = s.in
		}
		_, _ = newCryptoPair(s)
		_ = local{addr: netip.MustParseAddrPort("192.0.2.1:30000")}.answer(d, s)
	})
}

func newCryptoPair(s session) (in, out *srtpPair) { in, out, _ = s.srtp(); return in, out }

func FuzzRTP(f *testing.F) {
	f.Add([]byte{0x80, 8, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4, 0xd5})
	f.Add([]byte{0xb1, 0x80 | 101, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4, 1, 1, 1, 1, 0xbe, 0xde, 0, 1, 0, 0, 0, 0, 10, 0x80, 1, 64, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parseRTP(b)
		if ok {
			if len(p.payload) > len(b)-rtpHeader {
				t.Fatal("payload beyond the datagram")
			}
			if e, ok := parseEvent(p.payload); ok {
				_ = e.key()
			}
		}
		_, _ = parseRTCP(b)
	})
}

func FuzzRTCPOfOurs(f *testing.F) {
	f.Add(uint32(1), uint32(2), true, true)
	f.Fuzz(func(t *testing.T, ssrc, peer uint32, sent, heard bool) {
		b := report{ssrc: ssrc, peer: peer, sent: sent, heard: heard, ntp: ntp(time.Unix(1000, 5))}.append(nil)
		if _, ok := parseRTCP(b); !ok || len(b)%4 != 0 {
			t.Fatalf("our report does not parse: %x", b)
		}
	})
}

func FuzzTelephoneEvent(f *testing.F) {
	f.Add([]byte{10, 0x80, 3, 0x20})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := parseEvent(b); ok {
			_ = e.key()
		}
	})
}

func FuzzInfo(f *testing.F) {
	f.Add("application/dtmf-relay", []byte("Signal=*\r\nDuration=160"))
	f.Fuzz(func(t *testing.T, typ string, b []byte) { _, _ = parseInfo(typ, b) })
}

func FuzzCredentials(f *testing.F) {
	f.Add(`Digest username="a\"b", realm="r", nonce="n", uri="sip:x", response="0", qop=auth, nc=00000001, cnonce="c"`)
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := parseCredentials(s); ok {
			_ = c.count()
			_ = c.proves(Account{HA1MD5: "x", HA1SHA256: "y"}, "INVITE")
		}
	})
}

// FuzzScreen throws datagrams at the screen as a stranger's and as a telephone's.
func FuzzScreen(f *testing.F) {
	f.Add([]byte("OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"))
	f.Add([]byte("INVITE sip:x SIP/2.0\r\nv: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bKx\r\nf: <sip:a@b>;tag=1\r\nt: <sip:a@b>\r\ni: 1\r\nCSeq: 1 INVITE\r\nAuthorization: Digest username=\"x\", nonce=\"y\", response=\"z\"\r\n\r\n"))
	cfg, err := Config{UDP: "127.0.0.1:0"}.withDefaults()
	if err != nil {
		f.Fatal(err)
	}
	cfg.Limits.StrangerRate, cfg.Limits.StrangerBurst, cfg.Limits.StrangersRate, cfg.Limits.StrangersBurst = 1e9, 1e9, 1e9, 1e9
	s := &Server{cfg: cfg, now: time.Now, calls: newCalls(), guard: newGuard(cfg.Limits, nil, time.Now), parser: sip.NewParser()}
	s.deps.Accounts = book{extension(11001, "1001")}
	s.nonces = newNonces([32]byte{1}, time.Minute, 100)
	src := netip.MustParseAddrPort("192.0.2.1:5060")
	f.Fuzz(func(t *testing.T, b []byte) {
		if !plausible(b, cfg.Limits.MessageBytes) {
			return
		}
		msg, err := s.parser.ParseSIP(b)
		if err != nil {
			return
		}
		if req, ok := msg.(*sip.Request); ok {
			if s.screenRequest(req, src, func(r *sip.Response) { _ = r.String() }) {
				t.Fatal("a request that proves nothing went on")
			}
		}
	})
}
