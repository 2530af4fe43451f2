// Package raftlog is the Raft log and stable store of a node: hashicorp/raft-wal behind a write deadline.
//
// Invariants: a write that returned is on the disk (fsync). A write that fails, or does not return within the deadline,
// fails the log closed: it stays failed until it is opened again, because nobody knows what of it reached the disk. Raft's
// heartbeats run apart from its disk: without this a leader whose disk hangs would lead for ever.
//
// Used by cluster only.
package raftlog
