package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/speech"
)

// badSIP is what a telephone never sends.
func badSIP(to string) []string {
	good := "Via: SIP/2.0/UDP 127.0.30.1:5060;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\n"
	return []string{
		"REGISTER\r\n\r\n", "\x00\x01\x02\x03", "SIP/2.0 999999 No\r\n\r\n", strings.Repeat("A", 4000) + "\r\n\r\n",
		"REGISTER sip:" + to + " SIP/2.0\r\n\r\n",
		"REGISTER sip:" + to + " SIP/2.0\r\n" + good + "CSeq: 99999999999999999999 REGISTER\r\nContent-Length: 0\r\n\r\n",
		"INVITE sip:" + to + " SIP/2.0\r\n" + good + "CSeq: 1 INVITE\r\nContent-Length: -5\r\n\r\n",
		"INVITE sip:" + to + " SIP/2.0\r\n" + good + "CSeq: 1 INVITE\r\nContent-Length: 999999999\r\n\r\nx",
		"INVITE sip:" + to + " SIP/3.0\r\n" + good + "CSeq: 1 INVITE\r\n\r\n",
		"INVITE \xff\xfe SIP/2.0\r\n" + good + "CSeq: 1 BYE\r\n\r\n",
		"\r\n\r\n\r\n\r\n", "INVITE sip:" + to + " SIP/2.0\r\nVia\r\n: : :\r\n" + strings.Repeat("X: y\r\n", 2000) + "\r\n",
	}
}

// throw sends datagrams from an address of 127/8.
func throw(t *testing.T, from string, to string, data ...[]byte) {
	t.Helper()
	c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, d := range data {
		_, _ = c.Write(d) // a port that nobody has is part of the test
	}
}

// stream sends octets over a connection and reads until the server ends it or has said what it wants.
func stream(c net.Conn, data string) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(500 * time.Millisecond)) // a connection that is over needs none
	_, _ = io.WriteString(c, data)                            // the server may have ended it
	_, _ = io.Copy(io.Discard, c)
}

func TestGarbageOnEveryPortCostsNobodyAPacket(t *testing.T) {
	b := server(t)
	c := converse(t, b)
	sip := b.metric(t, "guantong_sip_malformed_total")
	stun, dtls, unknown, rtp := b.metric(t, "guantong_media_bad_stun_total"), b.metric(t, "guantong_media_bad_dtls_total"), b.metric(t, "guantong_media_unknown_total"), b.metric(t, "guantong_rtp_")

	for i, m := range badSIP(b.SIP) {
		throw(t, fmt.Sprintf("127.0.30.%d", 1+i), b.SIP, []byte(m))
	}
	b.grew(t, "guantong_sip_malformed_total", sip+3)
	sip = b.metric(t, "guantong_sip_malformed_total")
	for i, m := range badSIP(b.SIP) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 31, byte(1+i))}}
		plain, err := d.DialContext(t.Context(), "tcp", b.SIP)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := (&tls.Dialer{NetDialer: &d, Config: b.trusting(t)}).DialContext(t.Context(), "tcp", b.sip["tls"])
		if err != nil {
			t.Fatal(err)
		}
		go stream(secret, m)
		stream(plain, m)
	}
	raw, err := net.Dial("tcp", b.sip["tls"])
	if err != nil {
		t.Fatal(err)
	}
	stream(raw, "no TLS at all")
	b.grew(t, "guantong_sip_malformed_total", sip+3)

	// The browsers' media port: noise, and what begins like STUN, DTLS, RTP and RTCP.
	media := b.configured(t, "media", "listen")
	for i, first := range [][]byte{{}, {0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42}, {22, 0xFE, 0xFD, 0, 0}, {0x80, 111, 0, 1}, {0x80, 200, 0, 1}, {0xC0, 0xFF}} {
		for j := range 20 {
			throw(t, fmt.Sprintf("127.0.32.%d", 1+i), media, append(append([]byte{}, first...), random(uint64(i*100+j), j*60)...))
		}
	}
	b.grew(t, "guantong_media_bad_stun_total", stun)
	b.grew(t, "guantong_media_bad_dtls_total", dtls)
	b.grew(t, "guantong_media_unknown_total", unknown)

	// The telephones' media ports, all of them: one of them is in the call.
	low, err := strconv.Atoi(b.configured(t, "telephone", "rtp_low"))
	if err != nil {
		t.Fatal(err)
	}
	for port := low; port < low+2000; port++ {
		at := "127.0.0.1:" + strconv.Itoa(port)
		throw(t, "127.0.33.1", at, random(uint64(port), 172), []byte{0x80, 8, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9, 1, 2, 3}, []byte{0x80, 200}, []byte{0x80, 101, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9, 200, 0xFF, 0xFF})
	}
	b.grew(t, "guantong_rtp_", rtp+1)
	c.check(t)
}

func TestATelephoneThatOffersNonsenseIsToldSo(t *testing.T) {
	b := server(t)
	before := b.metric(t, "guantong_sip_bad_sdp_total")
	n := b.number()
	account := b.extension(t, n, "")
	p := b.register(t, account, n)
	head := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
	for _, sdp := range []string{"nonsense", head + "m=audio 99999999 RTP/AVP 8\r\n", head + "m=audio 4000 RTP/AVP 77\r\n"} {
		err := p.DialWith(t.Context(), "10001", sdp)
		if err == nil || !strings.Contains(err.Error(), ": 4") {
			t.Errorf("an offer of %.20q: %v, want a refusal by 4xx", sdp, err)
		}
	}
	b.grew(t, "guantong_sip_bad_sdp_total", before+1)
	if err := p.Dial(t.Context(), "10001"); err != nil {
		t.Errorf("a good offer afterwards: %v", err)
	}
	if err := p.Hang(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestATelephoneTalksToAConsole(t *testing.T) {
	b := server(t)
	g := b.group(t, true)
	h := sit(t, b.sdk(t, b.person(t)))
	h.join(t, g)
	p := b.phone(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Dial(ctx, g.String()); err != nil {
		t.Fatal(err)
	}
	s, err := speech.Load("pilot")
	if err != nil {
		t.Fatal(err)
	}
	said := load.Frames(s.Cut(0, 1))
	before := h.heard.Load()
	if _, _, err := p.Talk(ctx, said); err != nil { // without having pressed
		t.Fatal(err)
	}
	if n := h.heard.Load(); n != before {
		t.Errorf("%d packets of a telephone that had not pressed were heard", n-before)
	}
	if err := p.Key(ctx, '*'); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Talk(ctx, said); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the telephone is heard", func() bool { return h.heard.Load() >= int64(len(said)-15) })
	if err := p.Key(ctx, '#'); err != nil {
		t.Fatal(err)
	}
	if err := p.Hang(ctx); err != nil {
		t.Error(err)
	}
}
