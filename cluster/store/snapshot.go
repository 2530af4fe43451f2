package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/dgraph-io/badger/v4"
)

// A saved state is a stream: magic, then for each record the lengths and octets of key and value, then a zero length and
// the SHA-256 of all before.
const saveMagic = "guantong state sha256 1\n"

// maxRecord bounds what Load takes for one key or value.
const maxRecord = 2 << 20

// Reading is the state as of one moment. Making it takes no time, holding it holds no lock.
type Reading struct{ txn *badger.Txn }

// Snapshot begins a Reading.
func (s *Store) Snapshot() *Reading { return &Reading{txn: s.db.NewTransaction(false)} }

// Close ends the Reading.
func (r *Reading) Close() { r.txn.Discard() }

// View reads what the Reading holds.
func (r *Reading) View(f func(*Tx) error) error { return f(&Tx{txn: r.txn}) }

// Save writes all records, those beside the state included.
func (r *Reading) Save(w io.Writer) error {
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	_, _ = out.WriteString(saveMagic) // a bufio.Writer keeps its error until Flush
	o := badger.DefaultIteratorOptions
	o.PrefetchSize = 64
	it := r.txn.NewIterator(o)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if own(it.Item().Key()) {
			continue
		}
		if err := it.Item().Value(func(v []byte) error { return saveRecord(out, it.Item().Key(), v) }); err != nil {
			return fmt.Errorf("save state: %w", err)
		}
	}
	_ = out.WriteByte(0)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// own reports the records that describe this store rather than its content.
func own(key []byte) bool {
	return bytes.HasPrefix(key, meta("ring")) || bytes.Equal(key, meta(metaSeq)) || bytes.Equal(key, meta(metaLoading))
}

func saveRecord(out *bufio.Writer, parts ...[]byte) error {
	for _, p := range parts {
		_, _ = out.Write(binary.AppendUvarint(nil, uint64(len(p))))
		if _, err := out.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// Load replaces everything by a saved state. A store that stops within it is ErrDamaged when it is opened again; a stream
// that is cut or altered is an error.
func (s *Store) Load(r io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.db.DropAll(); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	if err := s.mark(metaLoading, []byte{1}); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	batch := s.db.NewWriteBatch()
	defer batch.Cancel()
	if err := loadRecords(r, batch.Set); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	if err := batch.Flush(); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	s.seq = 0
	s.expect(s.tables())
	if err := errors.Join(s.db.Sync(), s.mark(metaLoading, nil), s.db.Sync()); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	return nil
}

// Check reads a saved state to its end, and tells whether Load would take it.
func Check(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if err := loadRecords(in, func(_, _ []byte) error { return nil }); err != nil {
		return err
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.Join(errAltered, err)
	}
	return nil
}

var errAltered = errors.New("store: a saved state is cut or altered")

func (s *Store) mark(name string, value []byte) error {
	return s.db.Update(func(txn *badger.Txn) error {
		if value == nil {
			return txn.Delete(meta(name))
		}
		return txn.Set(meta(name), value)
	})
}

func loadRecords(r io.Reader, set func(key, value []byte) error) error {
	sum := sha256.New()
	buffered, ok := r.(*bufio.Reader)
	if !ok {
		buffered = bufio.NewReaderSize(r, 64<<10)
	}
	in := &summing{r: buffered, sum: sum}
	head := make([]byte, len(saveMagic))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != saveMagic {
		return errors.Join(errors.New("store: not a saved state"), err)
	}
	for {
		key, err := loadPart(in)
		if err != nil {
			return err
		}
		if len(key) == 0 {
			break
		}
		value, err := loadPart(in)
		if err != nil {
			return err
		}
		if err := set(key, value); err != nil {
			return err
		}
	}
	want := sum.Sum(nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in.r, got); err != nil || !bytes.Equal(got, want) {
		return errors.Join(errAltered, err)
	}
	return nil
}

func loadPart(in *summing) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil || n > maxRecord {
		return nil, errors.Join(errAltered, err)
	}
	part := make([]byte, n)
	if _, err = io.ReadFull(in, part); err != nil {
		return nil, errors.Join(errAltered, err)
	}
	return part, nil
}

// summing hashes what is read through it.
type summing struct {
	r   *bufio.Reader
	sum io.Writer
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	_, _ = s.sum.Write(p[:n]) // a hash never fails
	return n, err
}

func (s *summing) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		_, _ = s.sum.Write([]byte{b})
	}
	return b, err
}
