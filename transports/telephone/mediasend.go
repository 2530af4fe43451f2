package telephone

import (
	"time"

	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// scratch is what one Deliver builds its packets in.
type scratch struct {
	plain  [rtpMax]byte
	sealed [rtpMax + 32]byte
}

// forward sends a packet of a stream whose payload stands in buf behind room for the header. Sequence and
// timestamp follow the talker's own, so that a loss stays a gap; where the stream begins the timestamp has gone on with
// the wall clock (RFC 3550 §5.1) and the marker is set.
func (m *media) forward(p *voice.Packet, buf *scratch, n int, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready || m.closed || !m.s.send || p.Codec != m.s.codec {
		return
	}
	step, advance := uint16(1), uint32(0)
	marker := !m.src.running || p.Marker
	if !marker {
		step, advance = p.Seq-m.src.seq, p.Time-m.src.time
		if step == 0 || step > 0x8000 { // late or twice: the far end has moved on
			return
		}
		marker = step > 100 || advance > 48000*5
	}
	if marker {
		step, advance = 1, m.elapsed(now)
	}
	m.src = stream{running: true, seq: p.Seq, time: p.Time}
	m.emit(buf, n, marker, step, advance, now)
}

// elapsed is the time since the last packet in the codec's clock, 20 ms at the least.
func (m *media) elapsed(now time.Time) uint32 {
	clock := int64(m.s.codec.Clock())
	d := now.UnixNano() - m.lastSent.Load()
	if m.lastSent.Load() == 0 || d < 0 || d > int64(24*time.Hour) {
		d = 0
	}
	return uint32(max(d*clock/int64(time.Second), clock/50))
}

// emit sends one packet. The caller holds the lock.
func (m *media) emit(buf *scratch, n int, marker bool, step uint16, advance uint32, now time.Time) {
	m.seq += step
	m.ts += advance
	b := buf.plain[:rtpHeader+n]
	putRTPHeader(b, marker, m.s.pt, m.seq, m.ts, m.ssrc)
	if m.srtpOut != nil {
		var err error
		if b, err = m.srtpOut.seal(buf.sealed[:0], b); err != nil {
			m.counters.SendFailed.Add(1)
			return
		}
	}
	if !m.out.send(b) {
		m.counters.SendFailed.Add(1)
	}
	m.lastSent.Store(now.UnixNano())
	m.stats.packets++
	m.stats.octets += uint32(n)
	m.counters.PacketsOut.Add(1)
}

// frame sends one 20 ms frame of our own (a tone, a prompt, a keep-alive).
func (m *media) frame(buf *scratch, payload []byte, first bool, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready || m.closed || !m.s.send {
		return
	}
	m.src.running = false
	n := copy(buf.plain[rtpHeader:], payload)
	advance := uint32(m.s.codec.Clock() / 50)
	if first {
		advance = m.elapsed(now)
	}
	m.emit(buf, n, first, 1, advance, now)
}

// begin says that another stream comes next.
func (m *media) begin() {
	m.mu.Lock()
	m.src.running = false
	m.mu.Unlock()
}

// report sends an RTCP report (RFC 3550 §6.4).
func (m *media) report(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready || m.closed {
		return
	}
	sinceSent := now.UnixNano() - m.lastSent.Load()
	r := report{
		ssrc: m.ssrc, peer: m.stats.peerSSRC, ntp: ntp(now), packets: m.stats.packets, octets: m.stats.octets,
		rtpTime: m.ts + uint32(sinceSent*int64(m.s.codec.Clock())/int64(time.Second)),
		highest: m.stats.highest, sent: m.stats.packets > 0, heard: m.stats.received > 0,
	}
	if expected := m.stats.highest - m.stats.base + 1; r.heard && expected > m.stats.received {
		r.lost = expected - m.stats.received
	}
	b := r.append(make([]byte, 0, 128))
	if m.srtpOut != nil {
		var err error
		if b, err = m.srtpOut.sealRTCP(b); err != nil {
			return
		}
	}
	if m.s.mux {
		m.out.send(b)
		return
	}
	to := m.s.rtcp
	if m.latch && m.peer.Addr() != m.s.addr.Addr() {
		return // behind a translator only the RTP port has a way back
	}
	_, _ = m.rtcp.WriteToUDPAddrPort(b, to)
}

// ntp is the 64-bit NTP timestamp (RFC 3550 §4).
func ntp(t time.Time) uint64 {
	const epoch = 2208988800 // seconds from 1900 to 1970
	return uint64(t.Unix()+epoch)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// silence is one frame that says nothing, per codec.
func silence(p codec.Params) ([]byte, error) {
	enc, err := codec.NewEncoder(p)
	if err != nil {
		return nil, err
	}
	return enc.Encode(nil, make([]int16, codec.FrameSamples))
}
