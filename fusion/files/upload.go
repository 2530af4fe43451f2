package files

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Promise is what an uploader says that it will send.
type Promise struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
	Hash string `json:"hash"`
}

// Upload is how far an upload has come.
type Upload struct {
	ID     fusion.ID
	Owner  string
	Offset int64 // octets that are on disk
	Done   bool  // the content is stored
	Promise
}

// upload is an open upload: ID.json (what was promised), ID.part (the data) and ID.off (how much of it is synced).
type upload struct {
	ID    fusion.ID `json:"id"`
	Owner string    `json:"owner"`
	Promise

	busy   sync.Mutex // one Append at a time
	offset int64      // guarded by Store.mu
	at     time.Time  // guarded by Store.mu
	gone   bool       // guarded by Store.mu
}

func (u *upload) shown() Upload {
	return Upload{ID: u.ID, Owner: u.Owner, Offset: u.offset, Promise: u.Promise}
}

// Begin opens an upload, or finds the one that this owner has of the same content. Done says that the content is here already: also that of an upload whose last
// octet came before the server died, for its sender has nothing left to send that would finish it.
func (s *Store) Begin(id fusion.ID, owner string, p Promise) (Upload, error) {
	if err := s.check(p); err != nil {
		return Upload{}, err
	}
	if size, ok := s.Has(p.Hash); ok {
		if size != p.Size {
			return Upload{}, fusion.E(fusion.BadRequest, "length_mismatch", "the content of this hash has %d octets, not %d", size, p.Size)
		}
		return Upload{ID: id, Owner: owner, Offset: size, Done: true, Promise: p}, nil
	}
	u, shown, err := s.begin(id, owner, p)
	if err != nil || shown.Offset < u.Size {
		return shown, err
	}
	if !u.busy.TryLock() {
		return Upload{}, errBusy()
	}
	defer u.busy.Unlock()
	return s.finish(u)
}

// begin finds or opens an upload.
func (s *Store) begin(id fusion.ID, owner string, p Promise) (*upload, Upload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.existing(id, owner, p)
	if err != nil {
		return nil, Upload{}, err
	}
	if u != nil {
		return u, u.shown(), nil
	}
	if err := s.allow(owner, p.Size); err != nil {
		return nil, Upload{}, err
	}
	u = &upload{ID: id, Owner: owner, Promise: p, at: s.cfg.Now()}
	if err := s.create(u); err != nil {
		return nil, Upload{}, fmt.Errorf("begin upload: %w", err)
	}
	s.uploads[id] = u
	return u, u.shown(), nil
}

func errBusy() error {
	return fusion.E(fusion.Busy, "upload_busy", "another request is writing to this upload")
}

func errUnknown(id fusion.ID) error {
	return fusion.E(fusion.NotFound, "upload_unknown", "no open upload %s", id)
}

func (s *Store) check(p Promise) error {
	if _, err := s.place(p.Hash); err != nil {
		return err
	}
	if p.Size < 1 || p.Size > s.cfg.MaxFile {
		return fusion.E(fusion.BadRequest, "bad_size", "a file has 1 to %d octets", s.cfg.MaxFile)
	}
	if p.Name == "" || len(p.Name) > 128 || len(p.Type) > 128 {
		return fusion.E(fusion.BadRequest, "bad_name", "a file's name has 1 to 128 octets, its type at most 128")
	}
	return nil
}

// existing finds the upload of an ID, or of the same content by the same owner. s.mu is held.
func (s *Store) existing(id fusion.ID, owner string, p Promise) (*upload, error) {
	if u := s.uploads[id]; u != nil {
		if u.Owner != owner || u.Hash != p.Hash || u.Size != p.Size {
			return nil, fusion.E(fusion.Conflict, "id_taken", "another upload has this ID")
		}
		return u, nil
	}
	for _, u := range s.uploads {
		if u.Owner == owner && u.Hash == p.Hash && u.Size == p.Size {
			return u, nil
		}
	}
	return nil, nil
}

