// Package mux owns the port on which the nodes of a site meet (7400): one TCP listener, TLS 1.3, split by ALPN (RFC 7301)
// into a net.Listener for each protocol.
//
// Invariants: nobody who has no node's certificate of this site's CA, of this incarnation, and whom the site has not removed
// gets a connection, but for the join protocol, whose tokens are checked by package member. What is not TLS, too slow, too
// much from one source or of an unknown protocol is closed and counted, and costs no more than a bounded handshake.
// Sessions are never resumed, so every connection is checked anew.
//
// The UDP port of the same number carries paths: QUIC between two nodes under the same rules, for what must not wait behind a lost
// packet. Closing a Mux ends its paths.
//
// Imported by cluster, cluster/live and cmd.
package mux
