package webrtc

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

const (
	rtpHeader  = 12
	rtpTrailer = 16 // the tag of AES-GCM; that of AES-CM is shorter
	// payloadMax keeps a packet within one frame of any network that browsers are on.
	payloadMax = 1400
)

// sender is what one Deliver works with.
type sender struct {
	batch  *batch
	plain  [rtpHeader + payloadMax]byte
	header rtp.Header
}

// batchPool keeps senders, as many as Deliver ever ran at once. A sync.Pool would drop them at each collection.
type batchPool struct {
	sock *socket
	mu   sync.Mutex
	free []*sender
}

func (p *batchPool) get() *sender {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return b
	}
	p.mu.Unlock()
	return &sender{batch: newBatch(p.sock)}
}

func (p *batchPool) put(b *sender) {
	p.mu.Lock()
	p.free = append(p.free, b)
	p.mu.Unlock()
}

// Deliver implements voice.Outlet: each target's packet is numbered, encrypted under its own key, and sent with the
// others in batches of one system call. Empty payloads are dropped: browsers take them for a loss.
func (s *Server) Deliver(p *voice.Packet, to []voice.Target) {
	if len(p.Payload) == 0 || len(p.Payload) > payloadMax || p.Codec != codec.Opus || len(to) == 0 {
		return
	}
	now := s.cfg.Now()
	w := s.batches.get()
	n := copy(w.plain[rtpHeader:], p.Payload) + rtpHeader
	var sent, failed int
	for i := range to {
		k, ok := to[i].Sink.(*sink)
		if !ok || !k.session.protect(w, p, n, slotOf(to[i].Handle), to[i].Handle, now) {
			continue
		}
		sent++
		if w.batch.full() {
			failed += w.batch.flush()
		}
	}
	failed += w.batch.flush()
	s.batches.put(w)
	s.count.sent.Add(uint64(sent - failed))
	s.count.sentBytes.Add(uint64((sent - failed) * n))
	if failed > 0 {
		s.count.sendErrors.Add(uint64(failed))
	}
}

// protect adds this session's packet to the batch. w.plain[:n] has the payload behind room for the header.
func (x *Session) protect(w *sender, p *voice.Packet, n, index, handle int, now time.Time) bool {
	c := &x.server.count
	x.out.Lock()
	defer x.out.Unlock()
	if index >= len(x.slots) || !x.slots[index].owns(handle) {
		c.stale.Add(1)
		return false
	}
	if !x.ready || !x.connected.Load() {
		c.early.Add(1)
		return false
	}
	t := &x.slots[index]
	seq, ts, marker, ok := t.stamp(p, now)
	if !ok {
		c.duplicate.Add(1)
		return false
	}
	putHeader(w.plain[:rtpHeader], t.pt, marker, seq, ts, t.ssrc)
	out, err := x.outCtx.EncryptRTP(w.batch.next(), w.plain[:n], &w.header)
	if err != nil {
		c.sendErrors.Add(1)
		return false
	}
	w.batch.add(len(out), &x.remote)
	t.packets++
	t.octets += uint32(n - rtpHeader)
	x.sent++
	return true
}

// putHeader writes an RTP header without extension (RFC 3550 §5.1).
func putHeader(b []byte, pt uint8, marker bool, seq uint16, ts, ssrc uint32) {
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
}
