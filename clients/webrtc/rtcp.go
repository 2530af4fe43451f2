package webrtc

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtcp"
)

const (
	typeSR       = 200 // RFC 3550 §12.1
	typeRR       = 201
	typeSDES     = 202
	blockSize    = 24
	senderSize   = 28
	reportEvery  = 5 * time.Second // RFC 3550 §6.2
	reportBuffer = 8 + maxSlots*senderSize + blockSize + 64
)

// reports is what the client says about our slots, and when we last spoke of them. Guarded by Session.out.
type reports struct {
	lost    []uint32
	jitter  []time.Duration
	rtt     time.Duration
	sentAt  time.Time
	lastAll uint64 // Session.sent at the last report
}

func (r *reports) init(slots int) {
	r.lost, r.jitter = make([]uint32, slots), make([]time.Duration, slots)
}

// block is one report block (RFC 3550 §6.4.1).
type block struct {
	ssrc, lost, jitter, lastSR, delay uint32
}

// senderInfo is the part of a sender report that a receiver answers.
type senderInfo struct {
	ssrc, middle uint32
}

// walkRTCP reads a compound packet's reports. It reports false when the packet is malformed; what was well-formed
// before that has been given out.
func walkRTCP(b []byte, onSender func(senderInfo), onBlock func(block)) bool {
	for len(b) > 0 {
		if len(b) < 8 || b[0]>>6 != 2 {
			return false
		}
		size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if size < 8 || size > len(b) {
			return false
		}
		p, count, at := b[:size], int(b[0]&0x1F), 0
		switch b[1] {
		case typeSR:
			if size < senderSize {
				return false
			}
			onSender(senderInfo{ssrc: be32(p[4:]), middle: be32(p[10:])})
			at = senderSize
		case typeRR:
			at = 8
		}
		if at > 0 && !walkBlocks(p[at:], count, onBlock) {
			return false
		}
		b = b[size:]
	}
	return true
}

func walkBlocks(b []byte, count int, onBlock func(block)) bool {
	if len(b) < count*blockSize {
		return false
	}
	for range count {
		lost := be32(b[4:]) & 0xFFFFFF
		if lost&0x800000 != 0 { // negative: more came than were sent, by duplication
			lost = 0
		}
		onBlock(block{ssrc: be32(b), lost: lost, jitter: be32(b[12:]), lastSR: be32(b[16:]), delay: be32(b[20:])})
		b = b[blockSize:]
	}
	return true
}

// handleSRTCP takes the client's reports.
func (x *Session) handleSRTCP(r *reader, data []byte) {
	c := &x.server.count
	x.in.Lock()
	defer x.in.Unlock()
	// srtp keeps a state for each sender that it has decrypted.
	if x.inCtx == nil || x.closed.Load() || len(data) < 8 || !x.knows(be32(data[4:])) {
		c.badRTCP.Add(1)
		return
	}
	var h rtcp.Header
	plain, err := x.inCtx.DecryptRTCP(r.plain[:0], data, &h)
	if err != nil {
		countSRTP(err, &c.replayed, &c.badRTCP)
		return
	}
	x.learn(be32(data[4:]))
	x.heard()
	now := x.server.cfg.Now()
	x.out.Lock()
	defer x.out.Unlock()
	onSender := func(i senderInfo) { x.uplink.lastSR, x.uplink.lastSRAt = i.middle, now }
	if !walkRTCP(plain, onSender, func(b block) { x.reported(b, now) }) {
		c.badRTCP.Add(1)
	}
}

// reported takes one report block about a slot. Session.out is held.
func (x *Session) reported(b block, now time.Time) {
	for i := range x.slots {
		if x.slots[i].ssrc != b.ssrc {
			continue
		}
		x.report.lost[i] = b.lost
		x.report.jitter[i] = time.Duration(b.jitter) * time.Second / opusClock
		if b.lastSR == 0 {
			return
		}
		// RFC 3550 §6.4.1: A - LSR - DLSR, in 1/65536 s.
		rtt := uint32(ntp(now.UnixNano())>>16) - b.lastSR - b.delay
		if d := time.Duration(rtt) * time.Second / 65536; d < time.Minute {
			x.report.rtt = d
		}
		return
	}
}

