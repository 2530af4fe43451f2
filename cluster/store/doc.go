// Package store keeps the state, and whatever else must survive, in badger: small transactions of get, set, delete and
// scan, with the last applied index in the same transaction as what was applied.
//
// Invariants: a transaction comes into effect whole or not at all, also over kill -9 and power loss; values lie in the
// LSM tree and never in the value log (whose fsync errors badger only logs); writes are refused before the disk is so full
// that badger would die of SIGBUS (Guard).
//
// It is the only package that imports badger, and imports no raft, so that a field terminal uses it too. Used by
// cluster and by the field client.
package store
