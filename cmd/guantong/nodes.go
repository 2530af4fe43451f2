package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/forward"
	"github.com/guantong-net/guantong/cluster/member"
	"github.com/guantong-net/guantong/cluster/mux"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/trust"
)

// nodePort is where this node meets the others of its site.
type nodePort struct {
	mux      *mux.Mux
	peers    *forward.Client
	self     trust.NodeName
	announce string
	joined   bool
	forward  net.Listener                 // of other nodes that ask
	join     net.Listener                 // of newcomers
	files    net.Listener                 // of other nodes that ask for files
	node     atomic.Pointer[cluster.Node] // nil until the record is open
}

// joinedFile says that this node has joined a site that others began. It is written last.
const joinedFile = "joined.json"

func (s *server) keyFile(name string) string { return filepath.Join(s.cfg.Data, "keys", name) }

func (s *server) hasJoined() bool {
	_, err := os.Stat(s.keyFile(joinedFile))
	return err == nil
}

// joinSite takes this node into a site, once: a later start with the same invitation finds that it belongs to it.
func (s *server) joinSite(ctx context.Context) error {
	if s.invited == "" || s.hasJoined() {
		return nil
	}
	if _, err := os.Stat(s.keyFile("ca.pem")); err == nil {
		return fmt.Errorf("%s belongs to a site already; a node joins with an empty data directory", s.cfg.Data)
	}
	token, address, err := member.ParseInvitation(s.invited)
	if err != nil {
		return err
	}
	if token.Site != s.cfg.Site.Number {
		return fmt.Errorf("the token is for site %d, the configuration names site %d", token.Site, s.cfg.Site.Number)
	}
	announce, err := announced(s.cfg.Nodes, "")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.cfg.Data, "keys"), 0o700); err != nil {
		return err
	}
	key, request, err := trust.NewNodeKey(rand.Reader)
	if err != nil {
		return err
	}
	grant, err := member.Join(ctx, token, address, s.cfg.Node, announce, request, time.Now)
	if err != nil {
		return err
	}
	about, err := json.Marshal(map[string]any{"site": grant.Site, "name": grant.SiteName, "realm": grant.Realm, "by": address})
	if err != nil {
		return err
	}
	return errors.Join(writeFile(s.keyFile("node.key"), key), writeFile(s.keyFile("node.pem"), grant.Chain),
		writeFile(s.keyFile("ca.key"), grant.CAKey), s.cfg.setIncarnation(grant.Incarnation), writeFile(s.keyFile("ca.pem"), grant.CA), writeFile(s.keyFile(joinedFile), about))
}

// announced is where others reach this node. bound is the address that was really taken, for a port of 0.
func announced(c nodesConfig, bound string) (string, error) {
	if c.Announce != "" {
		return c.Announce, nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", fmt.Errorf("nodes.listen: %w", err)
	}
	if _, took, err := net.SplitHostPort(bound); err == nil {
		port = took
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return net.JoinHostPort(host, port), nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return net.JoinHostPort(n.IP.String(), port), nil
		}
	}
	return "", errors.New("this machine has no address that other nodes could reach: set nodes.announce")
}

// openNodePort opens the port on which nodes meet, if there is one.
func (s *server) openNodePort(ctx context.Context) error {
	if s.cfg.Nodes.Listen == "" {
		if s.hasJoined() {
			return errors.New("this node belongs to a site of several nodes: nodes.listen must be set")
		}
		return nil
	}
	p := &nodePort{joined: s.hasJoined(), self: trust.NodeName{Site: s.cfg.Site.Number, Node: s.cfg.Node}}
	cert, err := s.nodeCertificate(p)
	if err != nil {
		return err
	}
	p.mux, err = mux.Open(ctx, mux.Config{
		Listen: s.cfg.Nodes.Listen, Self: p.self, Certificate: cert, Roots: s.authority.Pool(), Admit: p.admit, Log: s.log, Refused: s.noteStranger,
	})
	if err != nil {
		return err
	}
	s.port = p
	p.forward, p.join, p.files = p.mux.Listener(mux.Forward), p.mux.Listener(mux.Join), p.mux.Listener(mux.Files)
	if p.announce, err = announced(s.cfg.Nodes, p.mux.Addr().String()); err != nil {
		return err
	}
	p.peers = forward.NewClient(func(ctx context.Context, address, node string) (net.Conn, error) {
		return p.mux.Dial(ctx, address, node, mux.Forward)
	})
	return nil
}

