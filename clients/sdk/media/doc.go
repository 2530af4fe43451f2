// Package media is a light native client of the server's browser legs: ICE as the controlling agent, DTLS and SRTP on one UDP
// socket, no PeerConnection. Hundreds of them fit into one process, so that drills can load a server with the same
// packets that a browser would cause, and a Go program can listen and talk.
//
// Signalling is the caller's: Dial is given a function that carries the offer to the server and brings back the answer.
// It may be imported by anyone outside fusion.
package media
