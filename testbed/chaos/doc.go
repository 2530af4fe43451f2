// Package chaos harms a site at random while clients write, edit, sign and talk, and then judges everything that they were told: whether one machine
// that does one thing after the other could have said it (package linear), whether all that was acknowledged is on every node, once, and whether
// two ever had the floor of one group.
//
// The faults, their order, their places and their lengths come from a seed, so that a run can be repeated; what happens between them is
// the machine's.
//
// Invariants:
//   - One fault at a time: a majority of the site can always go on, and must. After each one all nodes must come together again.
//   - Clients ask again under the same request ID until they are answered, at another node each time, as the Go client and the console do.
//   - What a node's clients were granted while it was cut off, stopped or just back is counted apart: an island has a floor of its own.
//
// Only tests and cmd/guantong-drill import it.
package chaos
