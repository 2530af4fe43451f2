package telephone

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// media is the RTP leg of one call: two sockets, each with a goroutine that sleeps in the kernel until something
// comes. Sending is done by whoever has something to send; nothing here ticks.
type media struct {
	counters *Counters
	now      func() time.Time
	ports    *ports
	rtp      *net.UDPConn
	rtcp     *net.UDPConn
	port     uint16
	signal   netip.Addr // where the signalling comes from: media may too, when the description names a private address
	on       receiver

	heard    atomic.Int64 // Unix ns of the last RTP or RTCP
	lastSent atomic.Int64 // Unix ns of the last RTP sent

	mu              sync.Mutex // guards all below, and the socket against being closed while it sends
	closed          bool
	ready           bool
	s               session
	out             sender
	peer            netip.AddrPort // the source that was latched
	latch           bool
	locked          bool // the kernel drops what comes from elsewhere
	ssrc            uint32
	seq             uint16
	ts              uint32
	src             stream
	srtpIn, srtpOut *srtpPair
	stats           mediaStats
}

// stream is the place in the stream that is being forwarded.
type stream struct {
	running bool
	seq     uint16
	time    uint32
}

type mediaStats struct {
	packets, octets uint32
	peerSSRC        uint32
	highest         uint32
	received        uint32
	base            uint32
}

// receiver is told what the far end says. The packet belongs to the media.
type receiver interface {
	audio(p *voice.Packet)
	event(e event, ts uint32)
	gone() // RTCP BYE
}

func newMedia(p *ports, c *Counters, now func() time.Time, rnd func() uint64) (*media, error) {
	rtp, rtcp, err := p.pair()
	if err != nil {
		return nil, err
	}
	out, err := newSender(rtp)
	if err != nil {
		_, _ = rtp.Close(), rtcp.Close()
		return nil, err
	}
	r := rnd()
	return &media{
		counters: c, now: now, ports: p, rtp: rtp, rtcp: rtcp, out: out,
		port: rtp.LocalAddr().(*net.UDPAddr).AddrPort().Port(), ssrc: uint32(r), seq: uint16(r>>32) & 0x7fff, ts: uint32(rnd()),
	}, nil
}

// start begins to read. Packets are handed to on, from one goroutine.
func (m *media) start(on receiver) {
	m.on = on
	go m.readRTP()
	go m.readRTCP()
}

// apply takes up what was agreed. A new address is latched to anew.
func (m *media) apply(s session) error {
	in, out, err := s.srtp()
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return net.ErrClosed
	}
	if !m.ready || s.addr != m.s.addr {
		if m.locked {
			m.out.unlock()
		}
		m.latch, m.locked, m.peer = false, false, s.addr
		m.out.aim(s.addr)
	}
	if in != nil {
		m.srtpIn, m.srtpOut = in, out
	}
	if m.s.codec != s.codec {
		m.src.running = false
	}
	m.s, m.ready = s, true
	return nil
}

func (m *media) session() session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.s
}

func (m *media) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.closed = true
	_, _ = m.rtp.Close(), m.rtcp.Close()
	m.ports.free(m.port)
}

// readRTP runs until the socket is closed.
func (m *media) readRTP() {
	buf := make([]byte, rtpMax)
	var p voice.Packet
	for failures := 0; failures < 1000; {
		n, src, err := m.rtp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // an ICMP error of what we sent
			failures++
			continue
		}
		failures = 0
		m.datagram(buf[:n], canonical(src), &p)
	}
}

// datagram takes one datagram of the RTP port.
func (m *media) datagram(b []byte, src netip.AddrPort, p *voice.Packet) {
	m.mu.Lock()
	if !m.may(src) {
		m.mu.Unlock()
		m.counters.ForeignRTP.Add(1)
		return
	}
	if isRTCP(b) {
		m.mu.Unlock()
		m.control(b)
		return
	}
	if m.srtpIn != nil {
		var err error
		if b, err = m.srtpIn.open(b); err != nil {
			m.mu.Unlock()
			m.counters.BadRTP.Add(1)
			return
		}
	}
	r, ok := parseRTP(b)
	isEvent := m.s.hasEvent && r.pt == m.s.event
	if !ok || len(r.payload) > codec.MaxPayload || (r.pt != m.s.pt && !isEvent && r.pt != comfortNoise) {
		m.mu.Unlock()
		m.counters.BadRTP.Add(1)
		return
	}
	m.take(src)
	m.stats.take(r)
	id, recv := m.s.codec, m.s.recv
	m.mu.Unlock()

	now := m.now()
	m.heard.Store(now.UnixNano())
	m.counters.PacketsIn.Add(1)
	switch {
	case isEvent:
		e, ok := parseEvent(r.payload)
		if !ok {
			m.counters.BadEvent.Add(1)
			return
		}
		m.on.event(e, r.time)
	case recv && r.pt != comfortNoise && len(r.payload) > 0:
		*p = voice.Packet{Codec: id, Marker: r.marker, Seq: r.seq, Time: r.time, Payload: r.payload, Arrived: now}
		m.on.audio(p)
	}
}

// comfortNoise is its static payload type (RFC 3389).
const comfortNoise = 13

// may reports whether media may come from src: from the latched source, or before there is one from the address described
// or the one that signals. The caller holds the lock.
func (m *media) may(src netip.AddrPort) bool {
	if !m.ready || m.closed {
		return false
	}
	if m.latch {
		return src == m.peer
	}
	return src.Addr() == m.s.addr.Addr() || src.Addr() == m.signal
}

// take latches to the source of the first valid packet (RFC 4961 makes it the address to send to).
func (m *media) take(src netip.AddrPort) {
	if m.latch {
		return
	}
	m.latch, m.peer = true, src
	m.locked = m.out.lock(src) == nil
}

func (s *mediaStats) take(r rtpPacket) {
	if s.received == 0 || s.peerSSRC != r.ssrc {
		*s = mediaStats{packets: s.packets, octets: s.octets, peerSSRC: r.ssrc, base: uint32(r.seq), highest: uint32(r.seq)}
	}
	if d := int16(r.seq - uint16(s.highest)); d > 0 {
		s.highest += uint32(d)
	}
	s.received++
}

func (m *media) readRTCP() {
	buf := make([]byte, 512)
	for failures := 0; failures < 1000; {
		n, src, err := m.rtcp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			failures++
			continue
		}
		failures = 0
		src = canonical(src)
		m.mu.Lock()
		ok := m.ready && (src.Addr() == m.s.rtcp.Addr() || src.Addr() == m.signal || (m.latch && src.Addr() == m.peer.Addr()))
		m.mu.Unlock()
		if !ok {
			m.counters.ForeignRTP.Add(1)
			continue
		}
		m.control(buf[:n])
	}
}

// control takes one RTCP packet. It counts as a sign of life; under SRTP its content is not read.
func (m *media) control(b []byte) {
	m.mu.Lock()
	secure := m.srtpIn != nil
	if secure {
		var err error
		if b, err = m.srtpIn.openRTCP(b); err != nil {
			m.mu.Unlock()
			m.counters.BadRTP.Add(1)
			return
		}
	}
	m.mu.Unlock()
	bye, ok := parseRTCP(b)
	if !ok {
		m.counters.BadRTP.Add(1)
		return
	}
	m.heard.Store(m.now().UnixNano())
	if bye {
		m.on.gone()
	}
}
