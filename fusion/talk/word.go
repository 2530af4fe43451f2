package talk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/floor"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// errWord reports a message or frame of another node that is not what it should be.
var errWord = errors.New("talk: bad word from another node")

// word is one message between the exchanges of two nodes. One of its parts is set.
type word struct {
	Epoch  uint64     `cbor:"1,keyasint,omitempty"` // of the arbitration that it belongs to, where it belongs to one
	Sync   *inventory `cbor:"2,keyasint,omitempty"` // a node to its arbiter: all that it has
	Input  *input     `cbor:"3,keyasint,omitempty"` // a node to its arbiter: what happened at a seat
	Orders []order    `cbor:"4,keyasint,omitempty"` // the arbiter to a node: what the floor says
	States *states    `cbor:"5,keyasint,omitempty"` // the arbiter to all
	Begin  *begin     `cbor:"6,keyasint,omitempty"` // the talker's node to all
	End    *ending    `cbor:"7,keyasint,omitempty"` // the talker's node to all
	Note   *noted     `cbor:"8,keyasint,omitempty"` // a node to all, for the journal
	Refuse bool       `cbor:"9,keyasint,omitempty"` // I do not arbitrate that: tell all anew when you know who does
}

// chair is a seat as other nodes know it.
type chair struct {
	ID           fusion.ID     `cbor:"1,keyasint"`
	Talk         fusion.Talk   `cbor:"2,keyasint"`
	Unit         fusion.Number `cbor:"3,keyasint"`
	Name         string        `cbor:"4,keyasint"`
	Via          string        `cbor:"5,keyasint"`
	Terminal     fusion.ID     `cbor:"6,keyasint"`
	Priority     uint8         `cbor:"7,keyasint,omitempty"`
	MayTalk      bool          `cbor:"8,keyasint,omitempty"`
	MayEmergency bool          `cbor:"9,keyasint,omitempty"`
	Dispatcher   bool          `cbor:"10,keyasint,omitempty"`
	Monitor      bool          `cbor:"11,keyasint,omitempty"`
	Deaf         bool          `cbor:"12,keyasint,omitempty"` // speech would not reach it now
}

// inventory is everything of a node that its arbiter must know.
type inventory struct {
	Chairs  []chair `cbor:"1,keyasint,omitempty"`
	Carries []input `cbor:"2,keyasint,omitempty"` // bursts of its seats that are on the air
	Asks    []input `cbor:"3,keyasint,omitempty"` // requests that have no final answer yet
}

// input is a floor.Input on its way to the arbiter.
type input struct {
	Kind       floor.Kind        `cbor:"1,keyasint"`
	Seat       fusion.ID         `cbor:"2,keyasint"`
	Talk       fusion.Talk       `cbor:"3,keyasint"`
	Chair      *chair            `cbor:"4,keyasint,omitempty"` // Join; again to change what is known of it
	Burst      fusion.ID         `cbor:"5,keyasint"`
	Precedence fusion.Precedence `cbor:"6,keyasint"`
	Emergency  bool              `cbor:"7,keyasint,omitempty"`
	Resume     fusion.ID         `cbor:"8,keyasint"`
	Age        int64             `cbor:"9,keyasint,omitempty"`  // Carry: milliseconds since it began; the nodes' clocks may differ
	Unit       fusion.Number     `cbor:"10,keyasint,omitempty"` // EmergencyClear: whose; 0 is everybody's
}

func (i input) floor(now time.Time) floor.Input {
	in := floor.Input{Kind: i.Kind, Seat: i.Seat, Burst: i.Burst, Precedence: i.Precedence, Emergency: i.Emergency, Resume: i.Resume, Unit: i.Unit}
	if i.Kind == floor.Carry {
		in.Since = now.Add(-time.Duration(i.Age) * time.Millisecond)
	}
	return in
}

