package state

import (
	"errors"
	"maps"
	"slices"
)

// Memory is a Tx on a map, for tests and tools. It holds callers to the letter of Tx: no Scan within a Scan, no
// write within a Scan. Not safe for concurrent use.
type Memory struct {
	records  map[string][]byte
	scanning bool
}

var errNested = errors.New("state: a Scan or a write within a Scan")

// NewMemory makes an empty Memory.
func NewMemory() *Memory { return &Memory{records: make(map[string][]byte)} }

// Clone makes an independent copy.
func (m *Memory) Clone() *Memory { return &Memory{records: maps.Clone(m.records)} }

// Len is the number of records.
func (m *Memory) Len() int { return len(m.records) }

// Get implements Reader.
func (m *Memory) Get(key []byte) ([]byte, error) { return m.records[string(key)], nil }

// Set implements Tx.
func (m *Memory) Set(key, value []byte) error {
	if m.scanning {
		return errNested
	}
	m.records[string(key)] = slices.Clone(value)
	return nil
}

// Delete implements Tx.
func (m *Memory) Delete(key []byte) error {
	if m.scanning {
		return errNested
	}
	delete(m.records, string(key))
	return nil
}

// Scan implements Reader.
func (m *Memory) Scan(prefix, from []byte, reverse bool, visit func(key, value []byte) (bool, error)) error {
	if m.scanning {
		return errNested
	}
	m.scanning = true
	defer func() { m.scanning = false }()
	o := overlay{writes: m.records}
	for _, k := range o.sortedKeys(string(prefix), string(from), reverse) {
		more, err := visit([]byte(k), m.records[k])
		if err != nil || !more {
			return err
		}
	}
	return nil
}
