// Package pipe is the net.PacketConn between a shared socket and a DTLS machine: records are pushed in by whoever reads
// the socket, and what the machine writes goes out by a function. For clients/webrtc and clients/sdk/media.
package pipe
