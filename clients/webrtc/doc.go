// Package webrtc serves browsers: it is their media leg, from the SDP offer to the encrypted packet on the wire.
//
// One UDP socket serves every session (RFC 7983 tells STUN, DTLS and SRTP apart by the first byte). A session is
// negotiated once: the page's microphone and a few receive slots (Config.Slots). Whatever is heard later, in whatever
// group, is put on a slot by sending with that slot's SSRC, so nothing is ever negotiated again. Sessions are ICE-lite,
// DTLS server and SRTP, without a PeerConnection of pion/webrtc: DESIGN.md says why. The API layer carries offers and
// answers and arbitrates the floor; this package never decides who may talk.
//
// Invariants:
//   - Deliver and the way of an uplink packet allocate nothing and wait for nothing but the socket.
//   - A silent session has no goroutine of its own; the number of handshakes under way is bounded.
//   - DTLS and SRTP are taken only from an address that passed a STUN integrity check, and media is sent
//     only while consent is fresh (RFC 7675).
//   - A slot never sends two packets with one sequence number (the nonce of AES-GCM is made of it).
//   - Nothing that arrives can panic or grow memory without bound; what is not usable is counted in Stats.
//
// It is the owner of pion/webrtc, ice, dtls, srtp and stun, with clients/sdk/media. It may be imported by clients/api
// (through an interface of its own), cmd and testbed.
package webrtc
