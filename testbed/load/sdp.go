package load

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The payload types that our telephones speak (RFC 3551 and RFC 4733).
const (
	PCMU  = 0
	PCMA  = 8
	event = 101
)

// offerSDP is what a telephone offers (RFC 3264): one codec and telephone events.
func offerSDP(local netip.AddrPort, payload int) string {
	name := map[int]string{PCMU: "PCMU", PCMA: "PCMA"}[payload]
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP %d %d\r\na=rtpmap:%d %s/8000\r\na=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
		local.Addr(), local.Addr(), local.Port(), payload, event, payload, name, event, event)
}

// mediaOf reads where the other side wants its audio.
func mediaOf(sdp string) (netip.AddrPort, error) {
	var addr netip.Addr
	port := 0
	for line := range strings.Lines(sdp) {
		line = strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(line, "c=IN IP4 "); ok {
			addr, _ = netip.ParseAddr(v) // an invalid one is found below
		}
		if v, ok := strings.CutPrefix(line, "m=audio "); ok {
			p, _, _ := strings.Cut(v, " ")
			port, _ = strconv.Atoi(p)
		}
	}
	if !addr.IsValid() || port <= 0 || port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("load: no audio in the answer: %q", sdp)
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}
