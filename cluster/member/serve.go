package member

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/trust"
)

// Registrar lets nodes join.
type Registrar struct {
	Authority *trust.Authority
	Site      func() (state.Site, error)
	// Began tells how the site's incarnation began, and the cluster version that a node must know.
	Began func() (state.Recovery, uint32, error)
	// Use has the site take a token, by a replicated command on behalf of where the request came from.
	Use func(ctx context.Context, u state.TokenUse, from string) error
	// Known tells whether a token was ever made here: one that was not costs no commit.
	Known func(hash []byte) (bool, error)
	// Note audits a refusal that no command did; it is called once in noteEvery at the most.
	Note func(ctx context.Context, node, from, reason string)
	Now  func() time.Time
	Log  *slog.Logger

	refused atomic.Uint64
	noted   atomic.Int64
}

// noteEvery keeps who tries tokens from filling the audit.
const noteEvery = 10 * time.Second

const (
	requestLimit = 5 * time.Second // for a newcomer to say what it wants
	joining      = 4               // at once: each one may cost a commit
)

// Refused counts requests that were refused or could not be read.
func (r *Registrar) Refused() uint64 { return r.refused.Load() }

// Serve answers newcomers until ctx ends.
func (r *Registrar) Serve(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	room := make(chan struct{}, joining)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept newcomers: %w", err)
		}
		room <- struct{}{}
		conns.Go(func() {
			defer func() { <-room }()
			r.answer(ctx, conn)
		})
	}
}

func (r *Registrar) answer(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	from := conn.RemoteAddr().String()
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	if conn.SetDeadline(time.Now().Add(requestLimit)) != nil {
		return
	}
	var q Request
	err := readFrame(conn, &q)
	var g Grant
	if err == nil {
		g, err = r.grant(ctx, q, from)
	}
	if err != nil {
		r.refused.Add(1)
		r.Log.WarnContext(ctx, "a node was not let in", "node", q.Node, "from", from, "error", err)
		r.note(ctx, q, from, err)
		g = refusal(err)
	} else {
		r.Log.InfoContext(ctx, "a node joins", "node", q.Node, "address", q.Address, "from", from)
	}
	if conn.SetDeadline(time.Now().Add(requestLimit)) == nil {
		_ = writeFrame(conn, g) // a newcomer that has gone asks again with another token
	}
}

// note audits a refusal. What the state has refused it has audited itself.
func (r *Registrar) note(ctx context.Context, q Request, from string, err error) {
	if _, applied := errors.AsType[applied](err); applied || fusion.FaultOf(err) == fusion.CutOff {
		return
	}
	now, last := r.Now().UnixNano(), r.noted.Load()
	if now-last < int64(noteEvery) && now >= last || !r.noted.CompareAndSwap(last, now) {
		return
	}
	node := q.Node
	if trust.CheckNodeID(node) != nil {
		node = ""
	}
	r.Note(ctx, node, from, refusal(err).Reason)
}

// applied marks a refusal by the state.
type applied struct{ error }

func (a applied) Unwrap() error { return a.error }

func refusal(err error) Grant {
	e, ok := errors.AsType[*fusion.Error](err)
	if !ok {
		e = &fusion.Error{Fault: fusion.BadRequest, Reason: "bad_request", Detail: "the request cannot be read"}
	}
	return Grant{Fault: uint8(e.Fault), Reason: e.Reason, Detail: e.Detail}
}

// grant checks a request, has its token taken, and issues the certificate.
func (r *Registrar) grant(ctx context.Context, q Request, from string) (Grant, error) {
	site, err := r.Site()
	if err != nil {
		return Grant{}, err
	}
	began, version, err := r.Began()
	if err != nil {
		return Grant{}, err
	}
	pin, err := r.check(q, site)
	if err != nil {
		return Grant{}, err
	}
	if q.Knows < version {
		return Grant{}, fusion.E(fusion.NotAllowed, "older_version", "the node's program knows cluster version %d, the site is at %d: it takes a newer program", q.Knows, version)
	}
	sum := sha256.Sum256(q.Secret)
	if known, err := r.Known(sum[:]); err != nil || !known {
		return Grant{}, errors.Join(err, fusion.E(fusion.NotAllowed, "token_unknown", "no such token was made at this site"))
	}
	if err := r.Use(ctx, state.TokenUse{Hash: sum[:], Node: q.Node, Address: q.Address, Key: pin}, from); err != nil {
		return Grant{}, applied{err}
	}
	chain, err := r.Authority.IssueNode(q.Certificate, trust.NodeName{Site: site.Number, Incarnation: site.Incarnation, Node: q.Node}, r.Now())
	if err != nil {
		return Grant{}, err
	}
	key, err := r.Authority.Key()
	return Grant{
		Chain: chain, CA: r.Authority.Certificate(), CAKey: key,
		Site: site.Number, SiteName: site.Name, Realm: site.Realm, Incarnation: site.Incarnation,
		FromIndex: began.Index, FromTerm: began.Term,
	}, err
}

// check refuses what can be refused before a token is spent, and gives the pin of the newcomer's key.
func (r *Registrar) check(q Request, site state.Site) (pin string, err error) {
	if q.Version != Version {
		return "", fusion.E(fusion.BadRequest, "other_version", "the node speaks version %d, this one %d", q.Version, Version)
	}
	if q.Site != site.Number {
		return "", fusion.E(fusion.NotAllowed, "other_site", "the token is for site %d, this is site %d", q.Site, site.Number)
	}
	if err := trust.CheckNodeID(q.Node); err != nil {
		return "", fusion.E(fusion.BadRequest, "bad_node", "%v", err)
	}
	if host, port, err := net.SplitHostPort(q.Address); err != nil || host == "" || port == "" || port == "0" || net.ParseIP(host).IsUnspecified() {
		return "", fusion.E(fusion.BadRequest, "bad_address", "%q is no host:port by which the other nodes reach it (nodes.announce)", q.Address)
	}
	if d := r.Now().UnixMilli() - q.At; d > maxSkew || d < -maxSkew {
		return "", fusion.E(fusion.BadRequest, "wrong_clock", "the node's clock is %s off", time.Duration(d)*time.Millisecond)
	}
	req, err := x509.ParseCertificateRequest(q.Certificate)
	if err == nil {
		err = req.CheckSignature()
	}
	if err != nil {
		return "", fusion.E(fusion.BadRequest, "bad_request", "the certificate request cannot be read: %v", err)
	}
	return trust.KeyPin(&x509.Certificate{RawSubjectPublicKeyInfo: req.RawSubjectPublicKeyInfo}), nil
}
