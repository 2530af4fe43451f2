package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"
)

const (
	authorityLife = 20 * 365 * 24 * time.Hour
	// leafLife is what browsers still take of a private CA.
	leafLife = 825 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is made anew.
	renewBefore = 30 * 24 * time.Hour
	// backdate lets clocks that lag accept a new certificate.
	backdate = 24 * time.Hour
)

// ErrBadPEM reports text that is not the PEM it should be.
var ErrBadPEM = errors.New("trust: not the PEM that was expected")

// Authority is a site's CA.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	rand io.Reader
}

// NewAuthority makes the CA of a site.
func NewAuthority(name string, random io.Reader, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("make CA key: %w", err)
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Guantong"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(authorityLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(random, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make CA certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make CA certificate: %w", err)
	}
	return &Authority{cert: cert, key: key, rand: random}, nil
}

// LoadAuthority reads what Certificate and Key wrote.
func LoadAuthority(certPEM, keyPEM []byte, random io.Reader) (*Authority, error) {
	cert, err := parseCertificate(certPEM)
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, fmt.Errorf("read CA key: %w", ErrBadPEM)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read CA key: %w", err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("read CA: key and certificate do not belong together")
	}
	return &Authority{cert: cert, key: key, rand: random}, nil
}

// Certificate is the CA's certificate as PEM: what administrators give to browsers and telephones.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Root is the CA's certificate.
func (a *Authority) Root() *x509.Certificate { return a.cert }

// Key is the CA's private key as PEM.
func (a *Authority) Key() ([]byte, error) { return keyPEM(a.key) }

// Fingerprint is the SHA-256 of the CA's certificate in hexadecimal, to be compared by eye.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.cert.Raw)
	return hex.EncodeToString(sum[:])
}

// Issue makes a server certificate for the names and addresses, as PEM chain and key.
func (a *Authority) Issue(names []string, now time.Time) (chain, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), a.rand)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	serial, err := newSerial(a.rand)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: first(names), Organization: []string{"Guantong"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(a.rand, t, a.cert, &k.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key, err = keyPEM(k)
	return append(chain, a.Certificate()...), key, err
}

// Fits reports whether a certificate is from this CA, good for all the names, and not about to end.
func (a *Authority) Fits(c tls.Certificate, names []string, now time.Time) bool {
	if len(c.Certificate) == 0 {
		return false
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil || leaf.CheckSignatureFrom(a.cert) != nil || now.After(leaf.NotAfter.Add(-renewBefore)) {
		return false
	}
	for _, n := range names {
		if leaf.VerifyHostname(n) != nil {
			return false
		}
	}
	return true
}

func first(names []string) string {
	if len(names) == 0 {
		return "guantong"
	}
	return names[0]
}

func newSerial(random io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:]), nil
}

func keyPEM(k *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func parseCertificate(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, ErrBadPEM
	}
	return x509.ParseCertificate(block.Bytes)
}
