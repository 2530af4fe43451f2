package webrtc

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sort"
	"strings"
	"sync"
	"time"
)

// answer writes the SDP answer (RFC 8829 §5.3): ICE-lite, every candidate at once, DTLS server, one SSRC for each slot. It is
// written by hand and not by sdp.Marshal because it is one fixed text with some values in it.
func (s *Server) answer(x *Session) (string, error) {
	id, err := randomNumber(s.cfg.Rand)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\r\n")
	}
	line("v=0")
	line("o=- %d 2 IN IP4 127.0.0.1", id)
	line("s=-")
	line("t=0 0")
	line("a=ice-lite")
	line("a=group:BUNDLE%s", bundled(x.offer.media))
	line("a=msid-semantic: WMS *")
	candidates := s.candidates()
	next, first := 0, true
	for _, m := range x.offer.media {
		if !m.accepted {
			line("m=%s 0 UDP/TLS/RTP/SAVPF %s", m.kind, strings.Join(m.formats, " "))
			line("c=IN IP4 0.0.0.0")
			line("a=mid:%s", m.mid)
			line("a=inactive")
			continue
		}
		s.answerMedia(line, x, m, candidates, first)
		first = false
		if m.send {
			slotLines(line, &x.slots[next], next)
			next++
		}
	}
	return b.String(), nil
}

func bundled(media []offeredMedia) string {
	var b strings.Builder
	for _, m := range media {
		if m.accepted {
			b.WriteString(" " + m.mid)
		}
	}
	return b.String()
}

func (s *Server) answerMedia(line func(string, ...any), x *Session, m offeredMedia, candidates []string, first bool) {
	line("m=audio 9 UDP/TLS/RTP/SAVPF %d", m.pt)
	line("c=IN IP4 0.0.0.0")
	line("a=rtcp:9 IN IP4 0.0.0.0")
	line("a=ice-ufrag:%s", x.ufrag)
	line("a=ice-pwd:%s", []byte(x.pwd)) // not its String, which is for people
	line("a=fingerprint:sha-256 %s", s.fingerprint)
	line("a=setup:passive")
	line("a=mid:%s", m.mid)
	line("a=%s", map[[2]bool]string{{true, true}: "sendrecv", {true, false}: "sendonly", {false, true}: "recvonly"}[[2]bool{m.send, m.receive}])
	line("a=rtcp-mux")
	line("a=rtcp-rsize")
	line("a=rtpmap:%d opus/48000/2", m.pt)
	line("a=fmtp:%d minptime=10;useinbandfec=1;usedtx=1", m.pt)
	line("a=ptime:20")
	if !first { // the bundle's first m-line speaks for all (RFC 9143 §7.1.3)
		return
	}
	for _, c := range candidates {
		line("a=candidate:%s", c)
	}
	line("a=end-of-candidates")
}

func slotLines(line func(string, ...any), t *slot, index int) {
	line("a=msid:slot%d slot%d", index, index)
	line("a=ssrc:%d cname:guantong", t.ssrc)
	line("a=ssrc:%d msid:slot%d slot%d", t.ssrc, index, index)
}

func randomNumber(random io.Reader) (uint32, error) {
	var b [4]byte
	_, err := io.ReadFull(random, b[:])
	return be32(b[:]) >> 1, err
}

// hostList remembers the machine's addresses for a while: asking the kernel for each offer would cost more than the answer.
type hostList struct {
	mu    sync.Mutex
	at    time.Time
	addrs []netip.Addr
}

const hostAge = 5 * time.Second

func (h *hostList) get(now time.Time) []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.addrs != nil && now.Sub(h.at) < hostAge {
		return h.addrs
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return h.addrs
	}
	h.at, h.addrs = now, h.addrs[:0:0]
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if ip = ip.Unmap(); ok && !ip.IsLinkLocalUnicast() && !ip.IsMulticast() {
			h.addrs = append(h.addrs, ip)
		}
	}
	sort.SliceStable(h.addrs, func(i, j int) bool { return rank(h.addrs[i]) < rank(h.addrs[j]) })
	return h.addrs
}

// rank orders addresses: IPv6 before IPv4 (RFC 8421), loopback last.
func rank(a netip.Addr) int {
	switch {
	case a.IsLoopback() && a.Is4():
		return 2
	case a.IsLoopback():
		return 3
	case a.Is4():
		return 1
	}
	return 0
}

// candidates writes the addresses to be reached at, best first (RFC 8839 §5.1).
func (s *Server) candidates() []string {
	var out []string
	for i, a := range s.reachable() {
		const hostPreference = 126
		priority := hostPreference<<24 | (65535-i)<<8 | 255 // RFC 8445 §5.1.2.1
		out = append(out, fmt.Sprintf("%d 1 udp %d %s %d typ host", i+1, priority, a.Addr(), a.Port()))
	}
	return out
}

// Addresses are where browsers are told to send.
func (s *Server) Addresses() []netip.AddrPort { return s.reachable() }

func (s *Server) reachable() []netip.AddrPort {
	local := s.sock.local
	var out []netip.AddrPort
	for _, a := range s.cfg.Announce {
		if a.Port() == 0 {
			a = netip.AddrPortFrom(a.Addr(), local.Port())
		}
		out = append(out, a)
	}
	if len(out) > 0 {
		return out
	}
	if bound := local.Addr().Unmap(); !bound.IsUnspecified() {
		return []netip.AddrPort{netip.AddrPortFrom(bound, local.Port())}
	}
	only4 := local.Addr().Is4()
	for _, a := range s.hosts.get(s.cfg.Now()) {
		if !only4 || a.Is4() {
			out = append(out, netip.AddrPortFrom(a, local.Port()))
		}
	}
	return out
}
