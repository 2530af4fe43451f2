// Package audit verifies the audit log: a chain in which every entry carries the hash of the one before.
//
// Invariants: entries are dense by Seq, Prev is the Hash of the entry before, Hash is over the canonical form of the entry
// (state.Audit.Digest). Entries that retention took from the start are vouched for by a later entry of the chain itself.
// A chain that was cut at its end is shown by a checkpoint (Head) that somebody else keeps.
//
// Pure; any package may import it.
package audit