// nodeCertificate is this node's among the others. It keeps its key when it is renewed, as the others know it by that.
func (s *server) nodeCertificate(p *nodePort) (tls.Certificate, error) {
	chainFile, keyFile := s.keyFile("node.pem"), s.keyFile("node.key")
	incarnation, err := s.cfg.incarnation()
	if err != nil {
		return tls.Certificate{}, err
	}
	p.self.Incarnation = incarnation
	cert, err := tls.LoadX509KeyPair(chainFile, keyFile)
	if err == nil {
		if s.authority.FitsNode(cert, p.self, time.Now()) {
			return cert, nil
		}
	}
	key, err := os.ReadFile(keyFile)
	var request []byte
	if errors.Is(err, os.ErrNotExist) {
		if key, request, err = trust.NewNodeKey(rand.Reader); err == nil {
			err = writeFile(keyFile, key)
		}
	} else if err == nil {
		request, err = trust.RequestFor(key, rand.Reader)
	}
	if err != nil {
		return cert, err
	}
	chain, err := s.authority.IssueNode(request, p.self, time.Now())
	if err != nil {
		return cert, err
	}
	if err := writeFile(chainFile, chain); err != nil {
		return cert, err
	}
	return tls.X509KeyPair(chain, key)
}

// admit refuses nodes that were removed, or that have another key than the one that joined.
func (p *nodePort) admit(name trust.NodeName, pin string) error {
	record := p.node.Load()
	if record == nil {
		return nil // it is not read yet
	}
	n, ok := look(record, func(v *state.View) (state.Node, error) { return v.Node(name.Node) })
	switch {
	case !ok:
		return nil // we may be behind: its certificate is good
	case n.Role == state.NodeRemoved:
		return fusion.E(fusion.NotAllowed, "node_removed", "node %s was removed from the site", name.Node)
	case n.Key != "" && n.Key != pin:
		return fusion.E(fusion.NotAllowed, "other_key", "node %s joined with another key", name.Node)
	}
	return nil
}

// fill gives the record its way to the other nodes.
func (p *nodePort) fill(c *cluster.Config, cfg nodesConfig) {
	c.Watchdog.Limit = time.Duration(cfg.SlowDisk)
	if c.Watchdog.Limit == 0 {
		c.Watchdog.Limit = -1
	}
	c.Transport, c.Peers, c.Join = cluster.NewTransport(p.mux, c.NodeID, p.announce, c.Logger), p.peers, p.joined
}

func (p *nodePort) close() error {
	if p.peers == nil {
		return p.mux.Close()
	}
	return errors.Join(p.peers.Close(), p.mux.Close())
}

// awaitSite waits until a node that has joined is sent the site's record.
func (s *server) awaitSite(ctx context.Context) (site state.Site, err error) {
	s.log.InfoContext(ctx, "waiting for the site's record")
	w := s.node.Watch(0)
	for site.Number == 0 && err == nil {
		if _, err = w.Next(ctx); fusion.ReasonOf(err) == "events_trimmed" {
			err = nil // what is there begins later: it is there
		}
		if err == nil {
			site, err = siteOf(s.node)
		}
	}
	return site, err
}

// forNodes is the record as other nodes ask for it: what they have proposed for them was accepted before.
type forNodes struct{ *cluster.Node }

// Propose implements forward.Node.
func (f forNodes) Propose(ctx context.Context, cmd command.Command) (state.Result, error) {
	return f.ProposeSaved(ctx, cmd)
}

// serveNodes answers what other nodes ask.
func (s *server) serveNodes(ctx context.Context) error {
	return forward.NewServer(forNodes{s.node}, s.log).Serve(ctx, s.port.forward)
}

// serveNewcomers lets nodes join.
func (s *server) serveNewcomers(ctx context.Context) error {
	r := &member.Registrar{
		Authority: s.authority, Site: func() (state.Site, error) { return siteOf(s.node) }, Began: s.howItBegan, Now: time.Now, Log: s.log, Note: s.noteNewcomer,
		Known: s.tokenKnown,
		Use: func(ctx context.Context, u state.TokenUse, from string) error {
			return s.proposeFor(ctx, command.TokenUse, "system", from, u)
		},
	}
	return r.Serve(ctx, s.port.join)
}

// tokenLate is how long a token that the leader has taken may be on its way to this node.
const tokenLate = 2 * time.Second

// tokenKnown looks for a token. The one who was just given it may be faster than the record's way to this node.
func (s *server) tokenKnown(hash []byte) (known bool, err error) {
	for began := time.Now(); ; {
		err = s.node.View(func(v *state.View) error {
			known, err = v.TokenKnown(hash)
			return err
		})
		if err != nil || known || s.node.Leads() || time.Since(began) > tokenLate {
			return known, err
		}
		<-time.After(tokenLate / 20)
	}
}

