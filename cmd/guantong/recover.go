package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// howItBegan tells newcomers how the site's incarnation began, and what their program must know.
func (s *server) howItBegan() (began state.Recovery, version uint32, err error) {
	site, err := siteOf(s.node)
	if err != nil {
		return began, 0, err
	}
	err = s.node.View(func(v *state.View) (err error) {
		if version, err = v.ClusterVersion(); err != nil {
			return err
		}
		began, err = v.Recovery(site.Incarnation)
		if fusion.FaultOf(err) == fusion.NotFound {
			err = nil // it is the first one
		}
		return err
	})
	return began, version, err
}

// recoverCommand makes this node, whose server is stopped, the whole site. It may be run again, whatever it died of.
func recoverCommand(ctx context.Context, args []string, out io.Writer) error {
	var force bool
	c, rest, err := options("recover", args, func(fs *flag.FlagSet) {
		fs.BoolVar(&force, "force", false, "the other nodes will not come back, or only to rejoin")
	})
	if err != nil {
		return err
	}
	if !force || len(rest) > 0 {
		return fmt.Errorf("recover: what the other nodes have accepted and this one lacks stays behind until they rejoin, and if they still serve there are two sites. Say -force when they will not: %w", errUsage)
	}
	if _, err := os.Stat(filepath.Join(c.Data, "record")); err != nil {
		return fmt.Errorf("no site in %s: %w", c.Data, err)
	}
	s := &server{cfg: c, log: slog.New(slog.DiscardHandler), mending: true}
	m, err := s.recover(ctx)
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `This node is the site now: incarnation %s. It has all log entries up to %d; what others had beyond that comes when they rejoin.
The other nodes are not let in any more. Start this one (guantong serve), make a token for each (guantong token), and on each:
guantong rejoin -join TOKEN@HOST:7400, or with an empty data directory guantong serve -join TOKEN@HOST:7400.
`, state.IncarnationText(m.Incarnation), m.Index)
	return err
}

func (s *server) recover(ctx context.Context) (m mending, err error) {
	if err := s.openData(ctx); err != nil {
		return m, err
	}
	const name = "guantong recover -force"
	if m, err = s.takeUp(name); err != nil {
		return m, err
	}
	if m.Incarnation == 0 {
		m = mending{Command: name, ID: newID()}
		if m.Before, err = s.cfg.incarnation(); err != nil {
			return m, err
		}
		if m.Incarnation, err = nextIncarnation(m.Before); err != nil {
			return m, err
		}
		if err := s.cfg.setMending(m); err != nil {
			return m, err
		}
	}
	if m.Index == 0 {
		p, err := cluster.Refound(ctx, s.recordConfig())
		if err != nil {
			return m, err
		}
		m.Index, m.Term = p.Index, p.Term
		if err := s.cfg.setMending(m); err != nil {
			return m, err
		}
	}
	if err := s.beginIncarnation(ctx, m, state.Recovery{Kind: state.Recovered, Index: m.Index, Term: m.Term}); err != nil {
		return m, err
	}
	return m, s.cfg.mended()
}

// takeUp gives what an earlier run of a command left, and refuses what another command did.
func (s *server) takeUp(command string) (mending, error) {
	was, err := s.cfg.mending()
	switch {
	case err != nil || was == nil:
		return mending{}, err
	case was.Command != command:
		return mending{}, s.cfg.refuseMending()
	}
	return *was, nil
}

// recordConfig is how the record is opened by commands, without other nodes.
func (s *server) recordConfig() cluster.Config {
	return cluster.Config{Dir: filepath.Join(s.cfg.Data, "record"), NodeID: s.cfg.Node, Logger: s.log, Reserve: uint64(s.cfg.Disk.Reserve), WriteDeadline: aloneDeadline}
}

// hash tells the hash of this node's state, and of which log entry on: nodes that are equally far have the same.
func (c *control) hash(_ context.Context, words []string) (string, error) {
	if len(words) != 2 || words[1] != "hash" {
		return "", fmt.Errorf("%q: %w", words, errUsage)
	}
	r, err := c.s.node.Reading()
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum, err := r.Hash()
	index, _ := r.Point()
	return fmt.Sprintf("%d sha256:%x", index, sum), err
}
