package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// What contents from other nodes may take.
const (
	// MaxPart is the most octets of one content that comes from another node. A recording has no limit of an upload's size: a call that stood open for
	// two days in uncompressed speech has 5.5 GB.
	MaxPart = 8 << 30
	// maxParts bounds the contents that come at once.
	maxParts = 64
	// partSync is how much is written between two syncs. A disk that has a gigabyte of ours to write before it comes to the record's log would make that miss its
	// deadline.
	partSync = 2 << 20
)

// Part is a content that comes from another node of the site, piece by piece. What has come stays when it breaks off, and the next Part of the same name goes on
// there. It counts for nothing before Commit has held it against its hash. A Part is for one goroutine.
type Part struct {
	s     *Store
	name  string
	size  int64
	f     *os.File
	h     hash.Hash
	at    int64
	dirty int64 // octets since the last sync
}

// Receive begins or goes on with a content of a size. Errors: Conflict file_here when it is stored already, Busy file_busy when it comes by another way just now.
func (s *Store) Receive(name string, size int64) (*Part, error) {
	path, err := s.partPath(name)
	if err != nil {
		return nil, err
	}
	if size < 0 || size > MaxPart {
		return nil, fusion.E(fusion.BadRequest, "bad_size", "a file of %d octets is not taken", size)
	}
	if err := s.claim(name); err != nil {
		return nil, err
	}
	p := &Part{s: s, name: name, size: size, h: sha256.New()}
	if err := p.open(path); err != nil {
		s.disclaim(name)
		return nil, err
	}
	return p, nil
}

func (s *Store) partPath(name string) (string, error) {
	place, err := s.place(name)
	return s.path(partDir, filepath.Base(place)), err
}

// claim makes sure that a content comes once at a time, and not again when it is there.
func (s *Store) claim(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch _, here := s.Has(name); {
	case here:
		return fusion.E(fusion.Conflict, "file_here", "%s is stored already", name)
	case s.parts[name]:
		return fusion.E(fusion.Busy, "file_busy", "%s comes by another way just now", name)
	case len(s.parts) >= maxParts:
		return fusion.E(fusion.Busy, "too_many_files", "%d files come at once", maxParts)
	}
	s.parts[name] = true
	return nil
}

func (s *Store) disclaim(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parts, name)
}

// open finds what has come before. A beginning that is longer than the whole is none of this content.
func (p *Part) open(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("receive file: %w", err)
	}
	p.f = f
	if p.at, err = io.Copy(p.h, f); err == nil && p.at > p.size {
		err = p.restart()
	}
	if err == nil {
		err = p.s.cfg.Room(p.size - p.at)
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("receive file: %w", err)
	}
	return nil
}

func (p *Part) restart() error {
	p.at = 0
	p.h.Reset()
	if err := p.f.Truncate(0); err != nil {
		return err
	}
	_, err := p.f.Seek(0, io.SeekStart)
	return err
}

// Offset is how much has come: what is written next follows it.
func (p *Part) Offset() int64 { return p.at }

// Write implements io.Writer. More than was said is refused.
func (p *Part) Write(b []byte) (int, error) {
	if int64(len(b)) > p.size-p.at {
		return 0, fusion.E(fusion.BadRequest, "too_long", "more octets came than the %d that were said", p.size)
	}
	n, err := p.f.Write(b)
	_, _ = p.h.Write(b[:n]) // a hash takes everything
	p.at += int64(n)
	p.dirty += int64(n)
	if err == nil && p.dirty >= partSync {
		err = p.flush()
	}
	if err != nil {
		return n, fmt.Errorf("receive file: %w", err)
	}
	return n, nil
}

// flush brings what was written to the disk, and looks whether there is room for the rest.
func (p *Part) flush() error {
	p.dirty = 0
	return errors.Join(p.s.sync(p.f), p.s.cfg.Room(p.size-p.at))
}

// Commit stores the content for good: on the disk, under its name, its directory synced. A content that is not what its name says is thrown away:
// BadRequest hash_mismatch.
func (p *Part) Commit() error {
	if p.at != p.size {
		return fusion.E(fusion.BadRequest, "too_short", "%d of %d octets came", p.at, p.size)
	}
	path := p.f.Name()
	if got := Prefix + hex.EncodeToString(p.h.Sum(nil)); got != p.name {
		return errors.Join(fusion.E(fusion.BadRequest, "hash_mismatch", "what came has the hash %s, not %s; it is discarded", got, p.name), p.restart(), os.Remove(path))
	}
	if err := p.s.sync(p.f); err != nil {
		return fmt.Errorf("receive file: %w", err)
	}
	if err := p.s.keep(path, p.name); err != nil {
		return fmt.Errorf("receive file: %w", err)
	}
	return nil
}

// Close ends this turn. What has come stays for the next one.
func (p *Part) Close() error {
	err := p.f.Close()
	p.s.disclaim(p.name)
	return err
}

// Touch makes a content as young as if it came now, so that it is not pruned before what is to name it has come. False: it is not here.
func (s *Store) Touch(name string) (size int64, ok bool) {
	path, err := s.place(name)
	if err != nil {
		return 0, false
	}
	s.storing.Lock()
	defer s.storing.Unlock()
	size, ok = s.Has(name)
	now := s.cfg.Now()
	if !ok || os.Chtimes(path, time.Time{}, now) != nil {
		return 0, false
	}
	return size, true
}

// sweepParts discards what came of contents and was not gone on with.
func (s *Store) sweepParts() (n int) {
	entries, err := os.ReadDir(s.path(partDir))
	if err != nil {
		return 0
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || s.cfg.Now().Sub(info.ModTime()) <= s.cfg.StaleAfter {
			continue
		}
		s.mu.Lock()
		if !s.parts[Prefix+e.Name()] && os.Remove(s.path(partDir, e.Name())) == nil {
			n++
		}
		s.mu.Unlock()
	}
	return n
}
