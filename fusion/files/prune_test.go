package files_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/files"
)

func TestPruningRemovesWhatNobodyNamesAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	s, err := files.Open(files.Config{Dir: dir, Now: func() time.Time { return now }, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) string {
		name, err := s.Put([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	old, needed, linked := put("nobody names it"), put("a message names it"), put("it is being indexed")
	place := filepath.Join(dir, "content", linked[7:9], linked[7:])
	if err := os.Link(place, filepath.Join(dir, "keep")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(49 * time.Hour)
	if err := os.Chtimes(place, now.Add(-49*time.Hour), now.Add(-49*time.Hour)); err != nil {
		t.Fatal(err)
	}
	fresh := put("its message may still come")
	if err := os.Chtimes(filepath.Join(dir, "content", fresh[7:9], fresh[7:]), now, now); err != nil {
		t.Fatal(err)
	}
	named := func(name string) (bool, error) { return name == needed, nil }
	n, freed, err := s.Prune(t.Context(), named)
	if err != nil || n != 1 || freed != int64(len("nobody names it")) {
		t.Errorf("removed %d (%d octets), %v", n, freed, err)
	}
	for name, want := range map[string]bool{old: false, needed: true, linked: true, fresh: true} {
		if _, ok := s.Has(name); ok != want {
			t.Errorf("%s is there: %t", name, ok)
		}
	}
	if _, _, err := s.Prune(t.Context(), func(string) (bool, error) { return false, errors.New("the record cannot be read") }); err == nil {
		t.Error("no error")
	}
	if _, ok := s.Has(needed); !ok {
		t.Error("removed what could not be judged")
	}
}
