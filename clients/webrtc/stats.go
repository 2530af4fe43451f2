package webrtc

import (
	"sync/atomic"
	"time"
)

// Stats are the server's totals since it was made, and what is live now.
type Stats struct {
	Sessions   int // open now
	Connected  int // of those, connected
	Handshakes int // under way

	Opened, Refused        uint64 // sessions; offers turned down (malformed, or too many sessions)
	Established, Failed    uint64 // DTLS handshakes
	Sent, SentBytes        uint64 // media packets handed to the kernel, with their RTP bytes
	SendErrors             uint64 // packets that the kernel did not take
	Received               uint64 // datagrams
	Uplink                 uint64 // speech packets authenticated
	Early, Stale           uint64 // packets not sent: the client not connected yet; the slot given to another stream
	Duplicate              uint64 // packets not sent: their sequence number was used already
	BadSTUN, BadDTLS       uint64 // malformed, of an unknown session, failing integrity, or over a limit
	BadRTP, BadRTCP        uint64 // malformed or failing authentication
	Replayed               uint64 // SRTP and SRTCP packets seen before
	Unknown                uint64 // datagrams of no known protocol or address
	Rebound                uint64 // sessions that went on from another address
	SlotsStolen, SlotsFull uint64 // streams that took a busy slot; streams that found none
}

type counters struct {
	opened, refused, established, failed, sent, sentBytes, sendErrors, received, uplink, early, stale, duplicate,
	badSTUN, badDTLS, badRTP, badRTCP, replayed, unknown, rebound, stolen, full atomic.Uint64
}

// Stats gives the counters.
func (s *Server) Stats() Stats {
	c := &s.count
	st := Stats{
		Opened: c.opened.Load(), Refused: c.refused.Load(), Established: c.established.Load(), Failed: c.failed.Load(),
		Sent: c.sent.Load(), SentBytes: c.sentBytes.Load(), SendErrors: c.sendErrors.Load(), Received: c.received.Load(),
		Uplink: c.uplink.Load(), Early: c.early.Load(), Stale: c.stale.Load(), Duplicate: c.duplicate.Load(),
		BadSTUN: c.badSTUN.Load(), BadDTLS: c.badDTLS.Load(), BadRTP: c.badRTP.Load(), BadRTCP: c.badRTCP.Load(),
		Replayed: c.replayed.Load(), Unknown: c.unknown.Load(), Rebound: c.rebound.Load(),
		SlotsStolen: c.stolen.Load(), SlotsFull: c.full.Load(),
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	st.Sessions, st.Handshakes = len(s.byUfrag), s.handshakes
	for _, x := range s.byUfrag {
		if x.connected.Load() {
			st.Connected++
		}
	}
	return st
}

// SessionStats are the counters of one session.
type SessionStats struct {
	Connected    bool
	Remote       string        // the client's address, empty before it is known
	Profile      string        // of SRTP
	Sent         uint64        // media packets
	Received     uint64        // speech packets
	ReportedLost uint32        // packets that the client says it has missed, all slots (RFC 3550 §6.4.1)
	Jitter       time.Duration // worst of its slots in the last report
	RTT          time.Duration // from the last report; 0 when unknown
}