// allow holds the quotas and the disk's reserve. s.mu is held.
func (s *Store) allow(owner string, size int64) error {
	n, mine, all := 0, size, size
	for _, u := range s.uploads {
		all += u.Size - u.offset
		if u.Owner == owner {
			n++
			mine += u.Size
		}
	}
	switch {
	case n >= s.cfg.Uploads || mine > s.cfg.PerOwner:
		return fusion.E(fusion.Busy, "upload_quota", "you have %d open uploads of %d octets; finish them first", n, mine-size)
	case all > s.cfg.Total:
		return fusion.E(fusion.Busy, "upload_quota", "too many uploads at once on this node")
	}
	return s.cfg.Room(all)
}

func (s *Store) file(id fusion.ID, ext string) string { return s.path(uploadDir, id.String()+ext) }

// create writes what was promised. The .json comes last: an upload is there when that is.
func (s *Store) create(u *upload) error {
	data, err := json.Marshal(u)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		ext  string
		data []byte
	}{{".part", nil}, {".off", make([]byte, 8)}, {".tmp", data}} {
		if err := s.write(s.file(u.ID, f.ext), f.data); err != nil {
			return err
		}
	}
	if err := os.Rename(s.file(u.ID, ".tmp"), s.file(u.ID, ".json")); err != nil {
		return err
	}
	return s.syncDir(s.path(uploadDir))
}

func (s *Store) write(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = s.sync(f)
	}
	return errors.Join(err, f.Close())
}

// find gives an owner's upload.
func (s *Store) find(id fusion.ID, owner string) (*upload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil || u.Owner != owner {
		return nil, errUnknown(id)
	}
	return u, nil
}

