package voice

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// Packet is one packet of coded speech on its way through a node. It and its Payload belong to the caller:
// whoever keeps them past the call copies them.
type Packet struct {
	Codec   codec.ID
	Marker  bool   // first packet after silence, and the first that a sink gets on a new way: Seq and Time may begin anew here
	Seq     uint16 // the talker's own numbering: a gap is a loss, passed on as a gap
	Time    uint32 // the talker's own timestamp, in the codec's RTP clock
	Payload []byte
	Arrived time.Time // when this node got it
}

// Info describes a stream to those who hear it.
type Info struct {
	Burst      fusion.ID         // the talk burst; a full-duplex call's stream has an ID of its own too
	Talk       fusion.Talk       // the conversation it was spoken in
	Talker     fusion.Number     // who speaks; 0 when unknown (a call from outside)
	Name       string            // the talker's name as shown
	Precedence fusion.Precedence // of the request that was granted
	Emergency  bool
	Exercise   string // the exercise (演练) it belongs to, or empty
}

// Sink is the listening half of a leg. Begin and End come for every stream that it hears, from any goroutine
// but never two at once for one stream, and must not block. No lock of the switch is held meanwhile. A Sink is
// comparable, a pointer: it is known by its identity.
type Sink interface {
	// Outlet says which part sends for this sink; sinks of one Outlet are served in one go.
	Outlet() Outlet
	// Format says what the leg takes. It does not change while the sink is attached.
	Format() codec.Params
	// SingleStream reports that the leg has one stream only (a telephone, a radio), so that what it hears
	// at once must be mixed for it. A browser has slots and returns false.
	SingleStream() bool
	// Begin announces a stream. The handle it returns is given back with each packet (a slot, say);
	// ok is false when the leg does not want to hear it.
	Begin(info Info) (handle int, ok bool)
	// End says that the stream is over and its tail has been sent.
	End(info Info, handle int)
}

// Target is one sink that hears a stream, with the handle that its Begin returned.
type Target struct {
	Sink   Sink
	Handle int
}

// Outlet sends. It is what makes two hundred listeners cheap: one call for all of them, so that it can
// batch its system calls.
type Outlet interface {
	// Deliver sends one packet to every target now. The packet has the codec of the targets' Format. It keeps
	// neither argument, blocks on nothing but the socket, and allocates nothing.
	Deliver(p *Packet, to []Target)
}

// Tap sees every packet of a stream as it arrived: a recorder. It must not block and copies what it keeps.
type Tap interface {
	Packet(p *Packet)
}
