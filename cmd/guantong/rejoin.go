package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/forward"
	"github.com/guantong-net/guantong/cluster/member"
	"github.com/guantong-net/guantong/cluster/mux"
	"github.com/guantong-net/guantong/cluster/shelf"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/files"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/trust"
)

const rejoinName = "guantong rejoin"

// rejoinCommand brings a node of the incarnation before a recovery back, whose server is stopped: what its log and its outbox hold
// and the site may lack is proposed again, and then its record gives way to the site's.
func rejoinCommand(ctx context.Context, args []string, out io.Writer) error {
	var invited string
	c, rest, err := options("rejoin", args, func(fs *flag.FlagSet) { fs.StringVar(&invited, "join", "", "TOKEN@HOST:PORT") })
	if err != nil {
		return err
	}
	if invited == "" || len(rest) > 0 {
		return fmt.Errorf("rejoin: -join TOKEN@HOST:PORT: %w", errUsage)
	}
	log, err := logger(io.Discard, c.Log)
	if err != nil {
		return err
	}
	s := &server{cfg: c, log: log, invited: invited, mending: true}
	return errors.Join(s.rejoin(ctx, out), s.close())
}

func (s *server) rejoin(ctx context.Context, out io.Writer) error {
	if _, err := os.Stat(filepath.Join(s.cfg.Data, "record")); err != nil {
		if m, bad := s.cfg.mending(); bad != nil || m == nil {
			return fmt.Errorf("no site in %s: a new node joins by guantong serve -join: %w", s.cfg.Data, err)
		}
	}
	if err := s.openData(ctx); err != nil {
		return err
	}
	m, err := s.takeUp(rejoinName)
	if err != nil {
		return err
	}
	if s.authority, err = authority(filepath.Join(s.cfg.Data, "keys"), s.cfg.Site.Name); err != nil {
		return err
	}
	if m.Grant == nil {
		g, address, err := s.askBack(ctx)
		if err != nil {
			return err
		}
		m = mending{Command: rejoinName, From: address, Incarnation: g.Incarnation, Grant: &g}
		if err := s.cfg.setMending(m); err != nil {
			return err
		}
	}
	if !m.Done {
		if err := s.handIn(ctx, *m.Grant, m.From, out); err != nil {
			return err
		}
		m.Done = true
		if err := s.cfg.setMending(m); err != nil {
			return err
		}
	}
	return s.giveWay(*m.Grant, m.From)
}

// askBack has the site take the token.
func (s *server) askBack(ctx context.Context) (g member.Grant, address string, err error) {
	token, address, err := member.ParseInvitation(s.invited)
	if err != nil {
		return g, "", err
	}
	was, err := s.cfg.incarnation()
	switch {
	case err != nil:
		return g, "", err
	case token.Site != s.cfg.Site.Number || token.CA != sha256.Sum256(s.authority.Root().Raw):
		return g, "", fmt.Errorf("the token is of another site: what this node holds does not belong there. With an empty data directory: guantong serve -join")
	}
	announce, err := announced(s.cfg.Nodes, "")
	if err != nil {
		return g, "", err
	}
	key, err := os.ReadFile(s.keyFile("node.key"))
	if err != nil {
		return g, "", err
	}
	request, err := trust.RequestFor(key, rand.Reader)
	if err != nil {
		return g, "", err
	}
	if g, err = member.Join(ctx, token, address, s.cfg.Node, announce, request, time.Now); err != nil {
		return g, "", err
	}
	if g.Incarnation>>32 <= was>>32 {
		return g, "", fmt.Errorf("the site is of incarnation %s, this node of %s: there is nothing to rejoin", state.IncarnationText(g.Incarnation), state.IncarnationText(was))
	}
	g.CAKey = nil // it is here
	return g, address, nil
}

