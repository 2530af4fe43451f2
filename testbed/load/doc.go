// Package load puts work on a server and keeps the books: telephones by the hundred, floods, and writers whose ledger says what was acknowledged.
//
// Invariants:
//   - A telephone here is a small SIP and RTP end point of our own (RFC 3261, 3264, 3550, 4733, 7616) that shares no code with the server's; it is for load
//     and timing. That real telephones work is shown with baresip (testbed/peer).
//   - The ledger is written and fsynced outside the disk under test, after the acknowledgement was read and before anything else is asked: what is in it was acknowledged.
//   - Everything stays on loopback; each telephone has an address of its own in 127/8, as it would have on a network.
//   - Everything ends with its context. A flood is bounded in rate and in time.
//
// Only tests and cmd/guantong-drill may import it.
package load
