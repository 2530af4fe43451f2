// Package board keeps the soft state of a site: what its nodes tell one another and nobody writes down. Who is logged in, who is there, at
// which node a telephone is registered, how a node is.
//
// Invariants:
//   - Nothing waits for a disk, a quorum or another node. A node alone has all of it for itself.
//   - What a node says for itself holds until it says otherwise, or has been away for a grace; what it says anew replaces all.
//   - A session is nobody's own: ends win, in whatever order they come, and old data brings nothing back.
//   - Memory is bounded, whatever a node says; what is not understood is passed over and counted.
//
// The nodes prove themselves to one another below this package (mutual TLS); it believes them what they say of themselves.
// Any package but pure ones may import it.
package board
