package webrtc

import (
	"github.com/guantong-net/guantong/fusion/voice"
)

// Leg is one client's media, whichever way serves it: a Session here, a full PeerConnection where video or an odd
// network needs one. The API layer depends on this alone.
type Leg interface {
	// Sink is the listening half.
	Sink(name string) voice.Sink
	// Stats gives the counters of the leg.
	Stats() SessionStats
	// Close ends the leg, with Events.Closed. A second call does nothing.
	Close()
}

// Events tells the owner of a session what happens to it. Connected, Slot and Closed must not block; none of them may
// be nil. After Closed nothing more comes, except a Packet that is on its way at that moment.
type Events interface {
	// Connected comes once: the client has keys and answers. Only from here on streams should be attached.
	Connected()
	// Packet is uplink speech. The packet and its payload are the session's: copy what is kept. Packets of a session come
	// one at a time. It is the hot path: it must neither block nor allocate.
	Packet(p *voice.Packet)
	// Slot tells which stream plays on a slot from now on; nil when it is free.
	Slot(slot int, info *voice.Info)
	// Closed comes once, with a reason in snake_case: closed, setup_timeout, handshake_failed, consent_lost, peer_closed, shutdown.
	Closed(reason string)
}

var (
	_ Leg          = (*Session)(nil)
	_ voice.Outlet = (*Server)(nil)
)
