package store

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// TestAHoleInTheMiddleIsNoticed takes away what one transaction left in the ring, as a power loss would that kept a newer
// log of badger's and lost the tail of the one before.
func TestAHoleInTheMiddleIsNoticed(t *testing.T) {
	o := Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := s.Update(func(tx *Tx) error { return tx.Set([]byte("k"), []byte("v")) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil {
		t.Fatalf("a whole store: %v", err)
	}
	err = s.db.Update(func(txn *badger.Txn) error { return txn.Delete(meta(ringSlot(5))) })
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(o); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
}

// TestTheFilledTableIsFollowed fills several memory tables and looks whether each change of table was noticed: the estimate of
// what a table holds never lags behind badger's own.
func TestTheFilledTableIsFollowed(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	changes, next := 0, s.next
	for i := range 40_000 {
		key := []byte{byte(i >> 16), byte(i >> 8), byte(i)}
		err := s.Update(func(tx *Tx) error {
			for j := range 10 {
				if err := tx.Set(append(key, byte(j)), make([]byte, 20)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if s.next != next {
			changes, next = changes+1, s.next
		}
		tables := s.tables()
		if len(tables) > 0 && tables[len(tables)-1] >= s.next {
			t.Fatalf("transaction %d: table %s was begun unnoticed", i, tables[len(tables)-1])
		}
		if s.pending < 0 || changes == 3 {
			break
		}
	}
	if changes < 3 {
		t.Fatalf("%d changes of table", changes)
	}
}
