package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Entry is one thing that the server has acknowledged.
type Entry struct {
	Kind string `json:"kind"` // message, file, burst
	ID   string `json:"id"`   // request ID, or hash of the file, or burst ID
	Sum  string `json:"sum"`  // the message's text, or the hash of what a file or burst holds
}

// Ledger keeps what was acknowledged, on a disk that is not under test.
type Ledger struct {
	mu      sync.Mutex
	f       *os.File
	entries []Entry
	known   map[string]bool
}

// ErrLedger reports a ledger that cannot be kept: then nothing that follows would prove anything.
var ErrLedger = errors.New("load: ledger")

// OpenLedger opens or makes a ledger. A last line that was not written to its end was never relied on, and is cut off.
func OpenLedger(path string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	l := &Ledger{f: f, known: map[string]bool{}}
	good := int64(0)
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		var e Entry
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %w", ErrLedger, err), f.Close())
		}
		good += int64(len(line))
		l.entries, l.known[e.Kind+e.ID] = append(l.entries, e), true
	}
	_, seek := f.Seek(good, io.SeekStart)
	if err := errors.Join(f.Truncate(good), seek); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrLedger, err), f.Close())
	}
	return l, nil
}

// Acknowledged writes an entry and syncs it. The same entry again is not written again.
func (l *Ledger) Acknowledged(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[e.Kind+e.ID] {
		return nil
	}
	raw, err := json.Marshal(e)
	if err == nil {
		_, err = l.f.Write(append(raw, '\n'))
	}
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	l.entries, l.known[e.Kind+e.ID] = append(l.entries, e), true
	return nil
}

// Entries is what has been acknowledged up to now, in order.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry(nil), l.entries...)
}

// Count counts the entries of a kind.
func (l *Ledger) Count(kind string) int {
	n := 0
	for _, e := range l.Entries() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// Close closes the file.
func (l *Ledger) Close() error { return l.f.Close() }
