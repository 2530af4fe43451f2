// Package peer runs the real programs at both sides of the wire: guantong server processes, Chromium consoles and baresip telephones.
//
// Invariants:
//   - Each process leads a process group of its own, dies with us (PR_SET_PDEATHSIG), and is ended by its id; nothing is ever ended by name.
//   - Nothing listens beyond loopback.
//   - What a page hears is taken by a passive tap that the page does not know of: see console.js. The tap's times are
//     those of the machine's monotonic clock, so that two pages on one machine can be compared.
//   - A server's CPU time and memory are those of its own process, read from /proc.
//
// Only tests and cmd/guantong-drill may import it.
package peer
