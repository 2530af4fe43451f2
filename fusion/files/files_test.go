package files

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

func open(t *testing.T, dir string, now *time.Time) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, Now: func() time.Time { return *now }, Rand: rand.Reader, MaxFile: 1 << 20, PerOwner: 1 << 20, Uploads: 4})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func promise(data []byte) Promise {
	sum := sha256.Sum256(data)
	return Promise{Name: "x", Type: "image/jpeg", Size: int64(len(data)), Hash: Prefix + hex.EncodeToString(sum[:])}
}

func wants(t *testing.T, err error, reason string) {
	t.Helper()
	if err == nil || fusion.ReasonOf(err) != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

func content(t *testing.T, s *Store, name string) []byte {
	t.Helper()
	f, err := s.OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The power may go at every sync: what was answered for before is there afterwards, and the upload can be finished.
func TestAnUploadSurvivesAPowerCutAtEverySync(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 3000)
	p := promise(data)
	for cut := 1; cut <= 16; cut++ {
		now := time.Unix(1e9, 0)
		dir := t.TempDir()
		s := open(t, dir, &now)
		syncs, dead := 0, errors.New("power cut")
		s.sync = func(f *os.File) error {
			if syncs++; syncs >= cut {
				return dead
			}
			return f.Sync()
		}
		answered, done := int64(-1), false
		id := fusion.ID{byte(cut)}
		if u, err := s.Begin(id, "zhang", p); err == nil {
			answered = u.Offset
			for !u.Done && err == nil {
				if u, err = s.Append(t.Context(), id, "zhang", u.Offset, bytes.NewReader(data[u.Offset:min(u.Offset+10_000, int64(len(data)))])); err == nil {
					answered, done = u.Offset, u.Done
				}
			}
		}
		part := s.file(id, ".part")
		if f, err := os.OpenFile(part, os.O_APPEND|os.O_WRONLY, 0); err == nil && !done { // what was not synced may be anything
			_, _ = f.Write([]byte("garbage"))
			_ = f.Close()
		}
		again := open(t, dir, &now)
		u, err := again.Begin(id, "zhang", p)
		if err != nil || u.Offset < answered || u.Done != (u.Offset == u.Size) || done && !u.Done {
			t.Fatalf("cut at sync %d: answered for %d (%v), found %+v, %v", cut, answered, done, u, err)
		}
		for !u.Done {
			if u, err = again.Append(t.Context(), u.ID, "zhang", u.Offset, bytes.NewReader(data[u.Offset:])); err != nil {
				t.Fatalf("cut at sync %d: %v", cut, err)
			}
		}
		if !bytes.Equal(content(t, again, p.Hash), data) {
			t.Fatalf("cut at sync %d: another content", cut)
		}
		left, err := os.ReadDir(filepath.Join(dir, uploadDir))
		if err != nil || len(left) != 0 {
			t.Errorf("cut at sync %d: left behind %v, %v", cut, left, err)
		}
	}
}

func TestWhatASenderBreaksOffGoesOn(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := open(t, t.TempDir(), &now)
	data := bytes.Repeat([]byte("x1"), 5000)
	u, err := s.Begin(fusion.ID{1}, "zhang", promise(data))
	if err != nil {
		t.Fatal(err)
	}
	broken := io.MultiReader(bytes.NewReader(data[:3000]), iotest.ErrReader(errors.New("reset")))
	u, err = s.Append(t.Context(), u.ID, "zhang", 0, broken)
	wants(t, err, "broken_off")
	if u.Offset != 3000 {
		t.Errorf("kept %d octets", u.Offset)
	}
	_, err = s.Append(t.Context(), u.ID, "zhang", 0, bytes.NewReader(data))
	wants(t, err, "wrong_offset")
	if u, err = s.Append(t.Context(), u.ID, "zhang", 3000, bytes.NewReader(data[3000:])); err != nil || !u.Done {
		t.Fatalf("%+v, %v", u, err)
	}
	if u, err = s.Begin(fusion.ID{2}, "li", promise(data)); err != nil || !u.Done {
		t.Errorf("the same content again: %+v, %v", u, err)
	}
}

func TestQuotasAndStaleUploads(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := open(t, t.TempDir(), &now)
	for i := range 4 {
		if _, err := s.Begin(fusion.ID{1, byte(i)}, "zhang", promise([]byte{byte(i), 1})); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Begin(fusion.ID{9}, "zhang", promise([]byte("more")))
	wants(t, err, "upload_quota")
	if _, err := s.Begin(fusion.ID{9}, "li", promise([]byte("more"))); err != nil {
		t.Errorf("another user: %v", err)
	}
	for _, p := range []Promise{{Name: "x", Size: 0, Hash: promise(nil).Hash}, {Name: "x", Size: 2 << 20, Hash: promise(nil).Hash}} {
		_, err = s.Begin(fusion.ID{10}, "wang", p)
		wants(t, err, "bad_size")
	}
	_, err = s.Begin(fusion.ID{10}, "wang", Promise{Name: "x", Size: 1, Hash: "sha256:../../etc/passwd"})
	wants(t, err, "bad_hash")
	now = now.Add(49 * time.Hour)
	if n := s.Sweep(); n != 5 {
		t.Errorf("%d stale uploads", n)
	}
	s.cfg.Room = func(int64) error { return fusion.E(fusion.Full, "disk_reserve", "") }
	_, err = s.Begin(fusion.ID{11}, "zhang", promise([]byte("full")))
	wants(t, err, "disk_reserve")
}
