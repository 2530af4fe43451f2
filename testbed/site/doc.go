// Package site runs several real guantong processes as the nodes of one site, and harms them: one is killed, stopped, cut off from another one, given
// a disk that hangs or that is full.
//
// With Config.Apart every node has a network namespace of its own, 10.77.N.2, whose only way to the others leads through the caller's
// namespace, 10.77.N.1: there a link is cut in silence, as a cable or a radio path is, and nobody is told by a reset. The caller must be in network
// and mount namespaces of its own (Unshare): then nothing of it is seen outside, and all of it is gone with the caller, even after kill -9. Without it all
// nodes are on loopback, on ports of their own, and links cannot be cut.
//
// With Config.Disk every node's data is on an ext4 of its own on a loop device, which can hang (FIFREEZE) and fill up; that needs root.
//
// A jumping wall clock cannot be had per process: a time namespace shifts CLOCK_MONOTONIC and CLOCK_BOOTTIME only, and a Go program asks the
// kernel itself, past libfaketime. It is tested inside the process, with the clock that is handed in (package cluster).
//
// Invariants:
//   - Every process is ended by its id, and dies with the caller.
//   - Nothing listens beyond loopback and the namespaces that this package makes.
//   - A process that waits for a frozen disk cannot even be killed: the disk is thawed first.
//
// Only tests and cmd/guantong-drill may import it.
package site
