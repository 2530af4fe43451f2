package webrtc

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"

	"github.com/guantong-net/guantong/fusion/voice"
)

// maxPaths is how many addresses of one client are kept: its interfaces, and those that a NAT gave it lately.
const maxPaths = 8

// Session is one page's media: made by Server.Open, ended by Close or by the client. All methods are for any goroutine.
//
// Locks, in the order in which they may be taken: in (the uplink, held while Events.Packet runs), slotMu (Begin and End,
// held while Events.Slot runs), Server.mu, out.
type Session struct {
	server *Server
	events Events
	offer  offer
	ufrag  string
	pwd    stun.MessageIntegrity
	opened time.Time

	closed    atomic.Bool
	connected atomic.Bool
	media     atomic.Bool  // the client has sent authenticated media
	consented atomic.Int64 // last authenticated STUN request, Unix ns

	paths []netip.AddrPort // addresses that passed a STUN check, oldest first; guarded by Server.mu
	dtls  association      // guarded by Server.mu

	in     sync.Mutex
	inCtx  *srtp.Context
	ssrcs  [maxSSRCs]uint32
	nSSRC  int
	uplink uplinkState

	slotMu sync.Mutex

	out    sync.Mutex
	ready  bool // outCtx and remote are there
	outCtx *srtp.Context
	remote destination
	addr   netip.AddrPort // remote as an address
	slots  []slot
	report reports
	sent   uint64
}

// Sink gives a listening half of the session for the switch. Streams that begin on it get a free slot, or that
// of a less urgent stream: emergency before precedence. The switch attaches to it after Events.Connected;
// what comes earlier is dropped.
func (x *Session) Sink(name string) voice.Sink { return &sink{session: x, name: name} }

// Close ends the session.
func (x *Session) Close() { x.server.end(x, "closed") }

// Stats gives the session's counters.
func (x *Session) Stats() SessionStats {
	st := SessionStats{Connected: x.connected.Load()}
	st.Received = x.uplink.packets.Load()
	x.server.mu.RLock()
	st.Profile = x.dtls.profile
	x.server.mu.RUnlock()
	x.out.Lock()
	defer x.out.Unlock()
	st.Sent, st.RTT = x.sent, x.report.rtt
	for i := range x.slots {
		st.ReportedLost += x.report.lost[i]
		st.Jitter = max(st.Jitter, x.report.jitter[i])
	}
	if x.addr.IsValid() {
		st.Remote = x.addr.String()
	}
	return st
}
