// Package power knows from what a node lives: it asks a UPS, by the upsd of Network UPS Tools (RFC 9271), whether it is on its battery, how full that is
// and how long it lasts.
//
// Invariants: whatever upsd does (hangs, floods, lies, goes away), an answer takes bounded time and memory, numbers that cannot be are no numbers, and what
// has not been heard for Config.Stale is not known. Nothing here acts: cmd shows the state and lets the site's leadership go elsewhere in time.
//
// The protocol is spoken here and not by github.com/robbiet480/go.nut: that has no bound on a connection or an answer, and panics on a line without quotes.
// Imported by cmd.
package power
