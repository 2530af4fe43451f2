package media

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

const (
	answerMax     = 64 << 10
	maxCandidates = 32
)

// answer is what matters of the server's SDP.
type answer struct {
	ufrag, pwd, fingerprint string
	candidates              []netip.AddrPort
	slots                   map[uint32]int // by SSRC
}

// offer writes the offer that a console's page makes: the microphone with slot 0, and the other slots.
func (c *Conn) offer() string {
	var b strings.Builder
	mids := make([]string, c.cfg.Slots)
	for i := range mids {
		mids[i] = strconv.Itoa(i)
	}
	fmt.Fprintf(&b, "v=0\r\no=- %d 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE %s\r\n", c.ssrc>>1, strings.Join(mids, " "))
	sum := fmt.Sprintf("% X", sha256.Sum256(c.cert.Certificate[0]))
	for i := range mids {
		fmt.Fprintf(&b, "m=audio 9 UDP/TLS/RTP/SAVPF %d\r\nc=IN IP4 0.0.0.0\r\na=mid:%d\r\na=rtcp-mux\r\na=rtcp-rsize\r\n", opusType, i)
		fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=setup:active\r\na=fingerprint:sha-256 %s\r\n", c.ufrag, "notusedbyanicelitepeer00", strings.ReplaceAll(sum, " ", ":"))
		fmt.Fprintf(&b, "a=rtpmap:%d opus/48000/2\r\na=fmtp:%d minptime=10;useinbandfec=1\r\n", opusType, opusType)
		if i > 0 {
			b.WriteString("a=recvonly\r\n")
			continue
		}
		fmt.Fprintf(&b, "a=sendrecv\r\na=msid:mic mic\r\na=ssrc:%d cname:media\r\n", c.ssrc)
	}
	return b.String()
}

// parseAnswer reads what the server answers.
func parseAnswer(text string) (answer, error) {
	a := answer{slots: make(map[uint32]int)}
	if len(text) > answerMax {
		return a, fmt.Errorf("longer than %d bytes", answerMax)
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return a, err
	}
	slots := 0
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Port.Value == 0 {
			continue
		}
		a.medium(m)
		for _, attr := range m.Attributes {
			ssrc, _, _ := strings.Cut(attr.Value, " ")
			n, err := strconv.ParseUint(ssrc, 10, 32)
			if attr.Key != "ssrc" || err != nil {
				continue
			}
			if _, ok := a.slots[uint32(n)]; !ok {
				a.slots[uint32(n)] = slots
				slots++
			}
		}
	}
	if a.ufrag == "" || a.pwd == "" || a.fingerprint == "" || len(a.candidates) == 0 {
		return a, errors.New("no ICE credentials, fingerprint or candidates")
	}
	return a, nil
}

// medium takes the transport's attributes of one m-line.
func (a *answer) medium(m *sdp.MediaDescription) {
	for _, attr := range m.Attributes {
		switch attr.Key {
		case "ice-ufrag":
			a.ufrag = attr.Value
		case "ice-pwd":
			a.pwd = attr.Value
		case "fingerprint":
			if hash, sum, _ := strings.Cut(attr.Value, " "); hash == "sha-256" {
				a.fingerprint = strings.ReplaceAll(sum, ":", "")
			}
		case "candidate":
			if c, ok := parseCandidate(attr.Value); ok && len(a.candidates) < maxCandidates {
				a.candidates = append(a.candidates, c)
			}
		}
	}
}

// parseCandidate reads a UDP host candidate (RFC 8839 §5.1).
func parseCandidate(s string) (netip.AddrPort, bool) {
	f := strings.Fields(s)
	if len(f) < 8 || f[1] != "1" || !strings.EqualFold(f[2], "udp") {
		return netip.AddrPort{}, false
	}
	ip, err := netip.ParseAddr(f[4])
	port, err2 := strconv.ParseUint(f[5], 10, 16)
	return netip.AddrPortFrom(ip, uint16(port)), err == nil && err2 == nil && port > 0
}
