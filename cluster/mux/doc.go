// Package mux owns the port on which the nodes of a site meet (7400): one TCP listener, TLS 1.3, split by ALPN (RFC 7301)
// into a net.Listener for each protocol.
//
// Invariants: nobody who has no node's certificate of this site's CA, of this incarnation, and whom the site has not removed
// gets a connection, but for the join protocol, whose tokens are checked by package member. What is not TLS, too slow, too
// much from one source or of an unknown protocol is closed and counted, and costs no more than a bounded handshake.
// Sessions are never resumed, so every connection is checked anew.
//
// It is the place of QUIC too, once speech goes between nodes. Imported by cluster and cmd.
package mux