// handIn proposes again what only this node may have, and tells and audits what came of it.
func (s *server) handIn(ctx context.Context, g member.Grant, address string, out io.Writer) error {
	key, err := os.ReadFile(s.keyFile("node.key"))
	if err != nil {
		return err
	}
	cert, err := tls.X509KeyPair(g.Chain, key)
	if err != nil {
		return err
	}
	self := trust.NodeName{Site: g.Site, Incarnation: g.Incarnation, Node: s.cfg.Node}
	port, err := mux.Open(ctx, mux.Config{Listen: "127.0.0.1:0", Self: self, Certificate: cert, Roots: s.authority.Pool(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { _ = port.Close() }()
	store, err := files.Open(files.Config{Dir: filepath.Join(s.cfg.Data, "files"), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		return err
	}
	h := &handing{site: address, node: s.cfg.Node, store: store, dial: func(ctx context.Context, address, node string) (net.Conn, error) {
		return port.Dial(ctx, address, node, mux.Files)
	}, peers: forward.NewClient(func(ctx context.Context, address, node string) (net.Conn, error) {
		return port.Dial(ctx, address, node, mux.Forward)
	})}
	defer func() { _ = h.peers.Close() }()
	after := cluster.Point{Index: g.FromIndex, Term: g.FromTerm}
	found, err := cluster.ReadSalvage(ctx, s.recordConfig(), after, func(cmd command.Command) error { return h.propose(ctx, cmd) })
	if err != nil {
		return fmt.Errorf("%w; what was proposed is applied once, the same command goes on", err)
	}
	return h.tell(ctx, found, after, out)
}

// handing proposes to the site.
type handing struct {
	site, node string // address of one of its nodes; who we are
	peers      *forward.Client
	store      *files.Store // what the commands name
	dial       shelf.Dial
	taken      int
	refused    []string
}

const (
	handTries = 30
	handWait  = time.Second
	maxTold   = 200 // lines about single commands
)

// bring brings what a command names to the site, if it is here and whole. What is not does not keep the command back.
func (h *handing) bring(ctx context.Context, cmd command.Command) error {
	names, _ := state.FilesOf(cmd) // one that cannot be read is refused when it is proposed
	for _, name := range names {
		if _, here := h.store.Has(name); !here {
			continue
		}
		err := shelf.Push(ctx, h.dial, shelf.Peer{Address: h.site}, h.store, name)
		switch fusion.FaultOf(err) {
		case fusion.CutOff, fusion.Busy, fusion.Full:
			return err
		}
	}
	return nil
}

// propose proposes one command until it is answered: who asks again asks under the same request ID.
func (h *handing) propose(ctx context.Context, cmd command.Command) error {
	data, err := command.Encode(cmd)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := h.bring(ctx, cmd)
		if err == nil {
			var res state.Result
			if res, err = h.peers.Route(ctx, "", h.site, data); err == nil {
				err = res.Err()
			}
		}
		switch fusion.FaultOf(err) {
		case fusion.CutOff, fusion.Busy, fusion.Full, fusion.Broken:
			if err != nil && try < handTries {
				select {
				case <-time.After(handWait):
					continue
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err != nil {
				return err
			}
			h.taken++
		default:
			h.refused = append(h.refused, fmt.Sprintf("command %s of type %d by %s was refused: %v", cmd.ID, cmd.Type, cmd.By, err))
		}
		return nil
	}
}

// tell prints and audits what became of this node's record.
func (h *handing) tell(ctx context.Context, s cluster.Salvage, after cluster.Point, out io.Writer) error {
	summary := fmt.Sprintf("the site went on after log entry %d; this node's log holds %d to %d: %d commands proposed again (%d held), %d applied or known, %d refused, %d definitions and rights not taken",
		after.Index, s.First, s.Last, s.Commands, s.Held, h.taken, len(h.refused), len(s.Skipped))
	lines := []string{summary}
	if s.LostFrom != 0 {
		lines = append(lines, fmt.Sprintf("log entries %d to %d are on this node's disk no more: what no other node has of them is lost", s.LostFrom, s.LostTo))
	}
	lines = append(lines, h.refused...)
	for _, cmd := range s.Skipped {
		lines = append(lines, fmt.Sprintf("not taken, do it again if it is still wanted: command %s of type %d by %s at %s", cmd.ID, cmd.Type, cmd.By, time.UnixMilli(cmd.At).Format(time.RFC3339)))
	}
	for i, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
		if i >= maxTold {
			continue // the rest is on the operator's screen
		}
		if err := h.audit(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

func (h *handing) audit(ctx context.Context, line string) error {
	now := time.Now().UnixMilli()
	a := state.Audit{By: "operator", Action: "node.rejoin", Target: h.node, Result: "ok", From: h.node, Detail: line}
	cmd, err := command.New(command.AuditAdd, newID(), uint64(now)<<16, now, "operator", a)
	if err != nil {
		return err
	}
	return h.propose(ctx, cmd)
}

// giveWay wipes this node's record and makes it a node of the site as it is now. Its files stay: they are named by what they hold.
func (s *server) giveWay(g member.Grant, address string) error {
	about, err := json.Marshal(map[string]any{"site": g.Site, "name": g.SiteName, "realm": g.Realm, "by": address})
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return os.RemoveAll(filepath.Join(s.cfg.Data, "record")) },
		func() error { return writeFile(s.keyFile("node.pem"), g.Chain) },
		func() error { return s.cfg.setIncarnation(g.Incarnation) },
		func() error { return writeFile(s.keyFile(joinedFile), about) },
		s.cfg.mended,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
