package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/sealed"
)

// Reading is the record as of one moment.
type Reading interface {
	Point() (index, term uint64)
	Save(w io.Writer) error
	SaveOutbox(w io.Writer) (held bool, err error)
	EachFile(visit func(hash string) error) error
	Close()
}

// Source is what is backed up.
type Source struct {
	About   About // but Format, Index and Term
	Reading func() (Reading, error)
	File    func(hash string) (io.ReadCloser, error) // fusion.NotFound: the node does not have it
	Extra   func() ([]string, error)                 // paths within Data, with slashes
	Data    string
}

// Options of a backup and a restore.
type Options struct {
	Dir    string
	Key    []byte // 16, 24 or 32 octets: seals the backup; nil leaves it readable
	Random io.Reader
	Room   func(octets int64) error // refuses when the disk it goes to would become too full
	Note   func(Progress)           // called now and then; may be nil
}

// Progress is how far it is.
type Progress struct {
	Files   int   `json:"files"`
	Octets  int64 `json:"octets"`
	Reused  int   `json:"reused"`            // of the files: they were there already
	Missing int   `json:"missing,omitempty"` // named by the record, not on this node
}

// Result is what a backup or a restore came to.
type Result struct {
	About About `json:"about"`
	Progress
	Lacks []string `json:"lacks,omitempty"` // the first hashes of Missing
}

const maxLacks = 100

// writing is a backup under way.
type writing struct {
	box
	opt      Options
	source   Source
	manifest *manifestWriter
	result   Result
	named    map[string]bool // objects of the new manifest
}

// Write makes a backup, or goes on with one that was interrupted, or brings an older one in the same directory up to date.
func Write(ctx context.Context, opt Options, source Source) (Result, error) {
	w := &writing{box: box{opt.Dir, opt.Key, opt.Random}, opt: opt, source: source, named: make(map[string]bool)}
	if err := w.prepare(); err != nil {
		return Result{}, fmt.Errorf("backup: %w", err)
	}
	reading, err := source.Reading()
	if err != nil {
		return Result{}, fmt.Errorf("backup: %w", err)
	}
	defer reading.Close()
	w.result.About = source.About
	w.result.About.Format = Format
	w.result.About.Index, w.result.About.Term = reading.Point()
	path, err := w.create(func(out io.Writer) (err error) {
		if w.manifest, err = newManifest(out, w.result.About); err != nil {
			return err
		}
		if err := w.all(ctx, reading); err != nil {
			return err
		}
		return w.manifest.close()
	})
	if err != nil {
		return w.result, fmt.Errorf("backup: %w", err)
	}
	if err := errors.Join(os.Rename(path, filepath.Join(w.dir, manifestName)), syncDir(w.dir), w.sweep()); err != nil {
		return w.result, fmt.Errorf("backup: %w", err)
	}
	return w.result, nil
}

// prepare makes the directory, and refuses one that holds something else.
func (w *writing) prepare() error {
	found, err := os.ReadDir(w.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range found {
		if name := f.Name(); name != manifestName && name != objectDir && name != scratch {
			return fmt.Errorf("%s holds %s, which is no part of a backup: name a directory of its own", w.dir, name)
		}
	}
	if err := os.RemoveAll(filepath.Join(w.dir, scratch)); err != nil {
		return err
	}
	for _, d := range []string{w.dir, filepath.Join(w.dir, objectDir), filepath.Join(w.dir, scratch)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, manifestName)); err != nil {
		return nil
	}
	if _, err := Open(Options{Dir: w.dir, Key: w.key}); err != nil && (!errors.Is(err, ErrDamaged) || errors.Is(err, sealed.ErrSealed)) {
		return fmt.Errorf("the backup that is there: %w", err)
	}
	return nil
}

// all writes the objects and names them.
func (w *writing) all(ctx context.Context, reading Reading) error {
	if err := w.object(State, string(State), reading.Save); err != nil {
		return err
	}
	held := false
	err := w.object(Outbox, string(Outbox), func(out io.Writer) (err error) {
		held, err = reading.SaveOutbox(out)
		if err == nil && !held {
			err = errNothing
		}
		return err
	})
	if err != nil && !errors.Is(err, errNothing) {
		return err
	}
	if err := w.extras(); err != nil {
		return err
	}
	return reading.EachFile(func(hash string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return w.file(hash)
	})
}

var errNothing = errors.New("nothing to write")

func (w *writing) object(kind Kind, name string, write func(io.Writer) error) error {
	if err := w.opt.Room(0); err != nil {
		return err
	}
	hash, size, err := w.store(write)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	w.named[w.place(hash)] = true
	w.result.Octets += size
	return w.manifest.add(Entry{Kind: kind, Name: name, Size: size, Hash: hash})
}

func (w *writing) extras() error {
	names, err := w.source.Extra()
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(filepath.Join(w.source.Data, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went meanwhile
		}
		if err != nil {
			return err
		}
		err = w.object(Extra, name, func(out io.Writer) error {
			_, err := io.Copy(out, f)
			return err
		})
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// file backs one content up, unless it is there already.
func (w *writing) file(hash string) error {
	r, err := w.source.File(hash)
	if fusion.FaultOf(err) == fusion.NotFound && err != nil {
		w.result.Missing++
		if len(w.result.Lacks) < maxLacks {
			w.result.Lacks = append(w.result.Lacks, hash)
		}
		return w.manifest.add(Entry{Kind: Missing, Name: hash})
	}
	if err != nil {
		return err
	}
	size, err := w.copy(hash, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("file %s: %w", hash, err)
	}
	w.named[w.place(hash)] = true
	w.result.Files++
	w.result.Octets += size
	if w.opt.Note != nil {
		w.opt.Note(w.result.Progress)
	}
	return w.manifest.add(Entry{Kind: File, Name: hash, Size: size, Hash: hash})
}

func (w *writing) copy(hash string, r io.Reader) (size int64, err error) {
	if w.has(hash) {
		w.result.Reused++
		// Its size is that of the content, which is cheap to count and dear to be wrong about.
		return io.Copy(io.Discard, r)
	}
	if err := w.opt.Room(0); err != nil {
		return 0, err
	}
	got, size, err := w.store(func(out io.Writer) error {
		_, err := io.Copy(out, r)
		return err
	})
	if err == nil && got != hash {
		err = errors.Join(fmt.Errorf("the node's own copy is damaged: it holds %s", got), os.Remove(w.place(got)))
	}
	return size, err
}

// sweep removes objects that the new manifest does not name, and what was being written.
func (w *writing) sweep() error {
	err := filepath.WalkDir(filepath.Join(w.dir, objectDir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || w.named[path] {
			return err
		}
		return os.Remove(path)
	})
	return errors.Join(err, os.RemoveAll(filepath.Join(w.dir, scratch)))
}
