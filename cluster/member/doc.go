// Package member says who belongs to a site: how a node joins with a one-time token, and what a leader does next so that
// 1, 3 or 5 nodes vote.
//
// Invariants: a token is used once, in time, at its own site, and the newcomer knows by it that it talks to that site; two or
// four voters are passed through and never kept; who is removed is let in no more. Every decision follows from what is in the
// record and in Raft's configuration, so that a new leader goes on where one died.
//
// It imports no raft: package cluster carries out what it decides. See DESIGN.md.
package member
