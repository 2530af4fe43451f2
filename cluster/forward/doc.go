// Package forward carries what a node asks of another node of its site: to propose a command, to confirm up to where a read
// is current, and to tell how far it is. Requests share one connection per node and do not wait for one another.
//
// Invariants: an error says whether the request may have been carried out (CutOff outcome_unknown) or has not been (CutOff
// no_leader); request IDs make it safe to ask again. Frames are bounded; a peer that floods is slowed, not served more memory.
//
// It knows no Raft and no TLS: it is given connections. Imported by cluster and cmd.
package forward
