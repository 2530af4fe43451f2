package files

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func receive(t *testing.T, s *Store, name string, data []byte) *Part {
	t.Helper()
	p, err := s.Receive(name, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(data[p.Offset():]); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAContentFromAnotherNodeGoesOnWhereItStopped(t *testing.T) {
	now := time.Unix(1e9, 0)
	dir := t.TempDir()
	s := open(t, dir, &now)
	data := bytes.Repeat([]byte("0123456789"), 700_000) // several syncs
	name := promise(data).Hash
	p, err := s.Receive(name, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(data[:3_000_000]); err != nil {
		t.Fatal(err)
	}
	_, err = s.Receive(name, int64(len(data)))
	wants(t, err, "file_busy")
	wants(t, p.Commit(), "too_short")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, here := s.Has(name); here {
		t.Error("half a content counts")
	}
	s = open(t, dir, &now) // the process died
	p = receive(t, s, name, data)
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content(t, s, name), data) {
		t.Error("another content")
	}
	_, err = s.Receive(name, int64(len(data)))
	wants(t, err, "file_here")
}

func TestAContentThatIsNotWhatItsNameSaysIsThrownAway(t *testing.T) {
	now := time.Unix(1e9, 0)
	dir := t.TempDir()
	s := open(t, dir, &now)
	data := []byte("what was asked for")
	name := promise(data).Hash
	part := filepath.Join(dir, partDir, name[len(Prefix):])
	for _, garbage := range []string{"what was asked FOR", "a power cut left more than the whole has", "what"} {
		if err := os.WriteFile(part, []byte(garbage), 0o600); err != nil {
			t.Fatal(err)
		}
		p := receive(t, s, name, data)
		err := p.Commit()
		if _, here := s.Has(name); here != (err == nil) {
			t.Fatalf("%q: stored %t, %v", garbage, here, err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil { // it begins again and succeeds
			wants(t, err, "hash_mismatch")
			p = receive(t, s, name, data)
			if err := p.Commit(); err != nil {
				t.Fatal(err)
			}
			_ = p.Close()
		}
		if err := s.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	p, err := s.Receive(name, 4)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Write([]byte("too much"))
	wants(t, err, "too_long")
	_ = p.Close()
	_, err = s.Receive("sha256:../../etc/passwd", 4)
	wants(t, err, "bad_hash")
	_, err = s.Receive(name, MaxPart+1)
	wants(t, err, "bad_size")
}

func TestAFullDiskTakesNoContentsAndOldPartsAreSweptAway(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	s := open(t, dir, &now)
	free := int64(5 << 20)
	s.cfg.Room = func(octets int64) error {
		if octets > free {
			return os.ErrInvalid
		}
		return nil
	}
	data := make([]byte, 6<<20)
	name := promise(data).Hash
	if _, err := s.Receive(name, int64(len(data))); err == nil {
		t.Error("no room, and taken")
	}
	free = 6 << 20
	p, err := s.Receive(name, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	free = 0 // others fill the disk meanwhile
	if _, err := p.Write(data[:partSync]); err == nil {
		t.Error("the disk is full, and it goes on")
	}
	now = now.Add(49 * time.Hour)
	if n := s.Sweep(); n != 0 {
		t.Error("swept away while it comes")
	}
	_ = p.Close()
	if n := s.Sweep(); n != 1 {
		t.Errorf("%d old parts", n)
	}
}

func TestATouchedContentIsNotPruned(t *testing.T) {
	now := time.Now()
	s := open(t, t.TempDir(), &now)
	name, err := s.Put([]byte("its message is on its way"))
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(50 * time.Hour)
	if size, ok := s.Touch(name); !ok || size != 25 {
		t.Fatal(size, ok)
	}
	nothing := func(string) (bool, error) { return false, nil }
	if n, _, err := s.Prune(t.Context(), nothing); err != nil || n != 0 {
		t.Error(n, err)
	}
	now = now.Add(50 * time.Hour)
	if n, _, err := s.Prune(t.Context(), nothing); err != nil || n != 1 {
		t.Error(n, err)
	}
	if _, ok := s.Touch(name); ok {
		t.Error("gone, and touched")
	}
}
