package telephone

import (
	"encoding/binary"
	"time"

	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
	"github.com/guantong-net/guantong/fusion/voice/tone"
)

// speech is what stands between a call's packets and its seat. Where keys come as telephone-events and nobody's voice
// is to press them, packets pass untouched. Else they are decoded: a muter takes keys out of the speech (it comes
// 60 ms later for that), a voice detector presses for an extension that is set so.
//
// It belongs to the goroutine that reads the call's socket.
type speech struct {
	codec codec.ID
	dec   codec.Decoder
	muter *tone.Muter
	vad   *tone.Voice
	next  uint16 // sequence number expected
	begun bool

	pcm    []int16
	clean  []int16
	voiced []int16
	events []tone.Event
	out    voice.Packet
	buf    [2 * codec.FrameSamples]byte
	frame  [codec.FrameSamples]int16
}

// take passes a packet on, or what is left of it.
func (s *speech) take(c *call, seat talk.Seat, p *voice.Packet, heard bool, listen bool) {
	vad := c.account.VAD && !c.isFull()
	if !listen && !vad {
		if heard {
			seat.Push(p)
		}
		return
	}
	if s.codec != p.Codec || s.dec == nil {
		dec, err := codec.NewDecoder(p.Codec)
		if err != nil {
			return
		}
		*s = speech{codec: p.Codec, dec: dec, muter: tone.NewMuter(), vad: tone.NewVoice(tone.VoiceConfig{})}
	}
	s.decode(p)
	s.clean, s.events = s.muter.Feed(s.clean, s.pcm, s.events[:0])
	for _, e := range s.events {
		if e.Begin {
			c.key(e.Digit, byTone)
		}
	}
	s.drain(c, seat, p.Arrived, heard, vad)
}

// decode turns the packet into PCM. A loss of a few packets is concealed, so that time goes on; a late packet is dropped.
func (s *speech) decode(p *voice.Packet) {
	s.pcm = s.pcm[:0]
	lost := p.Seq - s.next
	switch {
	case !s.begun || p.Marker || (lost > 10 && lost < 0xfff0):
	case lost >= 0xfff0:
		return
	default:
		for range lost {
			s.pcm = s.dec.Conceal(s.pcm, codec.FrameSamples)
		}
	}
	s.begun, s.next = true, p.Seq+1
	if pcm, err := s.dec.Decode(s.pcm, p.Payload); err == nil {
		s.pcm = pcm
	}
}

// drain hands out whole frames.
func (s *speech) drain(c *call, seat talk.Seat, arrived time.Time, heard, vad bool) {
	n := 0
	for ; len(s.clean)-n >= codec.FrameSamples; n += codec.FrameSamples {
		copy(s.frame[:], s.clean[n:])
		if !vad {
			s.push(seat, s.frame[:], arrived, heard)
			continue
		}
		was := s.vad.Active()
		s.voiced = s.vad.Feed(s.voiced[:0], &s.frame)
		if on := s.vad.Active(); on != was {
			c.voice(on)
			heard = on
		}
		for i := 0; i+codec.FrameSamples <= len(s.voiced); i += codec.FrameSamples {
			s.push(seat, s.voiced[i:i+codec.FrameSamples], arrived, heard)
		}
	}
	s.clean = append(s.clean[:0], s.clean[n:]...)
}

// push gives one frame of PCM to the seat.
func (s *speech) push(seat talk.Seat, pcm []int16, arrived time.Time, heard bool) {
	s.out.Seq++
	s.out.Time += codec.FrameSamples
	if !heard {
		s.out.Marker = true // of the next that is
		return
	}
	for i, v := range pcm {
		binary.NativeEndian.PutUint16(s.buf[2*i:], uint16(v))
	}
	s.out.Codec, s.out.Payload, s.out.Arrived = codec.L16, s.buf[:2*len(pcm)], arrived
	seat.Push(&s.out)
	s.out.Marker = false
}

// voice presses and releases for whoever speaks.
func (c *call) voice(on bool) {
	if on {
		c.press()
	} else {
		c.unpress()
	}
}

func (c *call) isFull() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.full
}
