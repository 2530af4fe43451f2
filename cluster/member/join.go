package member

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/guantong-net/guantong/cluster/mux"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/trust"
)

// joinLimit is how long joining may take: the site may have to elect a leader meanwhile.
const joinLimit = 30 * time.Second

// ErrOtherSite reports that who answers is not the site that the token is of.
var ErrOtherSite = errors.New("member: the server is not of the site that the token is for: its CA is another one")

// Join asks a node of the site to take this one in. request is a certificate request (trust.NewNodeKey). A refusal is a
// *fusion.Error with the site's reason.
func Join(ctx context.Context, t Token, address, node, announce string, request []byte, now func() time.Time) (Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{mux.Join}, ServerName: trust.NodeHost,
		// The CA is not known yet but by its hash in the token: verify checks the chain against that.
		InsecureSkipVerify: true, VerifyConnection: t.verify(now),
	}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return Grant{}, fmt.Errorf("join at %s: %w", address, err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	return t.ask(conn, Request{
		Version: Version, Site: t.Site, Secret: t.Secret[:], Node: node, Address: announce, Certificate: request, At: now().UnixMilli(),
		Knows: state.ClusterVersion,
	})
}

func (t Token) ask(conn net.Conn, r Request) (Grant, error) {
	if err := writeFrame(conn, r); err != nil {
		return Grant{}, fmt.Errorf("join: %w", err)
	}
	var g Grant
	if err := readFrame(conn, &g); err != nil {
		return Grant{}, fmt.Errorf("join: %w", err)
	}
	if g.Reason != "" {
		return Grant{}, &fusion.Error{Fault: fusion.Fault(g.Fault), Reason: g.Reason, Detail: g.Detail}
	}
	if g.Site != t.Site {
		return Grant{}, ErrOtherSite
	}
	return g, nil
}

// verify finds the CA that the token names among what the server shows, and checks the server's certificate against it.
func (t Token) verify(now func() time.Time) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		for _, ca := range cs.PeerCertificates {
			if sha256.Sum256(ca.Raw) != t.CA {
				continue
			}
			roots := x509.NewCertPool()
			roots.AddCert(ca)
			leaf := cs.PeerCertificates[0]
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: trust.NodeHost, CurrentTime: now()}); err != nil {
				return err
			}
			name, err := trust.NodeNameOf(leaf)
			if err == nil && name.Site != t.Site {
				err = ErrOtherSite
			}
			return err
		}
		return ErrOtherSite
	}
}
