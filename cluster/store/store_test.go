package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests close it themselves
	return s
}

func set(t testing.TB, s *store.Store, pairs ...string) {
	t.Helper()
	err := s.Update(func(tx *store.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Set([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s *store.Store, key string) string {
	t.Helper()
	var v []byte
	err := s.View(func(tx *store.Tx) (err error) {
		v, err = tx.Get([]byte(key))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(v)
}

func TestATransactionIsWholeOrNothing(t *testing.T) {
	s := open(t, store.Options{})
	broken := errors.New("no")
	err := s.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Set([]byte("a"), []byte("1")), tx.SetMetaUint("applied", 7), broken)
	})
	if !errors.Is(err, broken) || get(t, s, "a") != "" {
		t.Fatalf("got %v, %q", err, get(t, s, "a"))
	}
}

func TestATransactionThatIsTooBigSaysSo(t *testing.T) {
	s := open(t, store.Options{})
	err := s.Update(func(tx *store.Tx) error {
		for i := range 20 {
			if err := tx.Set(fmt.Appendf(nil, "%d", i), make([]byte, 100_000)); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, store.ErrTooBig) {
		t.Fatalf("got %v", err)
	}
	set(t, s, "a", "1")
	if get(t, s, "a") != "1" || get(t, s, "0") != "" {
		t.Fatal("the store does not go on")
	}
}

// TestScansAgreeWithAMap holds Scan against state.Memory in both directions, within and outside of a transaction.
func TestScansAgreeWithAMap(t *testing.T) {
	s := open(t, store.Options{})
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.StringMatching(`[a-z]{8}`).Draw(t, "space")
		mem := state.NewMemory()
		key := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xfe}), 1, 4), func(b []byte) []byte { return append([]byte(space), b...) })
		err := s.Update(func(tx *store.Tx) error {
			for range rapid.IntRange(0, 12).Draw(t, "writes") {
				k := key.Draw(t, "key")
				if rapid.Bool().Draw(t, "delete") {
					if err := errors.Join(tx.Delete(k), mem.Delete(k)); err != nil {
						return err
					}
				} else if err := errors.Join(tx.Set(k, k), mem.Set(k, k)); err != nil {
					return err
				}
				compare(t, tx, mem, key.Draw(t, "prefix"), key.Draw(t, "from"), space)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = s.View(func(tx *store.Tx) error {
			compare(t, tx, mem, key.Draw(t, "prefix"), key.Draw(t, "from"), space)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func compare(t *rapid.T, tx state.Reader, mem state.Reader, prefix, from []byte, space string) {
	prefix = prefix[:len(prefix)-1]
	if len(prefix) < len(space) {
		prefix = []byte(space)
	}
	if !bytes.HasPrefix(from, prefix) {
		from = nil
	}
	reverse := rapid.Bool().Draw(t, "reverse")
	if a, b := scan(t, tx, prefix, from, reverse), scan(t, mem, prefix, from, reverse); !slices.Equal(a, b) {
		t.Fatalf("scan %q from %q reverse %v: badger %q, map %q", prefix, from, reverse, a, b)
	}
}

func scan(t *rapid.T, r state.Reader, prefix, from []byte, reverse bool) []string {
	var out []string
	err := r.Scan(prefix, from, reverse, func(k, v []byte) (bool, error) {
		out = append(out, string(k)+"="+string(v))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestThereIsRoomForTheLargestCommandOfTheState(t *testing.T) {
	s := open(t, store.Options{})
	err := s.Update(func(tx *store.Tx) error {
		for i := range 12_000 { // as many writes as state allows one command
			if err := tx.Set(fmt.Appendf(nil, "%040d", i), make([]byte, 26)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskIsRefusedBeforeBadgerDiesOfIt(t *testing.T) {
	free, now := uint64(100), time.Unix(0, 0)
	g := store.NewGuard(80, func() (uint64, error) { return free, nil }, func() time.Time { now = now.Add(time.Second); return now })
	s := open(t, store.Options{Guard: g})
	full := &fusion.Error{Fault: fusion.Full, Reason: "disk_reserve"}
	if err := g.Check(20); err != nil {
		t.Error(err)
	}
	if err := g.Check(21); !errors.Is(err, full) {
		t.Errorf("beyond the reserve: %v", err)
	}
	free = 20
	set(t, s, "accepted", "before")
	free = 19
	if err := s.Update(func(*store.Tx) error { return nil }); !errors.Is(err, full) {
		t.Errorf("a quarter of the reserve: %v", err)
	}
}

func TestAGuardLooksAtTheDiskOnlySoOften(t *testing.T) {
	looks, now := 0, time.Unix(100, 0)
	g := store.NewGuard(1, func() (uint64, error) { looks++; return 10, nil }, func() time.Time { return now })
	for range 1000 {
		if err := g.Check(1); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Second)
	if err := g.Check(1); err != nil || looks != 2 {
		t.Fatalf("%d looks, %v", looks, err)
	}
	now = now.Add(-time.Hour) // the clock jumps back
	if err := g.Check(1); err != nil || looks != 3 {
		t.Fatalf("%d looks, %v", looks, err)
	}
}

func TestASealedStoreIsUselessWithoutItsKey(t *testing.T) {
	dir, key := t.TempDir(), bytes.Repeat([]byte{3}, 32)
	s := open(t, store.Options{Dir: dir, Key: key})
	set(t, s, "message", strings.Repeat("the dam breaks ", 50))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && bytes.Contains(data, []byte("the dam")) {
			t.Errorf("%s can be read", filepath.Base(f))
		}
	}
	if _, err := store.Open(store.Options{Dir: dir, Key: bytes.Repeat([]byte{4}, 32), Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("opened by another key")
	}
	if got := get(t, open(t, store.Options{Dir: dir, Key: key}), "message"); !strings.HasPrefix(got, "the dam") {
		t.Errorf("got %q", got)
	}
}

func TestASavedStateIsLoadedWhole(t *testing.T) {
	from, to := open(t, store.Options{}), open(t, store.Options{})
	for i := range 3000 {
		set(t, from, fmt.Sprintf("key %05d", i), strings.Repeat("v", i%700))
	}
	set(t, to, "old", "gone after the load")
	reading := from.Snapshot()
	defer reading.Close()
	set(t, from, "later", "not in it")
	var saved bytes.Buffer
	if err := reading.Save(&saved); err != nil {
		t.Fatal(err)
	}
	whole := saved.Bytes()
	if err := to.Load(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	if get(t, to, "old") != "" || get(t, to, "later") != "" || get(t, to, "key 02999") != strings.Repeat("v", 2999%700) {
		t.Error("another state")
	}
	set(t, to, "goes", "on")
	for name, r := range map[string]io.Reader{
		"cut":     bytes.NewReader(whole[:len(whole)-40]),
		"altered": bytes.NewReader(append(bytes.Clone(whole[:500]), append([]byte{whole[500] ^ 1}, whole[501:]...)...)),
		"foreign": strings.NewReader("hello"),
	} {
		if err := to.Load(r); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

func TestALoadThatWasInterruptedIsNoticed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	if err := s.Load(strings.NewReader("guantong state sha256 1\n\x03abc")); err == nil {
		t.Fatal("loaded")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("got %v", err)
	}
}

// TestManyTablesKeepEveryTransaction writes through several memory tables and finds every transaction after a new start.
func TestManyTablesKeepEveryTransaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	want := make(map[string]string)
	for i := range 600 {
		k := fmt.Sprintf("key %05d", i)
		want[k] = strings.Repeat(string(rune('a'+i%26)), 60_000)
		set(t, s, k, want[k])
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Options{Dir: dir})
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if get(t, s, k) != want[k] {
			t.Fatalf("%s is gone", k)
		}
	}
}
