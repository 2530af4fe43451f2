// Package state is the replicated state: Apply(tx, command) → events, and queries.
//
// It is pure. Everything that a command needs travels in it: time, IDs, random numbers; so that every node
// which applies the same log comes to the same bytes. It knows a store only as the small interface Tx
// (get, set, delete, scan); badger implements it in cluster/store, a map does in tests.
//
// Any package may import its types; only cluster applies.
package state