// State tells how far an upload has come.
func (s *Store) State(id fusion.ID, owner string) (Upload, error) {
	u, err := s.find(id, owner)
	if err != nil {
		return Upload{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return u.shown(), nil
}

// Append takes the octets that follow offset. What it answers for is on disk. When the last one has come, length and hash
// are held against the promise; the content is stored and synced when Done is true.
func (s *Store) Append(ctx context.Context, id fusion.ID, owner string, offset int64, r io.Reader) (Upload, error) {
	u, err := s.find(id, owner)
	if err != nil {
		return Upload{}, err
	}
	if !u.busy.TryLock() {
		return Upload{}, errBusy()
	}
	defer u.busy.Unlock()
	s.mu.Lock()
	at, gone := u.offset, u.gone
	s.mu.Unlock()
	if gone {
		return Upload{}, errUnknown(id)
	}
	if at == u.Size { // all is here, but an earlier attempt to finish failed
		return s.finish(u)
	}
	if offset != at {
		return Upload{}, fusion.E(fusion.Conflict, "wrong_offset", "the upload goes on at %d, not at %d", at, offset)
	}
	if err := s.cfg.Room(u.Size - at); err != nil {
		return Upload{}, err
	}
	n, readErr, err := s.append(ctx, u, at, r)
	if err != nil {
		return Upload{}, err
	}
	s.mu.Lock()
	u.offset, u.at = at+n, s.cfg.Now()
	shown := u.shown()
	s.mu.Unlock()
	if shown.Offset == u.Size {
		return s.finish(u)
	}
	return shown, readErr
}

// append writes and syncs what comes from r. ReadErr says that the sender broke off: what came before is kept.
func (s *Store) append(ctx context.Context, u *upload, at int64, r io.Reader) (n int64, readErr, err error) {
	f, err := os.OpenFile(s.file(u.ID, ".part"), os.O_WRONLY, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("append to upload: %w", err)
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, 64<<10)
	for readErr == nil && ctx.Err() == nil {
		var k int
		if k, readErr = r.Read(buf); k == 0 {
			continue
		}
		if at+n+int64(k) > u.Size {
			return 0, nil, fusion.E(fusion.BadRequest, "too_long", "more octets came than the %d that were promised", u.Size)
		}
		if _, err := f.WriteAt(buf[:k], at+n); err != nil {
			return 0, nil, fmt.Errorf("append to upload: %w", err)
		}
		n += int64(k)
	}
	if err := s.sync(f); err != nil {
		return 0, nil, fmt.Errorf("append to upload: %w", err)
	}
	if err := s.mark(u.ID, at+n); err != nil {
		return 0, nil, fmt.Errorf("append to upload: %w", err)
	}
	if errors.Is(readErr, io.EOF) {
		readErr = nil
	}
	if readErr != nil {
		readErr = fusion.E(fusion.BadRequest, "broken_off", "the request broke off after %d octets: %v", n, readErr)
	}
	return n, readErr, nil
}

// mark writes down how much of the data is synced: eight octets in one sector, so the number is the old or the new one.
func (s *Store) mark(id fusion.ID, offset int64) error {
	f, err := os.OpenFile(s.file(id, ".off"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(binary.BigEndian.AppendUint64(nil, uint64(offset)), 0)
	if err == nil {
		err = s.sync(f)
	}
	return errors.Join(err, f.Close())
}

// finish holds the whole file against its promise and stores it. u.busy is held.
func (s *Store) finish(u *upload) (Upload, error) {
	part := s.file(u.ID, ".part")
	if _, ok := s.Has(u.Hash); !ok {
		if s.discarded(u) {
			return Upload{}, errUnknown(u.ID)
		}
		name, size, err := hashFile(part, sha256.New())
		if err != nil {
			return Upload{}, fmt.Errorf("finish upload: %w", err)
		}
		if name != u.Hash || size != u.Size {
			s.drop(u)
			return Upload{}, fusion.E(fusion.BadRequest, "hash_mismatch", "the content has the hash %s, not %s; the upload is discarded", name, u.Hash)
		}
		if err := s.keep(part, name); err != nil {
			return Upload{}, fmt.Errorf("finish upload: %w", err)
		}
	}
	s.drop(u)
	done := u.shown()
	done.Offset, done.Done = u.Size, true
	return done, nil
}

// discarded reports whether an upload was given up by whoever had it before us.
func (s *Store) discarded(u *upload) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return u.gone
}

// drop forgets an upload. Its .json goes first: without it the rest is litter that takeUp clears away.
func (s *Store) drop(u *upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.gone = true
	delete(s.uploads, u.ID)
	for _, ext := range []string{".json", ".part", ".off", ".tmp"} {
		_ = os.Remove(s.file(u.ID, ext))
	}
}

// Sweep discards the uploads, and the contents from other nodes, on which nothing has come for too long, and gives their number.
func (s *Store) Sweep() int {
	s.mu.Lock()
	var stale []*upload
	for _, u := range s.uploads {
		if s.cfg.Now().Sub(u.at) > s.cfg.StaleAfter && u.busy.TryLock() {
			stale = append(stale, u)
		}
	}
	s.mu.Unlock()
	for _, u := range stale {
		s.drop(u)
		u.busy.Unlock()
	}
	return len(stale) + s.sweepParts()
}

// takeUp reads the uploads that an earlier run left, and clears away what belongs to none.
func (s *Store) takeUp() error {
	entries, err := os.ReadDir(s.path(uploadDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			s.takeUpOne(name)
		}
	}
	for _, e := range entries {
		id, _, _ := strings.Cut(e.Name(), ".")
		if known, err := fusion.ParseID(id); err == nil && s.uploads[known] != nil {
			continue
		}
		if err := os.Remove(s.path(uploadDir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// takeUpOne takes up one upload at its synced offset; a damaged one is left to be cleared away.
func (s *Store) takeUpOne(name string) {
	base := filepath.Join(s.path(uploadDir), name)
	data, err := os.ReadFile(base + ".json")
	if err != nil {
		return
	}
	u := &upload{at: s.cfg.Now()}
	if err := json.Unmarshal(data, u); err != nil || u.ID.String() != name || s.check(u.Promise) != nil {
		return
	}
	off, err := os.ReadFile(base + ".off")
	if err != nil || len(off) != 8 {
		return
	}
	u.offset = int64(binary.BigEndian.Uint64(off))
	info, err := os.Stat(base + ".part")
	if _, stored := s.Has(u.Hash); stored || err != nil || u.offset < 0 || u.offset > u.Size || info.Size() < u.offset {
		return
	}
	if err := os.Truncate(base+".part", u.offset); err != nil {
		return
	}
	s.uploads[u.ID] = u
}
