// Package telephone is the telephone gateway: a SIP registrar and call end point (RFC 3261), its RTP legs, and the trunks to
// other SIP servers.
//
// Invariants:
//   - A source that has not shown that it receives what is sent to it gets no memory here: its request is answered from
//     the datagram alone (a challenge whose nonce is bound to the address), and what it sends is counted against
//     its own bucket and the bucket of all strangers, never against the one of a registered telephone.
//   - An extension is who its digest says (RFC 7616). A caller ID is a claim and gives no right.
//   - Keys (* and #) are told to the seat and never heard in a conversation.
//   - A leg that only listens costs no timer, no ticker and no allocation per packet.
//   - Media comes from where signalling says, or from the one source that it was latched to; nobody takes a call over.
//   - SRTP keys travel over TLS only. Secrets are never logged.
//   - A peer that is gone is cleared away by its failure to answer; silence alone ends no call.
//
// Registrations and calls are in memory only; registrations are told to the site's other nodes (Deps.Told, Elsewhere). The package decides nothing about routing: desk.Incoming does. It may be imported by
// cmd and tests only.
package telephone
