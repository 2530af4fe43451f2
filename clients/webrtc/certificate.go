package webrtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"time"
)

// NewCertificate makes a self-signed ECDSA P-256 certificate for DTLS, good for ten years: its fingerprint travels in the
// answer, over the page's own TLS, so nobody looks at who signed it.
func NewCertificate(random io.Reader, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(random, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "guantong media"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(random, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// sha256Fingerprint writes a certificate's fingerprint as SDP has it (RFC 8122 §5).
func sha256Fingerprint(der []byte) string {
	var b strings.Builder
	for i, c := range sha256.Sum256(der) {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", c)
	}
	return b.String()
}

const textAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// randomText gives n characters of six random bits each (ice-char, RFC 8839 §5.4).
func randomText(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", err
	}
	for i := range b {
		b[i] = textAlphabet[b[i]&63]
	}
	return string(b), nil
}

func udpAddr(o origin) *net.UDPAddr { return net.UDPAddrFromAddrPort(o.remote) }
