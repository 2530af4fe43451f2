// Package live ties the nodes of a site together for what must not wait for disk or quorum: floor messages, speech, presence.
//
// Between each two nodes runs one path (package mux: QUIC under mTLS). Messages of a topic arrive in order and once while the
// two nodes count each other as up, whatever happens to the path meanwhile; frames of speech arrive soon or not at all. When the path between
// two nodes is cut, both go by a third one that hears both. A node that is heard by no way for Config.Lost is down, and
// what it had said is void.
//
// It also says who arbitrates the site's floors: the leader of Raft; without one, for one election timeout, the lowest named of the nodes that
// hear one another, as an island.
//
// Invariants: nothing here waits for a peer; memory is bounded, and a peer that does not take what is sent is down; handlers
// are called one at a time and in order.
//
// It knows neither Raft nor QUIC: it is given both. Imported by cmd; see DESIGN.md.
package live
