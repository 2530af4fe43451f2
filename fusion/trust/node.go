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
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// NodeHost is the DNS name in every node's certificate: nodes are told apart by their NodeName, not by where they are.
const NodeHost = "node.guantong.invalid"

// NodeName says in a certificate which node of which site its holder is: the URI
// guantong://site/1/incarnation/0/node/node-1 among the subject alternative names (RFC 5280 §4.2.1.6).
type NodeName struct {
	Site        fusion.Site
	Incarnation uint64 // of the site: one from before a recovery is not let in
	Node        string // 1 to 63 letters, digits, hyphens, underscores
}

// ErrNoNode reports a certificate that is no node's.
var ErrNoNode = errors.New("trust: not a node's certificate")

// ErrBadNodeID reports a node ID that cannot stand in a certificate.
var ErrBadNodeID = errors.New("trust: a node ID is 1 to 63 letters, digits, hyphens and underscores")

// CheckNodeID tells whether a name may be a node's.
func CheckNodeID(id string) error {
	if len(id) == 0 || len(id) > 63 || strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) {
		return ErrBadNodeID
	}
	return nil
}

// URI is the form that stands in certificates.
func (n NodeName) URI() *url.URL {
	return &url.URL{Scheme: "guantong", Host: "site", Path: fmt.Sprintf("/%d/incarnation/%d/node/%s", n.Site, n.Incarnation, n.Node)}
}

// NodeNameOf reads whose certificate it is. The caller has verified its chain.
func NodeNameOf(c *x509.Certificate) (NodeName, error) {
	if len(c.URIs) != 1 || c.URIs[0].Scheme != "guantong" || c.URIs[0].Host != "site" {
		return NodeName{}, ErrNoNode
	}
	p := strings.Split(c.URIs[0].Path, "/")
	if len(p) != 6 || p[0] != "" || p[2] != "incarnation" || p[4] != "node" {
		return NodeName{}, ErrNoNode
	}
	site, err1 := strconv.ParseUint(p[1], 10, 16)
	inc, err2 := strconv.ParseUint(p[3], 10, 64)
	n := NodeName{Site: fusion.Site(site), Incarnation: inc, Node: p[5]}
	if err := errors.Join(err1, err2, CheckNodeID(n.Node)); err != nil || site < 1 || n.Site > fusion.MaxSite || n.URI().String() != c.URIs[0].String() {
		return NodeName{}, ErrNoNode
	}
	return n, nil
}

// KeyPin is the SHA-256 of a certificate's public key in hexadecimal: it stays when the certificate is renewed.
func KeyPin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// NewNodeKey makes a node's key and a request for its certificate (PKCS #10, RFC 2986): the key stays where it was made.
func NewNodeKey(random io.Reader) (key, request []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, nil, fmt.Errorf("make node key: %w", err)
	}
	if key, err = keyPEM(k); err != nil {
		return nil, nil, fmt.Errorf("make node key: %w", err)
	}
	request, err = RequestFor(key, random)
	return key, request, err
}

// RequestFor makes a request for a certificate of a key that is there already, as DER.
func RequestFor(key []byte, random io.Reader) ([]byte, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, ErrBadPEM
	}
	k, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read node key: %w", err)
	}
	request, err := x509.CreateCertificateRequest(random, &x509.CertificateRequest{Subject: pkix.Name{CommonName: NodeHost}}, k)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return request, nil
}

// IssueNode answers a request with a node's certificate, as PEM chain. Of the request it takes the public key only.
func (a *Authority) IssueNode(request []byte, name NodeName, now time.Time) ([]byte, error) {
	if err := CheckNodeID(name.Node); err != nil {
		return nil, err
	}
	req, err := x509.ParseCertificateRequest(request)
	if err == nil {
		err = req.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("read certificate request: %w", err)
	}
	key, ok := req.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("read certificate request: the key is not ECDSA P-256")
	}
	serial, err := newSerial(a.rand)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name.Node, Organization: []string{"Guantong"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{NodeHost}, URIs: []*url.URL{name.URI()},
	}
	der, err := x509.CreateCertificate(a.rand, t, a.cert, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("make node certificate: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), a.Certificate()...), nil
}

// FitsNode reports whether a certificate is from this CA, of that node, and not about to end.
func (a *Authority) FitsNode(c tls.Certificate, name NodeName, now time.Time) bool {
	if !a.Fits(c, []string{NodeHost}, now) {
		return false
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return false
	}
	got, err := NodeNameOf(leaf)
	return err == nil && got == name
}

// Pool is the pool of this CA alone.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}
