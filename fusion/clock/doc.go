// Package clock is the hybrid logical clock (HLC) by which messages of several sites are put in an order for display.
//
// A stamp is 48 bits of milliseconds since 1970-01-01 UTC and 16 bits of a counter. Invariants: a clock never
// gives the same stamp twice and never goes back, whatever the wall clock does; a foreign stamp that is more
// than MaxAhead ahead of the wall clock does not move ours and is reported. HLC is for display, never for correctness.
//
// Pure: physical time is handed in, the high-water mark is kept by whoever owns the clock. It is not safe for
// concurrent use; its owner locks. Any package may import it.
package clock
