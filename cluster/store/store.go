package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Options of a Store.
type Options struct {
	Dir        string
	Key        []byte // seals what is at rest: 16, 24 or 32 octets of AES; nil leaves it readable
	SyncWrites bool   // every Update is on the disk when it returns; off where a log stands before the store
	Guard      *Guard // may be nil
	Logger     *slog.Logger
}

// ErrTooBig reports a transaction that is larger than badger takes at once. Nothing of it came into effect.
var ErrTooBig = errors.New("store: transaction too big")

// ErrDamaged reports that the store lost a part of what it held, or was being replaced when it stopped.
var ErrDamaged = errors.New("store: incomplete")

// Store is an open store. Safe for concurrent use; one Update at a time.
type Store struct {
	db    *badger.DB
	dir   string
	guard *Guard
	log   *slog.Logger
	sync  bool

	mu      sync.Mutex // of writers
	pending int64      // estimate of what the open memory table holds
	next    string     // the name that the next memory table's log will have
	seq     uint64     // of transactions: makes a hole visible
}

const (
	memTable  = 8 << 20
	threshold = 1 << 20 // values up to this lie in the LSM tree
)

// The namespaces: the first octet of every key in badger.
const (
	spaceMeta  = 0x00
	spaceState = 0x01
)

func tuned(o Options) badger.Options {
	b := badger.DefaultOptions(o.Dir).
		WithLogger(badgerLog{o.Logger}).
		WithSyncWrites(o.SyncWrites).
		WithMemTableSize(memTable).WithNumMemtables(2).
		WithNumLevelZeroTables(2).WithNumLevelZeroTablesStall(4).
		WithNumCompactors(2).
		WithBaseTableSize(2 << 20).
		WithBlockCacheSize(8 << 20).WithIndexCacheSize(8 << 20).
		WithValueLogFileSize(32 << 20).
		WithValueThreshold(threshold).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithCompression(options.None).
		WithNumGoroutines(2)
	if len(o.Key) > 0 {
		b = b.WithEncryptionKey(o.Key)
	}
	return b
}

// Open opens the store of a directory and makes it when there is none. A store that lost a part is ErrDamaged; a disk so full
// that badger would die is Full, disk_reserve.
func Open(o Options) (*Store, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if o.Guard != nil {
		if err := o.Guard.critical(); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	if err := clearUnborn(o.Dir); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db, err := badger.Open(tuned(o))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{db: db, dir: o.Dir, guard: o.Guard, log: o.Logger, sync: o.SyncWrites}
	if err := s.inspect(); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), db.Close())
	}
	return s, nil
}

// View reads one consistent state.
func (s *Store) View(f func(*Tx) error) error {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	return f(&Tx{txn: txn})
}

// Update writes one transaction. When f fails nothing comes into effect. ErrTooBig: split it. Full, disk_reserve: the disk
// is so full that not even what was accepted already can be written.
func (s *Store) Update(f func(*Tx) error) error {
	if s.guard != nil {
		if err := s.guard.critical(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	tx := &Tx{txn: txn}
	if err := f(tx); err != nil {
		return err
	}
	return s.commit(tx)
}

// Close closes the store orderly.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Tx is one transaction. Its keys are in the namespace of the state; Meta and SetMeta keep what stands beside it. It
// serves one goroutine, and one Scan at a time when it writes.
type Tx struct {
	txn  *badger.Txn
	size int64 // estimate of what its writes take in the memory table
}

func inState(key []byte) []byte { return append([]byte{spaceState}, key...) }
func meta(name string) []byte   { return append([]byte{spaceMeta}, name...) }

// Get gives the value of a key, nil when there is none.
func (t *Tx) Get(key []byte) ([]byte, error) { return t.get(inState(key)) }

// Meta gives a value that stands beside the state, nil when there is none.
func (t *Tx) Meta(name string) ([]byte, error) { return t.get(meta(name)) }

func (t *Tx) get(key []byte) ([]byte, error) {
	item, err := t.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: get: %w", err)
	}
	v, err := item.ValueCopy(nil)
	if err != nil {
		return nil, fmt.Errorf("store: get: %w", err)
	}
	if v == nil {
		v = []byte{}
	}
	return v, nil
}

// Set writes a value.
func (t *Tx) Set(key, value []byte) error { return t.set(inState(key), value) }

// SetMeta writes a value that stands beside the state.
func (t *Tx) SetMeta(name string, value []byte) error { return t.set(meta(name), value) }

// SetMetaUint writes a number that stands beside the state.
func (t *Tx) SetMetaUint(name string, v uint64) error {
	return t.SetMeta(name, binary.BigEndian.AppendUint64(nil, v))
}

// MetaUint reads such a number, 0 when there is none.
func (t *Tx) MetaUint(name string) (uint64, error) {
	v, err := t.Meta(name)
	if err != nil || len(v) != 8 {
		return 0, err
	}
	return binary.BigEndian.Uint64(v), nil
}

// entryOverhead is what badger adds to an entry in the memory table, which is more than in its log: 16 octets and a tower of
// 6 on average, 8 of version, 3 of the value's head, 7 of alignment; and some to be on the safe side.
const entryOverhead = 48

func (t *Tx) set(key, value []byte) error {
	t.size += int64(len(key) + len(value) + entryOverhead)
	return wrapSet(t.txn.Set(key, value))
}

// Delete removes a key, present or not.
func (t *Tx) Delete(key []byte) error {
	t.size += int64(len(key) + entryOverhead)
	return wrapSet(t.txn.Delete(inState(key)))
}

func wrapSet(err error) error {
	if errors.Is(err, badger.ErrTxnTooBig) {
		return ErrTooBig
	}
	if err != nil {
		return fmt.Errorf("store: set: %w", err)
	}
	return nil
}

// Scan visits the keys that begin with prefix in order or in reverse, from a key on (nil: from the end), until visit
// returns false. Key and value are valid within visit only.
func (t *Tx) Scan(prefix, from []byte, reverse bool, visit func(key, value []byte) (bool, error)) error {
	o := badger.DefaultIteratorOptions
	o.PrefetchSize, o.PrefetchValues = 16, false
	o.Reverse = reverse
	o.Prefix = inState(prefix)
	it := t.txn.NewIterator(o)
	defer it.Close()
	for it.Seek(seekKey(prefix, from, reverse)); it.Valid(); it.Next() {
		item := it.Item()
		more := false
		err := item.Value(func(v []byte) (err error) {
			more, err = visit(item.Key()[1:], v)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func seekKey(prefix, from []byte, reverse bool) []byte {
	switch {
	case from != nil:
		return inState(from)
	case reverse:
		return append(inState(prefix), afterAll...)
	}
	return inState(prefix)
}

// afterAll sorts behind whatever follows a prefix in any key of ours.
var afterAll = []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")

// Size tells the octets that the store takes on the disk.
func (s *Store) Size() int64 {
	var n int64
	files, _ := filepath.Glob(filepath.Join(s.dir, "*"))
	for _, f := range files {
		if fi, err := os.Stat(f); err == nil {
			n += fi.Size()
		}
	}
	return n
}
