package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/backup"
	"github.com/guantong-net/guantong/fusion/files"
	"github.com/guantong-net/guantong/fusion/state"
)

// restoreCommand puts a backup into an empty data directory, as a new incarnation of the site, or only checks it.
func restoreCommand(ctx context.Context, args []string, out io.Writer) error {
	var from, keyFile string
	var check bool
	c, rest, err := options("restore", args, func(fs *flag.FlagSet) {
		fs.StringVar(&from, "from", "", "directory of the backup")
		fs.StringVar(&keyFile, "key", "", "file with the key that sealed the backup")
		fs.BoolVar(&check, "check", false, "hold everything against its hash, and write nothing")
	})
	if err != nil {
		return err
	}
	if from == "" || len(rest) > 0 {
		return fmt.Errorf("restore: -from DIR: %w", errUsage)
	}
	if from, err = filepath.Abs(from); err != nil {
		return err
	}
	opt := backup.Options{Dir: from, Random: rand.Reader}
	if opt.Key, err = readKey(keyFile); err != nil {
		return err
	}
	if check {
		res, err := backup.Check(ctx, opt)
		if err != nil {
			return err
		}
		return tellBackup(out, "whole", res)
	}
	s := &server{cfg: c, log: slog.New(slog.DiscardHandler), mending: true}
	res, err := s.restore(ctx, opt)
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	if err := tellBackup(out, "restored", res); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "The site begins anew on this node alone, as another incarnation: nodes of the one before are not let in. Start it: guantong serve")
	return err
}

// restore takes a restore up where an earlier run stopped, or begins it.
func (s *server) restore(ctx context.Context, opt backup.Options) (res backup.Result, err error) {
	if res, err = backup.Open(opt); err != nil {
		return res, err
	}
	if res.About.Site != s.cfg.Site.Number {
		return res, fmt.Errorf("the backup is of site %d, the configuration names site %d", res.About.Site, s.cfg.Site.Number)
	}
	if res.About.Cluster > state.ClusterVersion {
		return res, fmt.Errorf("the backup is of cluster version %d, this program knows %d: it takes a newer one", res.About.Cluster, state.ClusterVersion)
	}
	m, err := s.beginRestore(ctx, opt, res.About)
	if err != nil {
		return res, err
	}
	opt.Room = roomAt(s.cfg.Data, uint64(s.cfg.Disk.Reserve))
	to := &restoring{s: s}
	if to.files, err = files.Open(files.Config{Dir: filepath.Join(s.cfg.Data, "files"), Now: time.Now, Rand: rand.Reader}); err != nil {
		return res, err
	}
	if res, err = backup.Read(ctx, opt, to); err != nil {
		return res, err
	}
	if err := s.beginIncarnation(ctx, m, state.Recovery{Kind: state.Restored, Index: res.About.Index, Term: res.About.Term}); err != nil {
		return res, err
	}
	return res, s.cfg.mended()
}

// beginRestore sees that the directory is empty, or half restored from the same backup, and marks it.
func (s *server) beginRestore(ctx context.Context, opt backup.Options, about backup.About) (mending, error) {
	found, err := os.ReadDir(s.cfg.Data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return mending{}, err
	}
	if err := s.openData(ctx); err != nil {
		return mending{}, err
	}
	from := fmt.Sprintf("%s@%d/%d", opt.Dir, about.Index, about.At)
	was, err := s.cfg.mending()
	switch {
	case err != nil:
		return mending{}, err
	case was != nil && was.From == from:
		// What lies there is from this backup, and was checked; the record is put in at its end, so what there may be of it is half.
		return *was, os.RemoveAll(filepath.Join(s.cfg.Data, "record"))
	case was != nil:
		return mending{}, fmt.Errorf("%s is half way through %q, and this is another backup", s.cfg.Data, was.Command)
	}
	for _, f := range found {
		if f.Name() != "lock" {
			return mending{}, fmt.Errorf("%s holds %s: a backup is restored into an empty data directory", s.cfg.Data, f.Name())
		}
	}
	m := mending{Command: "guantong restore -from " + opt.Dir, From: from, ID: newID(), Before: about.Incarnation}
	if m.Incarnation, err = nextIncarnation(about.Incarnation); err != nil {
		return m, err
	}
	return m, s.cfg.setMending(m)
}

// beginIncarnation opens the record of this node, which is its site's only one by now, and has the new incarnation begin.
func (s *server) beginIncarnation(ctx context.Context, m mending, r state.Recovery) error {
	r.Incarnation, r.Before, r.Node = m.Incarnation, m.Before, s.cfg.Node
	c := cluster.Config{Dir: filepath.Join(s.cfg.Data, "record"), NodeID: s.cfg.Node, Logger: s.log, Reserve: uint64(s.cfg.Disk.Reserve), WriteDeadline: aloneDeadline}
	node, err := cluster.Open(ctx, c)
	if err != nil {
		return err
	}
	if err := errors.Join(node.Begin(ctx, m.ID, r), node.Close()); err != nil {
		return err
	}
	return s.cfg.setIncarnation(m.Incarnation)
}

// restoring is the data directory that a backup goes to.
type restoring struct {
	s     *server
	files *files.Store
}

// HasFile implements backup.Target.
func (r *restoring) HasFile(hash string) bool {
	_, ok := r.files.Has(hash)
	return ok
}

// File implements backup.Target.
func (r *restoring) File(hash string, in io.Reader) error {
	dir := filepath.Join(r.s.cfg.Data, "files")
	f, err := os.CreateTemp(dir, "restore-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		_, _, err = r.files.Adopt(f.Name())
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Extra implements backup.Target.
func (r *restoring) Extra(name string, in io.Reader) error {
	if !strings.HasPrefix(name, "keys/") && !strings.HasPrefix(name, "journal/") {
		return fmt.Errorf("%w: a file %s has no place in a data directory", backup.ErrDamaged, name)
	}
	to := filepath.Join(r.s.cfg.Data, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return writeFile(to, b)
}

func (r *restoring) config() cluster.Config {
	return cluster.Config{Dir: filepath.Join(r.s.cfg.Data, "record"), NodeID: r.s.cfg.Node, Reserve: uint64(r.s.cfg.Disk.Reserve), WriteDeadline: aloneDeadline}
}

// State implements backup.Target.
func (r *restoring) State(about backup.About, open func() (io.ReadCloser, error)) error {
	return cluster.Seed(r.config(), cluster.Point{Index: about.Index, Term: about.Term}, open)
}

// Outbox implements backup.Target.
func (r *restoring) Outbox(open func() (io.ReadCloser, error)) error {
	return cluster.SeedOutbox(r.config(), open)
}
