// Package linear checks that what clients of a site were told could have come from one machine that does one thing after the other (linearizability), by
// porcupine over histories that were recorded through the public API.
//
// What is checked, each by a small model: Log (acceptance gives growing numbers), Register (a definition is changed by who saw its last
// revision), Ratchet (a receipt only moves on) and Lock (one talks at a time). An operation whose outcome nobody knows may have come into effect at any time after it
// was asked, or never.
//
// Invariants: times are of one monotonic clock, and an operation that was asked again under the same request ID is one operation, from the first time it was asked to
// the answer.
//
// It owns porcupine. Only tests and cmd/guantong-drill import it.
package linear