// tellReports sends one compound packet: a sender report for each slot that has sent since the last one, and what
// came of the microphone. A silent session sends nothing.
func (x *Session) tellReports(now time.Time, buf []byte) {
	if !x.in.TryLock() { // its packets come right now; the next sweep will do
		return
	}
	defer x.in.Unlock()
	x.out.Lock()
	defer x.out.Unlock()
	uplink := x.uplink.packets.Load()
	if !x.ready || now.Sub(x.report.sentAt) < reportEvery || (x.sent == x.report.lastAll && uplink == x.uplink.reported) {
		return
	}
	b := x.compound(buf[:0], now)
	x.report.sentAt, x.report.lastAll, x.uplink.reported = now, x.sent, uplink
	if len(b) == 0 {
		return
	}
	out, err := x.outCtx.EncryptRTCP(nil, b, nil)
	if err == nil {
		x.server.sock.send(out, x.remote)
	}
}

// compound builds the reports. Session.in and out are held.
func (x *Session) compound(b []byte, now time.Time) []byte {
	if len(x.slots) == 0 {
		return b
	}
	heard := x.uplink.count > 0 && x.uplink.packets.Load() != x.uplink.reported
	first := x.slots[0].ssrc
	for i := range x.slots {
		t := &x.slots[i]
		if t.packets == t.reported {
			continue
		}
		if len(b) == 0 {
			first = t.ssrc
		}
		t.reported = t.packets
		blocks := byte(0)
		if heard {
			blocks = 1
		}
		b = append(b, 0x80|blocks, typeSR, 0, byte(senderSize/4-1+int(blocks)*blockSize/4))
		b = binary.BigEndian.AppendUint32(b, t.ssrc)
		b = binary.BigEndian.AppendUint64(b, ntp(now.UnixNano()))
		b = binary.BigEndian.AppendUint32(b, t.clock(now))
		b = binary.BigEndian.AppendUint32(b, t.packets)
		b = binary.BigEndian.AppendUint32(b, t.octets)
		if heard {
			b = x.uplink.appendBlock(b, now)
			heard = false
		}
	}
	if heard {
		b = append(b, 0x81, typeRR, 0, 7)
		b = binary.BigEndian.AppendUint32(b, first)
		b = x.uplink.appendBlock(b, now)
	}
	return appendName(b, first)
}

// appendName adds the source description that every compound packet has (RFC 3550 §6.1).
func appendName(b []byte, ssrc uint32) []byte {
	b = append(b, 0x81, typeSDES, 0, 4)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = append(b, 1, 8)
	b = append(b, "guantong"...)
	return append(b, 0, 0)
}

// appendBlock writes the report block on the microphone and begins the next interval (RFC 3550 appendix A.3).
func (u *uplinkState) appendBlock(b []byte, now time.Time) []byte {
	expected := u.highest - u.first + 1
	lost := max(int64(expected)-int64(u.count), 0)
	interval := int64(expected - u.expected)
	missed := interval - int64(u.count-u.received)
	u.expected, u.received = expected, u.count
	var fraction byte
	if interval > 0 && missed > 0 {
		fraction = byte(min(missed*256/interval, 255))
	}
	b = binary.BigEndian.AppendUint32(b, u.ssrc)
	b = binary.BigEndian.AppendUint32(b, uint32(fraction)<<24|uint32(min(lost, 0x7FFFFF)))
	b = binary.BigEndian.AppendUint32(b, u.highest)
	b = binary.BigEndian.AppendUint32(b, uint32(u.jitter))
	var last, delay uint32
	if !u.lastSRAt.IsZero() {
		last, delay = u.lastSR, uint32(now.Sub(u.lastSRAt)*65536/time.Second)
	}
	b = binary.BigEndian.AppendUint32(b, last)
	return binary.BigEndian.AppendUint32(b, delay)
}
