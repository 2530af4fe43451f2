package telephone

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/testbed/peer"
)

func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "guantong"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

func TestBaresipOverTLSWithSRTP(t *testing.T) {
	b := newBoard(t)
	s := serve(t, Config{TLS: "127.0.0.1:0", TLSConfig: selfSigned(t)}, book{extension(11001, "1001")}, b, b)
	p := phone(t, peer.Phone{User: "1001", Password: "pw-1001", Server: s.Addr("tls").String(), Transport: "tls", SRTP: true, Source: toneFile(t, "8000")})
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := p.Dial(ctx, "2000"); err != nil {
		t.Fatal(err)
	}
	b.wait("seat", b.has("seated"))
	if err := p.Press("*", 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	b.wait("a request through SRTP", b.has("request"))
	b.wait("speech through SRTP", b.has("pushed 50"))
	c := b.lines[0].(*call)
	if c.m.session().in == nil {
		t.Fatal("the media is in the clear")
	}
	if n := s.counters.BadRTP.Load(); n > 2 { // what baresip sent before it had our key
		t.Fatalf("%d packets did not open", n)
	}
}

func TestPlainSignallingGetsNoSRTP(t *testing.T) {
	d, err := parseSDP([]byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agree(d, defaultCodecs(), false); err == nil {
		t.Fatal("SRTP keys were taken over plain signalling")
	}
	s, err := agree(d, defaultCodecs(), true)
	if err != nil || s.in == nil {
		t.Fatalf("not taken over TLS: %v", err)
	}
}

func TestHoldAndTransferFromBaresip(t *testing.T) {
	b := newBoard(t)
	s := serve(t, Config{UDP: "127.0.0.1:0"}, book{extension(11001, "1001")}, b, b)
	p := phone(t, peer.Phone{User: "1001", Password: "pw-1001", Server: s.Addr("udp").String(), Source: toneFile(t, "8000")})
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := p.Dial(ctx, "2000"); err != nil {
		t.Fatal(err)
	}
	b.wait("seat", b.has("seated"))
	for _, step := range []struct{ key, want string }{{"x", "held"}, {"X", "resumed"}} {
		if err := p.Press(step.key, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		b.wait(step.want, b.has(step.want))
		b.wait("seat "+step.want, b.has("seat "+step.want))
	}
	if err := p.Command("transfer 1002"); err != nil {
		t.Fatal(err)
	}
	b.wait("transfer", b.has("transfer 1002"))
	b.wait("end", b.has("ended normal"))
}

func TestDialBaresip(t *testing.T) {
	b := newBoard(t)
	b.full = true
	s := serve(t, Config{UDP: "127.0.0.1:0"}, book{extension(11001, "1001"), extension(11002, "1002")}, b, b)
	auto := phone(t, peer.Phone{User: "1001", Password: "pw-1001", Server: s.Addr("udp").String(), Source: toneFile(t, "8000"), AnswerMode: "auto"})
	line, err := s.Dial(t.Context(), desk.Target{Unit: 11001, From: "2000"})
	if err != nil {
		t.Fatal(err)
	}
	b.wait("answer", b.has("answered"))
	b.wait("speech", b.has("pushed 50"))
	if line.Format().ID.Clock() != 8000 {
		t.Fatalf("format %v", line.Format())
	}
	line.Hang(desk.Normal)
	b.wait("end", b.has("ended normal"))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := auto.Log().Wait(ctx, containsAll("session closed")); err != nil {
		t.Fatal(err)
	}
	manual := phone(t, peer.Phone{User: "1002", Password: "pw-1002", Server: s.Addr("udp").String()})
	if line, err = s.Dial(t.Context(), desk.Target{Unit: 11002, From: "2000"}); err != nil {
		t.Fatal(err)
	}
	b.wait("ringing", b.has("early"))
	line.Hang(desk.NoAnswer)
	b.wait("end of the ringing", b.has("ended no_answer"))
	if err := manual.Log().Wait(ctx, containsAll("session closed")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Dial(t.Context(), desk.Target{Unit: 11003}); err == nil {
		t.Fatal("an unknown extension was dialled")
	}
}