// order is a floor.Output for seats of another node.
type order struct {
	Type       floor.Type        `cbor:"1,keyasint"`
	To         []fusion.ID       `cbor:"2,keyasint"` // the seats that are told; of BurstStart and BurstEnd: the talker's
	Burst      fusion.ID         `cbor:"3,keyasint"`
	Unit       fusion.Number     `cbor:"4,keyasint,omitempty"`
	Name       string            `cbor:"5,keyasint,omitempty"` // of the talker
	Precedence fusion.Precedence `cbor:"6,keyasint"`
	Emergency  bool              `cbor:"7,keyasint,omitempty"`
	Deny       floor.DenyCause   `cbor:"8,keyasint,omitempty"`
	Revoked    floor.RevokeCause `cbor:"9,keyasint,omitempty"`
	Ended      floor.EndCause    `cbor:"10,keyasint,omitempty"`
	Cut        bool              `cbor:"11,keyasint,omitempty"`
	Left       time.Duration     `cbor:"12,keyasint,omitempty"`
	Position   int               `cbor:"13,keyasint,omitempty"`
	Hearing    int               `cbor:"14,keyasint,omitempty"` // Granted
	Turn       uint64            `cbor:"15,keyasint,omitempty"` // BurstStart: which grant it is
}

// output is the reverse of orderOf, for one of the seats.
func (o *order) output(to fusion.ID) floor.Output {
	return floor.Output{
		Type: o.Type, To: to, Talker: to, Burst: o.Burst, Unit: o.Unit, Precedence: o.Precedence, Emergency: o.Emergency,
		Deny: o.Deny, Revoked: o.Revoked, Ended: o.Ended, Cut: o.Cut, Left: o.Left, Position: o.Position,
	}
}

// begin announces a burst to the other nodes.
type begin struct {
	Burst      fusion.ID         `cbor:"1,keyasint"`
	Talk       fusion.Talk       `cbor:"2,keyasint"`
	Seat       fusion.ID         `cbor:"3,keyasint"`
	Terminal   fusion.ID         `cbor:"4,keyasint"`
	Talker     fusion.Number     `cbor:"5,keyasint"`
	Name       string            `cbor:"6,keyasint"`
	Precedence fusion.Precedence `cbor:"7,keyasint"`
	Emergency  bool              `cbor:"8,keyasint,omitempty"`
	Exercise   string            `cbor:"9,keyasint,omitempty"`
	Codec      codec.ID          `cbor:"10,keyasint"`
	Press      fusion.ID         `cbor:"11,keyasint"`
	Turn       uint64            `cbor:"12,keyasint"` // the later one counts
	Age        int64             `cbor:"13,keyasint"` // milliseconds
}

// ending is the end of a burst; without Cut its tail may still come.
type ending struct {
	Burst fusion.ID `cbor:"1,keyasint"`
	Cause string    `cbor:"2,keyasint"`
	Cut   bool      `cbor:"3,keyasint,omitempty"`
}

// noted is a FloorEvent.
type noted struct {
	At    int64      `cbor:"1,keyasint"` // milliseconds UTC
	Event FloorEvent `cbor:"2,keyasint"`
}

// states tells how conversations are.
type states struct {
	List []shownState `cbor:"1,keyasint,omitempty"`
	All  bool         `cbor:"2,keyasint,omitempty"` // what is not listed is empty
}

// shownState is a State and the emergencies that stand, which a new arbiter must know.
type shownState struct {
	State State `cbor:"1,keyasint"`
	Age   int64 `cbor:"2,keyasint,omitempty"` // of the burst, milliseconds
}

func encodeWord(w word) ([]byte, error) { return command.Marshal(w) }

func decodeWord(b []byte) (w word, err error) {
	if err := command.UnmarshalLoose(b, &w); err != nil {
		return w, fmt.Errorf("%w: %w", errWord, err)
	}
	return w, nil
}

// A frame of speech between nodes: burst (16 octets), codec, flags, sequence number, timestamp, payload.
const (
	frameHead   = 16 + 1 + 1 + 2 + 4
	frameMarker = 1
)

func appendFrame(b []byte, burst fusion.ID, p *voice.Packet) []byte {
	b = append(b, burst[:]...)
	flags := byte(0)
	if p.Marker {
		flags = frameMarker
	}
	b = append(b, byte(p.Codec), flags)
	b = binary.BigEndian.AppendUint16(b, p.Seq)
	b = binary.BigEndian.AppendUint32(b, p.Time)
	return append(b, p.Payload...)
}

// parseFrame reads what appendFrame wrote, but for the burst; the packet's payload is part of b.
func parseFrame(b []byte, p *voice.Packet) error {
	if len(b) < frameHead {
		return fmt.Errorf("%w: a frame of %d octets", errWord, len(b))
	}
	p.Codec, p.Marker = codec.ID(b[16]), b[17]&frameMarker != 0
	p.Seq, p.Time, p.Payload = binary.BigEndian.Uint16(b[18:]), binary.BigEndian.Uint32(b[20:]), b[frameHead:]
	return nil
}
