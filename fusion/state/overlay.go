package state

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	"github.com/guantong-net/guantong/fusion"
)

// The most that one command may write. Both fit one badger transaction with an 8 MiB table (cluster/store); being fixed
// here, every node refuses the same commands.
const (
	maxWrites     = 12_000
	maxWriteBytes = 1_000_000
	writeOverhead = 16 // octets counted for each write beside its key and value
)

// overlay gathers the writes of one command over what it reads, so that a refused command leaves no trace.
type overlay struct {
	base   Reader
	writes map[string][]byte // nil: deleted
	size   int
}

func newOverlay(base Reader) *overlay {
	return &overlay{base: base, writes: make(map[string][]byte, 16)}
}

func (o *overlay) Get(key []byte) ([]byte, error) {
	if v, ok := o.writes[string(key)]; ok {
		return v, nil
	}
	return o.base.Get(key)
}

func (o *overlay) Set(key, value []byte) error {
	o.size += len(key) + len(value) + writeOverhead
	o.writes[string(key)] = value
	return nil
}

func (o *overlay) Delete(key []byte) error {
	o.size += len(key) + writeOverhead
	o.writes[string(key)] = nil
	return nil
}

// roomy reports whether less than half of what one command may write is used.
func (o *overlay) roomy() bool { return len(o.writes) < maxWrites/2 && o.size < maxWriteBytes/2 }

// flush hands the writes to tx in key order, so that the same commands make the same transactions everywhere.
func (o *overlay) flush(tx Tx) error {
	keys := make([]string, 0, len(o.writes))
	for k := range o.writes {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := put(tx, []byte(k), o.writes[k]); err != nil {
			return err
		}
	}
	return nil
}

func put(tx Tx, key, value []byte) error {
	if value == nil {
		return tx.Delete(key)
	}
	return tx.Set(key, value)
}

// checkSize refuses a command that writes more than one transaction holds.
func (o *overlay) checkSize() error {
	if len(o.writes) > maxWrites || o.size > maxWriteBytes {
		return fusion.E(fusion.BadRequest, "too_large", "one command changes too much: %d records, %d octets", len(o.writes), o.size)
	}
	return nil
}

// Scan merges the gathered writes into what the base holds.
func (o *overlay) Scan(prefix, from []byte, reverse bool, visit func(key, value []byte) (bool, error)) error {
	mine := o.sortedKeys(string(prefix), string(from), reverse)
	stopped := false
	emit := func(key string) (bool, error) {
		v := o.writes[key]
		if v == nil {
			return true, nil
		}
		more, err := visit([]byte(key), v)
		stopped = !more
		return more, err
	}
	err := o.base.Scan(prefix, from, reverse, func(key, value []byte) (bool, error) {
		for len(mine) > 0 && before(mine[0], key, reverse) {
			more, err := emit(mine[0])
			mine = mine[1:]
			if err != nil || !more {
				return false, err
			}
		}
		if len(mine) > 0 && mine[0] == string(key) {
			more, err := emit(mine[0])
			mine = mine[1:]
			return more, err
		}
		more, err := visit(key, value)
		stopped = !more
		return more, err
	})
	for err == nil && !stopped && len(mine) > 0 {
		_, err = emit(mine[0])
		mine = mine[1:]
	}
	return err
}

func before(mine string, base []byte, reverse bool) bool {
	c := bytes.Compare([]byte(mine), base)
	if reverse {
		return c > 0
	}
	return c < 0
}

func (o *overlay) sortedKeys(prefix, from string, reverse bool) []string {
	var keys []string
	for k := range o.writes {
		if strings.HasPrefix(k, prefix) && (from == "" || k == from || (k > from) != reverse) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	if reverse {
		slices.Reverse(keys)
	}
	return keys
}
