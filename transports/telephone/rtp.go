package telephone

import "encoding/binary"

const (
	rtpHeader = 12   // bytes, without CSRCs and extension
	rtpMax    = 1500 // longest datagram that is read
)

// rtpPacket is a parsed packet; its payload is part of the datagram.
type rtpPacket struct {
	marker  bool
	pt      uint8
	seq     uint16
	time    uint32
	ssrc    uint32
	payload []byte
}

// parseRTP reads RFC 3550 §5.1. ok is false for what is no RTP.
func parseRTP(b []byte) (p rtpPacket, ok bool) {
	if len(b) < rtpHeader || b[0]>>6 != 2 {
		return p, false
	}
	n := rtpHeader + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return p, false
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		pad := int(b[end-1])
		if pad == 0 {
			return p, false
		}
		end -= pad
	}
	if n > end {
		return p, false
	}
	return rtpPacket{
		marker: b[1]&0x80 != 0, pt: b[1] & 0x7f, seq: binary.BigEndian.Uint16(b[2:]),
		time: binary.BigEndian.Uint32(b[4:]), ssrc: binary.BigEndian.Uint32(b[8:]), payload: b[n:end],
	}, true
}

func putRTPHeader(b []byte, marker bool, pt uint8, seq uint16, ts, ssrc uint32) {
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
}

// isRTCP tells the two apart on one port (RFC 5761 §4).
func isRTCP(b []byte) bool { return len(b) >= 2 && b[1] >= 192 && b[1] <= 223 }

// parseRTCP checks a compound packet (RFC 3550 §6.1, appendix A.2) and reports whether it says BYE.
func parseRTCP(b []byte) (bye, ok bool) {
	for len(b) > 0 {
		if len(b) < 4 || b[0]>>6 != 2 || b[1] < 192 || b[1] > 223 {
			return false, false
		}
		n := 4 * (1 + int(binary.BigEndian.Uint16(b[2:])))
		if n > len(b) {
			return false, false
		}
		bye = bye || b[1] == 203
		b, ok = b[n:], true
	}
	return bye, ok
}

// report is what an RTCP report of ours says.
type report struct {
	ssrc, peer      uint32
	ntp             uint64
	rtpTime         uint32
	packets, octets uint32
	highest         uint32 // extended highest sequence number received
	lost            uint32
	sent, heard     bool
}

// append writes SR or RR, and SDES with a CNAME that says nothing of us (RFC 3550 §6.4, §6.5; RFC 7022 §4.2).
func (r report) append(b []byte) []byte {
	var blocks byte
	if r.heard {
		blocks = 1
	}
	be := binary.BigEndian
	if r.sent {
		b = append(b, 0x80|blocks, 200, 0, 6+6*blocks)
		b = be.AppendUint32(b, r.ssrc)
		b = be.AppendUint64(b, r.ntp)
		b = be.AppendUint32(b, r.rtpTime)
		b = be.AppendUint32(b, r.packets)
		b = be.AppendUint32(b, r.octets)
	} else {
		b = append(b, 0x80|blocks, 201, 0, 1+6*blocks)
		b = be.AppendUint32(b, r.ssrc)
	}
	if r.heard {
		b = be.AppendUint32(b, r.peer)
		b = be.AppendUint32(b, min(r.lost, 0x7fffff))
		b = be.AppendUint32(b, r.highest)
		b = append(b, make([]byte, 12)...)
	}
	b = append(b, 0x81, 202, 0, 4)
	b = be.AppendUint32(b, r.ssrc)
	b = append(b, 1, 8)
	const hex = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, hex[r.ssrc>>shift&0xf])
	}
	return append(b, 0, 0)
}

// event is an RFC 4733 §2.3 payload.
type event struct {
	code     uint8
	end      bool
	duration uint16 // in the event's clock
}

// parseEvent reads the first event of a payload.
func parseEvent(b []byte) (event, bool) {
	if len(b) < 4 || len(b)%4 != 0 {
		return event{}, false
	}
	return event{code: b[0], end: b[1]&0x80 != 0, duration: binary.BigEndian.Uint16(b[2:])}, true
}

// key gives the key of an event code: 0-9, *, #, A-D; 0 for another event.
func (e event) key() byte {
	const keys = "0123456789*#ABCD"
	if int(e.code) < len(keys) {
		return keys[e.code]
	}
	return 0
}
