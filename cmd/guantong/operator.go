package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion/audit"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// auditPage is how many audit entries are read at once.
const auditPage = 1000

// initCommand sets a site up for production.
func initCommand(ctx context.Context, args []string, out io.Writer) error {
	c, _, err := options("init", args)
	if err != nil {
		return err
	}
	s := &server{cfg: c, log: slog.New(slog.DiscardHandler)}
	return errors.Join(s.initSite(ctx, out), s.close())
}

func (s *server) initSite(ctx context.Context, out io.Writer) error {
	if err := s.openData(ctx); err != nil {
		return err
	}
	if err := s.openKeys(ctx); err != nil {
		return err
	}
	if err := s.openRecord(ctx); err != nil {
		return err
	}
	site, err := siteOf(s.node)
	if err != nil {
		return err
	}
	if site.Number != 0 {
		return fmt.Errorf("%s holds site %d already", s.cfg.Data, site.Number)
	}
	hasher, err := identity.NewHasher(identity.DefaultParams(), rand.Reader)
	if err != nil {
		return err
	}
	return found(ctx, s.node, hasher, s.cfg, false, out)
}

// auditCommand checks the audit chain of a server that is stopped.
func auditCommand(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || args[0] != "verify" {
		return fmt.Errorf("audit: %w", errUsage)
	}
	c, _, err := options("audit verify", args[1:])
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(c.Data, "record")); err != nil {
		return fmt.Errorf("no site in %s: %w", c.Data, err)
	}
	s := &server{cfg: c, log: slog.New(slog.DiscardHandler)}
	head, err := s.verifyAudit(ctx)
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "the audit chain is whole: %d entries, head %s\n", head.Seq, hex.EncodeToString(head.Hash))
	return err
}

func (s *server) verifyAudit(ctx context.Context) (head audit.Head, err error) {
	if err := s.openData(ctx); err != nil {
		return head, err
	}
	if err := s.openRecord(ctx); errors.Is(err, cluster.ErrNoTransport) {
		s.node, err = cluster.Open(ctx, cluster.Config{Dir: filepath.Join(s.cfg.Data, "record"), ReadOnly: true, Logger: s.log})
		if err != nil {
			return head, err
		}
	} else if err != nil {
		return head, err
	}
	return audit.Verify(auditEntries(s.node))
}

// auditEntries reads the chain a page at a time.
func auditEntries(n *cluster.Node) iter.Seq2[state.Audit, error] {
	return func(yield func(state.Audit, error) bool) {
		for from := uint64(1); ; {
			var page []state.Audit
			err := n.View(func(v *state.View) (err error) {
				page, err = v.Audit(from, auditPage)
				return err
			})
			if err != nil {
				yield(state.Audit{}, err)
				return
			}
			for _, a := range page {
				if !yield(a, nil) {
					return
				}
				from = a.Seq + 1
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

// caCommand prints the site's CA certificate.
func caCommand(args []string, out io.Writer) error {
	c, _, err := options("ca", args)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(c.Data, "keys", "ca.pem"))
	if err != nil {
		return err
	}
	_, err = out.Write(b)
	return err
}

// ask says one line to the running server, over a socket that only its owner can open.
func ask(ctx context.Context, c config, line string, answer any) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(c.Data, controlSocket))
	if err != nil {
		return fmt.Errorf("no server runs on %s: %w", c.Data, err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(controlLimit)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	if err := json.NewDecoder(conn).Decode(answer); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// statusCommand asks the running server how it is, over a socket that only its owner can open.
func statusCommand(ctx context.Context, args []string, out io.Writer) error {
	c, _, err := options("status", args)
	if err != nil {
		return err
	}
	var st nodeStatus
	if err := ask(ctx, c, "status", &st); err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(st); err != nil {
		return err
	}
	if st.Record.Fault != "" {
		return fmt.Errorf("the server is not well: %s", st.Record.Fault)
	}
	return nil
}
