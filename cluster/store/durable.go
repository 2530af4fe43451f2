package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// With SyncWrites off badger leaves the logs of its memory tables to the page cache. db.Sync reaches the log of the open
// table only: when a table fills up, its log's tail is not synced before the next table's log begins, and a power loss
// within the flush could keep the newer log and lose the older one's tail: a hole in the middle. So, first, the open log
// is synced before any commit that could be the one to fill the table, and the filled one again right after; second,
// every transaction leaves its sequence number in a ring, and Open walks the ring: a hole is an error, never silent.

// ringSize is how many transactions back a hole can be seen. Sync is called at least that often.
const ringSize = 4096

const (
	metaSeq     = "seq"     // last transaction
	metaLoading = "loading" // a Load is under way
)

func ringSlot(seq uint64) string {
	return string(binary.BigEndian.AppendUint16([]byte("ring"), uint16(seq%ringSize)))
}

// commit brings a transaction into effect. The caller holds mu.
func (s *Store) commit(tx *Tx) error {
	s.seq++
	if err := errors.Join(tx.SetMetaUint(metaSeq, s.seq), tx.SetMetaUint(ringSlot(s.seq), s.seq)); err != nil {
		s.seq--
		return err
	}
	if s.sync {
		return s.finish(tx)
	}
	if s.pending+tx.size >= memTable || s.seq%(ringSize/2) == 0 {
		if err := s.db.Sync(); err != nil {
			return fmt.Errorf("store: sync: %w", err)
		}
	}
	if err := s.finish(tx); err != nil {
		return err
	}
	s.pending += tx.size
	return s.followTable(tx.size)
}

func (s *Store) finish(tx *Tx) error {
	if err := tx.txn.Commit(); err != nil {
		s.seq--
		return fmt.Errorf("store: commit: %w", wrapSet(err))
	}
	return nil
}

// followTable notices that badger began another memory table, and syncs the log of the one before.
func (s *Store) followTable(size int64) error {
	if s.pending < memTable/2 {
		return nil
	}
	if _, err := os.Lstat(s.next); err != nil {
		return nil // badger goes on in the same table
	}
	s.pending = size
	tables := s.tables()
	s.expect(tables)
	for _, t := range tables[:max(len(tables)-1, 0)] {
		if err := syncFile(t); err != nil {
			return fmt.Errorf("store: sync %s: %w", filepath.Base(t), err)
		}
	}
	return nil
}

// expect works out the name that the log of the next memory table will have.
func (s *Store) expect(tables []string) {
	n := 0
	if len(tables) > 0 {
		_, _ = fmt.Sscanf(filepath.Base(tables[len(tables)-1]), "%05d.mem", &n) // another name: none is expected
	}
	s.next = filepath.Join(s.dir, fmt.Sprintf("%05d.mem", n+1))
}

func (s *Store) tables() []string {
	found, _ := filepath.Glob(filepath.Join(s.dir, "*.mem"))
	slices.Sort(found)
	return found
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil // flushed to a table on the disk already
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Sync brings everything that came into effect to the disk.
func (s *Store) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables() {
		if err := syncFile(t); err != nil {
			return fmt.Errorf("store: sync: %w", err)
		}
	}
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("store: sync: %w", err)
	}
	return nil
}

// inspect looks for a hole, and takes up where the last run stopped.
func (s *Store) inspect() error {
	s.expect(s.tables())
	s.pending = memTable / 2 // unknown: what was replayed from the log
	return s.View(func(tx *Tx) error {
		if loading, err := tx.Meta(metaLoading); err != nil || loading != nil {
			return errors.Join(err, fmt.Errorf("%w: it was being replaced when it stopped", ErrDamaged))
		}
		last, err := tx.MetaUint(metaSeq)
		if err != nil {
			return err
		}
		s.seq = last
		for seq := last; seq > 0 && seq+ringSize > last; seq-- {
			found, err := tx.MetaUint(ringSlot(seq))
			if err != nil {
				return err
			}
			if found != seq {
				return fmt.Errorf("%w: transaction %d of %d is not there", ErrDamaged, seq, last)
			}
		}
		return nil
	})
}