func (s *server) noteNewcomer(ctx context.Context, node, from, reason string) {
	a := state.Audit{By: "system", Action: "node.join", Target: node, Result: reason, From: from}
	if err := s.proposeAudit(ctx, a); err != nil {
		s.log.ErrorContext(ctx, "a refusal was not audited", "error", err)
	}
}

func (s *server) proposeAudit(ctx context.Context, a state.Audit) error {
	return s.proposeFor(ctx, command.AuditAdd, a.By, a.From, a)
}

// proposeFor commits a command on behalf of somebody at a place.
func (s *server) proposeFor(ctx context.Context, t command.Type, by, from string, payload any) error {
	cmd, err := s.node.Command(t, fusion.ID{}, by, payload)
	if err != nil {
		return err
	}
	cmd.From = from
	res, err := s.node.Propose(ctx, cmd)
	if err != nil {
		return err
	}
	return res.Err()
}

// told is the answer to an operator's command.
type told struct {
	Text  string `json:"text"`
	Error string `json:"error,omitempty"`
}

// carryOut does what an operator on this machine asks for.
func (c *control) carryOut(ctx context.Context, words []string) told {
	if len(words) == 0 {
		return told{Error: errUsage.Error()}
	}
	ask := c.node
	if words[0] == "state" {
		ask = c.hash
	}
	text, err := ask(ctx, words)
	if err != nil {
		return told{Error: err.Error()}
	}
	return told{Text: text}
}

func (c *control) node(ctx context.Context, words []string) (string, error) {
	s := c.s
	if s.port == nil {
		return "", errors.New("this node has no port for others: set nodes.listen in its configuration, and restart it")
	}
	switch {
	case len(words) == 2 && words[0] == "token":
		return s.newToken(ctx, words[1])
	case len(words) > 0 && len(words) <= 2 && words[0] == "handover":
		to := ""
		if len(words) == 2 {
			to = words[1]
		}
		if !s.node.Leads() {
			return "", fmt.Errorf("this node does not lead; node %q does", s.node.Leader())
		}
		if err := s.node.Handover(ctx, to); err != nil {
			return "", err
		}
		if s.node.Leads() {
			return "", errors.New("no other node votes")
		}
		return "leadership was handed over", nil
	case len(words) == 3 && words[0] == "node":
		wish, ok := map[string]state.NodeWish{"drain": state.WishDrain, "serve": state.WishServe, "remove": state.WishRemove}[words[1]]
		if !ok {
			break
		}
		err := s.proposeFor(ctx, command.NodeWish, "operator", "control socket of "+s.cfg.Node, state.NodeWishChange{Node: words[2], Wish: wish})
		return words[1] + " " + words[2] + ": the leader carries it out; see guantong status", err
	}
	return "", fmt.Errorf("%q: %w", words, errUsage)
}

// newToken makes a token that one node may join with, valid for so many seconds.
func (s *server) newToken(ctx context.Context, seconds string) (string, error) {
	valid, err := strconv.Atoi(seconds)
	if err != nil || valid < 1 || valid > 7*24*3600 {
		return "", errors.New("a token is valid for a second to a week")
	}
	t, err := member.NewToken(s.cfg.Site.Number, s.authority.Root(), rand.Reader)
	if err != nil {
		return "", err
	}
	expires := state.Millis(time.Now().Add(time.Duration(valid) * time.Second).UnixMilli())
	err = s.proposeFor(ctx, command.TokenAdd, "operator", "control socket of "+s.cfg.Node, state.JoinToken{Hash: t.Hash(), Expires: expires})
	return t.String() + "@" + s.port.announce, err
}

// nodeCommand asks the running server to do something about the site's nodes.
func nodeCommand(ctx context.Context, name string, args []string, out io.Writer) error {
	valid := time.Hour
	c, rest, err := options(name, args, func(fs *flag.FlagSet) {
		if name == "token" {
			fs.DurationVar(&valid, "valid", valid, "how long")
		}
	})
	if err != nil {
		return err
	}
	line := name
	if name == "token" {
		line += " " + strconv.Itoa(int(valid/time.Second))
	}
	for _, word := range rest {
		line += " " + word
	}
	var answer told
	if err := ask(ctx, c, line, &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	_, err = fmt.Fprintln(out, answer.Text)
	return err
}
