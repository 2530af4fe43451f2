package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Config says where a Store works and within what bounds. Members in brackets have a default.
type Config struct {
	Dir        string        // its own directory
	MaxFile    int64         // octets of one file [50 MiB]
	PerOwner   int64         // octets promised by the open uploads of one user [250 MiB]
	Uploads    int           // open uploads of one user [32]
	Total      int64         // octets promised by all open uploads [4 GiB]
	StaleAfter time.Duration // an upload that stands still so long, or a content that nobody names, is removed [48 h]
	Now        func() time.Time
	Rand       io.Reader
	// Room refuses (fusion.Full) when so many octets more would take the disk below its reserve. May be nil.
	Room func(octets int64) error
}

func (c Config) withDefaults() Config {
	if c.MaxFile <= 0 {
		c.MaxFile = 50 << 20
	}
	if c.PerOwner <= 0 {
		c.PerOwner = 250 << 20
	}
	if c.Uploads <= 0 {
		c.Uploads = 32
	}
	if c.Total <= 0 {
		c.Total = 4 << 30
	}
	if c.StaleAfter <= 0 {
		c.StaleAfter = 48 * time.Hour
	}
	if c.Room == nil {
		c.Room = func(int64) error { return nil }
	}
	return c
}

const (
	contentDir = "content"
	uploadDir  = "upload"
	partDir    = "part"
	// Prefix begins the name of every content: it says with what it was hashed.
	Prefix = "sha256:"
)

// Store is a content store on disk. All methods are for any goroutine.
type Store struct {
	cfg  Config
	sync func(*os.File) error // for tests: what a crash leaves behind

	storing sync.Mutex // held while a content takes its place, or is pruned

	mu      sync.Mutex
	uploads map[fusion.ID]*upload
	parts   map[string]bool // contents that come from other nodes just now
}

// Open prepares the directory and takes up the uploads that an earlier run left.
func Open(cfg Config) (*Store, error) {
	s := &Store{cfg: cfg.withDefaults(), sync: (*os.File).Sync, uploads: make(map[fusion.ID]*upload), parts: make(map[string]bool)}
	for _, d := range []string{cfg.Dir, s.path(contentDir), s.path(uploadDir), s.path(partDir)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open file store: %w", err)
		}
	}
	if err := s.takeUp(); err != nil {
		return nil, fmt.Errorf("open file store: %w", err)
	}
	return s, nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.cfg.Dir}, parts...)...)
}

// place is where the content of a hash lies.
func (s *Store) place(name string) (string, error) {
	digits, ok := strings.CutPrefix(name, Prefix)
	if !ok || len(digits) != 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fusion.E(fusion.BadRequest, "bad_hash", "a file is named by sha256: and 64 hexadecimal digits")
	}
	return s.path(contentDir, digits[:2], digits), nil
}

// Has reports whether a content is here, and its size.
func (s *Store) Has(name string) (size int64, ok bool) {
	path, err := s.place(name)
	if err != nil {
		return 0, false
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return info.Size(), true
}

// OpenFile opens a content. The caller closes it.
func (s *Store) OpenFile(name string) (*os.File, error) {
	path, err := s.place(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fusion.E(fusion.NotFound, "file_unknown", "the content of %s is not on this node", name)
	}
	if err != nil {
		return nil, fmt.Errorf("open content: %w", err)
	}
	return f, nil
}

// Open opens a content for reading. The caller closes it.
func (s *Store) Open(_ context.Context, name string) (io.ReadSeekCloser, error) {
	f, err := s.OpenFile(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Adopt takes over the synced file at path, on the same file system, and gives its name and size. The path is gone
// afterwards. It may be called again with equal content.
func (s *Store) Adopt(path string) (name string, size int64, err error) {
	name, size, err = hashFile(path, sha256.New())
	if err != nil {
		return "", 0, fmt.Errorf("adopt file: %w", err)
	}
	if err := s.keep(path, name); err != nil {
		return "", 0, fmt.Errorf("adopt file: %w", err)
	}
	return name, size, nil
}

// Put stores a small content that is at hand whole.
func (s *Store) Put(data []byte) (name string, err error) {
	if err := s.cfg.Room(int64(len(data))); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(s.path(uploadDir), "put-*")
	if err != nil {
		return "", fmt.Errorf("put content: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = s.sync(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		name, _, err = s.Adopt(f.Name())
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("put content: %w", err)
	}
	return name, nil
}

// keep moves a synced file to the place of its hash. The name is there for good when it returns.
func (s *Store) keep(path, name string) error {
	to, err := s.place(name)
	if err != nil {
		return err
	}
	s.storing.Lock()
	defer s.storing.Unlock()
	dir := filepath.Dir(to)
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := s.syncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(path, to); err != nil {
		return err
	}
	return s.syncDir(dir)
}

func (s *Store) syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return s.sync(d)
}

// Remove deletes a content that nothing names any more. What is not there is no error.
func (s *Store) Remove(name string) error {
	path, err := s.place(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove content: %w", err)
	}
	return nil
}

// Walk visits every content with its size and time, until visit returns false.
func (s *Store) Walk(visit func(name string, size int64, at time.Time) bool) error {
	err := filepath.WalkDir(s.path(contentDir), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || len(d.Name()) != 64 {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !visit(Prefix+d.Name(), info.Size(), info.ModTime()) {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("walk contents: %w", err)
	}
	return nil
}

func hashFile(path string, h hash.Hash) (name string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, err
	}
	return Prefix + hex.EncodeToString(h.Sum(nil)), size, nil
}
