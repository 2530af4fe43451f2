package state

import (
	"fmt"

	"github.com/guantong-net/guantong/fusion/command"
)

// load reads a record, and whether it is there.
func load[T any](r Reader, k key) (T, bool, error) {
	var v T
	data, err := r.Get(k)
	if err != nil || data == nil {
		return v, false, err
	}
	err = decode(k, data, &v)
	return v, err == nil, err
}

func decode(k, data []byte, v any) error {
	if err := command.Unmarshal(data, v); err != nil {
		return fmt.Errorf("state: record %q is damaged: %w", k[:min(len(k), 1)], err)
	}
	return nil
}

func save(tx Tx, k key, v any) error {
	data, err := command.Marshal(v)
	if err != nil {
		return fmt.Errorf("state: encode record %q: %w", k[:1], err)
	}
	return tx.Set(k, data)
}

func has(r Reader, k key) (bool, error) {
	data, err := r.Get(k)
	return data != nil, err
}

// list reads all records under a prefix, in key order.
func list[T any](r Reader, prefix key) ([]T, error) {
	var out []T
	err := r.Scan(prefix, nil, false, func(k, data []byte) (bool, error) {
		var v T
		err := decode(k, data, &v)
		out = append(out, v)
		return true, err
	})
	return out, err
}

// keys copies the keys under a prefix, at most limit of them (0: all).
func keys(r Reader, prefix key, limit int) ([]key, error) {
	var out []key
	err := r.Scan(prefix, nil, false, func(k, _ []byte) (bool, error) {
		out = append(out, append(key(nil), k...))
		return limit == 0 || len(out) < limit, nil
	})
	return out, err
}

// anyUnder reports whether a key begins with prefix.
func anyUnder(r Reader, prefix key) (bool, error) {
	found := false
	err := r.Scan(prefix, nil, false, func(_, _ []byte) (bool, error) {
		found = true
		return false, nil
	})
	return found, err
}
