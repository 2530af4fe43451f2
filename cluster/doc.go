// Package cluster is a node of a site: it brings commands through the site's Raft log into the state, answers queries
// from it, and tells who watches what changed.
//
// Invariants: a Propose that returned without error is on the disks of a quorum, and is applied once per request ID
// whatever dies when; views are consistent; a Watch sees every event once and in order. Live traffic waits for none of it.
//
// hashicorp/raft stays below this folder. Only cmd and testbed import it; see DESIGN.md.
package cluster
