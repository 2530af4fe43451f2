package webrtc

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// maxSSRCs is how many sources a client may send in a session: srtp keeps a state for each.
const maxSSRCs = 8

// uplinkState is what receiver reports are made of (RFC 3550 §6.4.1, appendix A.8). Guarded by Session.in.
type uplinkState struct {
	packets  atomic.Uint64
	reported uint64
	ssrc     uint32
	first    uint32 // extended sequence numbers
	highest  uint32
	count    uint32 // packets of this source
	expected uint32 // at the last report
	received uint32
	transit  int64
	jitter   float64 // in timestamp units
	lastSR   uint32  // middle 32 bits of the NTP time of the client's last sender report
	lastSRAt time.Time
}

// handleSRTP takes one encrypted packet of the microphone.
func (x *Session) handleSRTP(r *reader, data []byte) {
	c := &x.server.count
	x.in.Lock()
	defer x.in.Unlock()
	if x.inCtx == nil || x.closed.Load() || !x.knows(ssrcOf(data)) {
		c.badRTP.Add(1)
		return
	}
	plain, err := x.inCtx.DecryptRTP(r.plain[:0], data, &r.header)
	if err != nil {
		countSRTP(err, &c.replayed, &c.badRTP)
		return
	}
	now := x.server.cfg.Now()
	x.heard()
	h := &r.header
	x.learn(h.SSRC)
	payload, ok := speech(plain)
	if !ok || h.PayloadType != x.offer.uplinkPT || !x.offer.uplink {
		c.badRTP.Add(1)
		return
	}
	x.uplink.note(h.SSRC, h.SequenceNumber, h.Timestamp, now)
	if len(payload) == 0 {
		return
	}
	c.uplink.Add(1)
	p := &r.packet
	p.Codec, p.Marker, p.Seq, p.Time, p.Payload, p.Arrived = codec.Opus, h.Marker, h.SequenceNumber, h.Timestamp, payload, now
	x.events.Packet(p)
}

// speech cuts a decrypted packet down to its payload: header, sources, extension and padding go (RFC 3550 §5.1).
func speech(plain []byte) ([]byte, bool) {
	if len(plain) < 12 {
		return nil, false
	}
	from, end := 12+4*int(plain[0]&0x0F), len(plain)
	if plain[0]&0x10 != 0 {
		if end < from+4 {
			return nil, false
		}
		from += 4 + 4*(int(plain[from+2])<<8|int(plain[from+3]))
	}
	if plain[0]&0x20 != 0 {
		end -= int(plain[end-1])
	}
	if end < from {
		return nil, false
	}
	return plain[from:end], true
}

func ssrcOf(data []byte) uint32 {
	if len(data) < 12 {
		return 0
	}
	return uint32(data[8])<<24 | uint32(data[9])<<16 | uint32(data[10])<<8 | uint32(data[11])
}

// knows reports whether a source is one of the session's, or there is room for one more. Session.in is held.
func (x *Session) knows(ssrc uint32) bool {
	if x.nSSRC < maxSSRCs {
		return true
	}
	for _, known := range x.ssrcs {
		if known == ssrc {
			return true
		}
	}
	return false
}

// learn keeps an authenticated source. Session.in is held.
func (x *Session) learn(ssrc uint32) {
	for _, known := range x.ssrcs[:x.nSSRC] {
		if known == ssrc {
			return
		}
	}
	x.ssrcs[x.nSSRC] = ssrc
	x.nSSRC++
}

// countSRTP counts a failed decryption: srtp tells replays apart by its error's text only.
func countSRTP(err error, replayed, bad *atomic.Uint64) {
	if isReplay(err) {
		replayed.Add(1)
		return
	}
	bad.Add(1)
}

func isReplay(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), "duplicated") {
			return true
		}
	}
	return false
}

// note counts a packet for the receiver report.
func (u *uplinkState) note(ssrc uint32, seq uint16, ts uint32, now time.Time) {
	u.packets.Add(1)
	transit := now.UnixNano()/int64(time.Millisecond)*(opus48) - int64(ts)
	if ssrc != u.ssrc || u.count == 0 {
		u.ssrc, u.first, u.highest, u.count, u.expected, u.received, u.jitter = ssrc, uint32(seq), uint32(seq), 1, 0, 0, 0
		u.transit = transit
		return
	}
	u.count++
	if d := int16(seq - uint16(u.highest)); d > 0 {
		u.highest += uint32(d)
	}
	// Differences of 32-bit timestamps wrap; a pause of the microphone is not jitter either.
	if d := int32(transit - u.transit); d > -opusClock && d < opusClock {
		if d < 0 {
			d = -d
		}
		u.jitter += (float64(d) - u.jitter) / 16
	}
	u.transit = transit
}

const opus48 = opusClock / 1000
