package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/backup"
	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// backupCommand has the running server write a backup. The server writes it, so DIR is on its machine and writable for its user.
func backupCommand(ctx context.Context, args []string, out io.Writer) error {
	var to, keyFile string
	c, rest, err := options("backup", args, func(fs *flag.FlagSet) {
		fs.StringVar(&to, "to", "", "directory")
		fs.StringVar(&keyFile, "key", "", "file with the key that seals the backup")
	})
	if err != nil {
		return err
	}
	if to == "" || len(rest) > 0 {
		return fmt.Errorf("backup: -to DIR: %w", errUsage)
	}
	if to, err = filepath.Abs(to); err != nil {
		return err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(c.Data, controlSocket))
	if err != nil {
		return fmt.Errorf("no server runs on %s: %w", c.Data, err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // the server sees it and stops; the same command goes on later
	if _, err := fmt.Fprintf(conn, "backup %s %s\n", url.QueryEscape(to), hex.EncodeToString(key)); err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	return followBackup(conn, out)
}

// backupNews is what the server says while it writes, and at its end.
type backupNews struct {
	Progress *backup.Progress `json:"progress,omitempty"`
	Done     *backup.Result   `json:"done,omitempty"`
	Error    string           `json:"error,omitempty"`
}

func followBackup(conn io.Reader, out io.Writer) error {
	for dec := json.NewDecoder(conn); ; {
		var news backupNews
		if err := dec.Decode(&news); err != nil {
			return fmt.Errorf("the backup was interrupted, the same command goes on with it: %w", err)
		}
		switch {
		case news.Error != "":
			return errors.New(news.Error)
		case news.Done != nil:
			return tellBackup(out, "backed up", *news.Done)
		}
	}
}

// tellBackup says what a backup or a restore came to, and what is missing from it.
func tellBackup(out io.Writer, what string, r backup.Result) error {
	_, err := fmt.Fprintf(out, "%s: site %d %s, incarnation %s, up to log entry %d, %s; %d files (%d were there already), %d octets\n",
		what, r.About.Site, r.About.SiteName, state.IncarnationText(r.About.Incarnation), r.About.Index,
		time.UnixMilli(r.About.At).Format(time.RFC3339), r.Files, r.Reused, r.Octets)
	if err != nil || r.Missing == 0 {
		return err
	}
	_, err = fmt.Fprintf(out, "%d files that the record names were not on the node that was backed up:\n  %s\n", r.Missing, strings.Join(r.Lacks, "\n  "))
	return err
}

// tellEvery is how often progress is told, at the most.
const tellEvery = time.Second

// backup writes a backup while the operator listens. It stops when the operator goes.
func (c *control) backup(ctx context.Context, conn net.Conn, words []string) error {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, conn) // it ends when the operator is gone
		cancel()
	}()
	said := json.NewEncoder(conn)
	var last time.Time
	res, err := c.s.writeBackup(ctx, words, func(p backup.Progress) {
		if now := time.Now(); now.Sub(last) >= tellEvery {
			last = now
			_ = said.Encode(backupNews{Progress: &p}) // the reader above sees who has gone
		}
	})
	if err != nil {
		return said.Encode(backupNews{Error: err.Error()})
	}
	return said.Encode(backupNews{Done: &res})
}

func (s *server) writeBackup(ctx context.Context, words []string, note func(backup.Progress)) (res backup.Result, err error) {
	if len(words) < 2 || len(words) > 3 {
		return res, errUsage
	}
	dir, err := url.QueryUnescape(words[1])
	if err != nil {
		return res, err
	}
	var key []byte
	if len(words) == 3 {
		if key, err = hex.DecodeString(words[2]); err != nil {
			return res, errors.New("the key cannot be read")
		}
	}
	if data, err := filepath.Abs(s.cfg.Data); err != nil || dir == data || strings.HasPrefix(dir, data+string(filepath.Separator)) {
		return res, errors.Join(err, errors.New("a backup within the data directory would be lost with it"))
	}
	source, err := s.backupSource()
	if err != nil {
		return res, err
	}
	res, err = backup.Write(ctx, backup.Options{Dir: dir, Key: key, Random: rand.Reader, Room: roomAt(filepath.Dir(dir), uint64(s.cfg.Disk.Reserve)), Note: note}, source)
	result := "ok"
	if err != nil {
		result = fusion.ReasonOf(err)
	}
	s.auditOwn(ctx, "site.backup", dir, result)
	return res, err
}

// auditOwn notes what an operator did on this machine.
func (s *server) auditOwn(ctx context.Context, action, target, result string) {
	target = target[:min(len(target), 256)]
	a := state.Audit{By: "operator", Action: action, Target: target, Result: result, From: "control socket of " + s.cfg.Node}
	if err := s.proposeAudit(context.WithoutCancel(ctx), a); err != nil {
		s.log.ErrorContext(ctx, "it was not audited", "action", action, "error", err)
	}
}

// roomAt refuses when a disk would have less free than a reserve.
func roomAt(dir string, reserve uint64) func(int64) error {
	guard := store.NewGuard(reserve, store.FreeAt(dir), time.Now)
	return func(octets int64) error { return guard.Check(int(octets)) }
}

// backupSource is what is backed up: the record, the files, the site's CA and this node's floor logs.
func (s *server) backupSource() (backup.Source, error) {
	site, err := siteOf(s.node)
	if err != nil {
		return backup.Source{}, err
	}
	var clusterVersion uint32
	if err := s.node.View(func(v *state.View) (err error) { clusterVersion, err = v.ClusterVersion(); return err }); err != nil {
		return backup.Source{}, err
	}
	return backup.Source{
		About: backup.About{
			Site: site.Number, SiteName: site.Name, Incarnation: site.Incarnation, Node: s.cfg.Node, Version: version, Cluster: clusterVersion, At: time.Now().UnixMilli(),
		},
		Reading: func() (backup.Reading, error) {
			r, err := s.node.Reading()
			return reading{r}, err
		},
		File:  func(hash string) (io.ReadCloser, error) { return s.library().Open(context.Background(), hash) },
		Extra: s.backedUp, Data: s.cfg.Data,
	}, nil
}

// reading gives a backup the record.
type reading struct{ *cluster.Reading }

// EachFile implements backup.Reading: what the record names, and what is named by commands that are held here.
func (r reading) EachFile(visit func(hash string) error) error {
	held, err := r.HeldFiles()
	if err != nil {
		return err
	}
	err = r.View(func(v *state.View) error {
		return v.EachFile(func(hash string) error {
			delete(held, hash)
			return visit(hash)
		})
	})
	for hash := range held {
		if err == nil {
			err = visit(hash)
		}
	}
	return err
}

// backedUp names the small files that belong into a backup. A node's own keys do not: who restores is a new node.
func (s *server) backedUp() ([]string, error) {
	out := []string{"keys/ca.pem", "keys/ca.key"}
	logs, err := os.ReadDir(filepath.Join(s.cfg.Data, "journal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, l := range logs {
		if l.Type().IsRegular() && strings.HasPrefix(l.Name(), "floor-") {
			out = append(out, "journal/"+l.Name())
		}
	}
	return out, nil
}
