package telephone

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// maxSDP bounds a description, in bytes, and maxMedia its media lines.
const (
	maxSDP   = 8192
	maxMedia = 16
)

// Errors of descriptions. A malformed one is answered 400, an unacceptable one 488.
var (
	errBadSDP     = errors.New("telephone: malformed session description")
	errNoAudio    = errors.New("telephone: no audio that both sides take")
	errPlainAudio = errors.New("telephone: SRTP over TLS only")
)

// format is one payload type of a description.
type format struct {
	pt    uint8
	id    codec.ID // None for a telephone-event
	event bool
	clock int
}

// description is what of a peer's SDP matters here: its audio.
type description struct {
	index   int      // of the audio among the media lines
	media   []string // "audio 0 RTP/AVP 0" of the lines that are refused, for the answer
	formats []format
	addr    netip.AddrPort
	rtcp    netip.AddrPort
	mux     bool
	secure  bool // RTP/SAVP
	cryptos []crypto
	send    bool // the peer sends
	recv    bool // the peer wants to hear
}

// parseSDP reads an offer or an answer (RFC 4566, RFC 3264).
func parseSDP(b []byte) (d description, err error) {
	if len(b) > maxSDP {
		return d, fmt.Errorf("%w: %d bytes", errBadSDP, len(b))
	}
	var s sdp.SessionDescription
	if err := s.Unmarshal(b); err != nil {
		return d, fmt.Errorf("%w: %w", errBadSDP, err)
	}
	if len(s.MediaDescriptions) == 0 || len(s.MediaDescriptions) > maxMedia {
		return d, fmt.Errorf("%w: %d media lines", errBadSDP, len(s.MediaDescriptions))
	}
	d.index = -1
	for i, m := range s.MediaDescriptions {
		d.media = append(d.media, fmt.Sprintf("%s 0 %s %s", m.MediaName.Media, strings.Join(m.MediaName.Protos, "/"), strings.Join(m.MediaName.Formats, " ")))
		if d.index < 0 && m.MediaName.Media == "audio" && m.MediaName.Port.Value != 0 && rtpProto(m.MediaName.Protos) {
			d.index = i
		}
	}
	if d.index < 0 {
		return d, errNoAudio
	}
	return d, d.readAudio(&s, s.MediaDescriptions[d.index])
}

func rtpProto(p []string) bool {
	s := strings.Join(p, "/")
	return s == "RTP/AVP" || s == "RTP/SAVP" || s == "RTP/AVPF" || s == "RTP/SAVPF"
}

func (d *description) readAudio(s *sdp.SessionDescription, m *sdp.MediaDescription) error {
	c := m.ConnectionInformation
	if c == nil {
		c = s.ConnectionInformation
	}
	if c == nil || c.Address == nil {
		return fmt.Errorf("%w: no connection line", errBadSDP)
	}
	addr, err := netip.ParseAddr(c.Address.Address)
	if err != nil {
		return fmt.Errorf("%w: connection address is no IP address", errBadSDP)
	}
	port := m.MediaName.Port.Value
	if port < 0 || port > 65535 {
		return fmt.Errorf("%w: port %d", errBadSDP, port)
	}
	d.addr = netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port))
	d.rtcp = netip.AddrPortFrom(d.addr.Addr(), uint16(port+1))
	d.secure = slices.Contains(m.MediaName.Protos, "SAVP") || slices.Contains(m.MediaName.Protos, "SAVPF")
	d.readDirection(s, m)
	if addr.IsUnspecified() {
		d.recv = false // RFC 3264 §8.4: the old way to hold
	}
	d.readAttributes(m)
	return d.readFormats(m)
}

func (d *description) readDirection(s *sdp.SessionDescription, m *sdp.MediaDescription) {
	d.send, d.recv = true, true
	for _, attrs := range [][]sdp.Attribute{s.Attributes, m.Attributes} {
		for _, a := range attrs {
			switch a.Key {
			case "sendrecv":
				d.send, d.recv = true, true
			case "sendonly":
				d.send, d.recv = true, false
			case "recvonly":
				d.send, d.recv = false, true
			case "inactive":
				d.send, d.recv = false, false
			}
		}
	}
}

func (d *description) readAttributes(m *sdp.MediaDescription) {
	for _, a := range m.Attributes {
		switch a.Key {
		case "rtcp-mux":
			d.mux = true
		case "rtcp":
			port, _, _ := strings.Cut(a.Value, " ")
			if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
				d.rtcp = netip.AddrPortFrom(d.addr.Addr(), uint16(n))
			}
		case "crypto":
			if c, ok := parseCrypto(a.Value); ok && len(d.cryptos) < 8 {
				d.cryptos = append(d.cryptos, c)
			}
		}
	}
}

// readFormats names the payload types: those of RFC 3551 by number, the others by rtpmap.
func (d *description) readFormats(m *sdp.MediaDescription) error {
	if len(m.MediaName.Formats) > 64 {
		return fmt.Errorf("%w: %d formats", errBadSDP, len(m.MediaName.Formats))
	}
	maps := make(map[string]string)
	for _, a := range m.Attributes {
		if a.Key == "rtpmap" {
			if pt, enc, ok := strings.Cut(a.Value, " "); ok {
				maps[pt] = strings.ToLower(strings.TrimSpace(enc))
			}
		}
	}
	for _, f := range m.MediaName.Formats {
		pt, err := strconv.ParseUint(f, 10, 8)
		if err != nil || pt > 127 {
			return fmt.Errorf("%w: format %q", errBadSDP, f)
		}
		if known, ok := formatOf(uint8(pt), maps[f]); ok {
			d.formats = append(d.formats, known)
		}
	}
	return nil
}

func formatOf(pt uint8, enc string) (format, bool) {
	if enc == "" {
		enc = map[uint8]string{0: "pcmu/8000", 8: "pcma/8000", 9: "g722/8000"}[pt]
	}
	name, rest, _ := strings.Cut(enc, "/")
	rate, _, _ := strings.Cut(rest, "/")
	f := format{pt: pt}
	f.clock, _ = strconv.Atoi(rate)
	switch {
	case name == "opus" && f.clock == 48000:
		f.id = codec.Opus
	case name == "pcma" && f.clock == 8000:
		f.id = codec.PCMA
	case name == "pcmu" && f.clock == 8000:
		f.id = codec.PCMU
	case name == "g722" && f.clock == 8000:
		f.id = codec.G722
	case name == "telephone-event":
		f.event = true
	default:
		return f, false
	}
	return f, true
}

// session is what both sides agreed on.
type session struct {
	codec    codec.ID
	pt       uint8
	event    uint8 // payload type of telephone-events
	hasEvent bool
	addr     netip.AddrPort
	rtcp     netip.AddrPort
	mux      bool
	send     bool // we send
	recv     bool // the peer sends
	in, out  *crypto
}

// agree picks the first format of the peer's that we take, its events on the same clock, and its keys (RFC 3264 §6.1).
func agree(d description, take []codec.ID, tls bool) (session, error) {
	s := session{addr: d.addr, rtcp: d.rtcp, mux: d.mux, send: d.recv, recv: d.send}
	i := slices.IndexFunc(d.formats, func(f format) bool { return !f.event && slices.Contains(take, f.id) })
	if i < 0 {
		return s, errNoAudio
	}
	s.codec, s.pt = d.formats[i].id, d.formats[i].pt
	for _, f := range d.formats {
		if f.event && (!s.hasEvent || f.clock == s.codec.Clock()) {
			s.event, s.hasEvent = f.pt, true
		}
	}
	if d.secure && !tls {
		return s, errPlainAudio
	}
	if d.secure {
		j := slices.IndexFunc(d.cryptos, func(c crypto) bool { return c.suite.known() })
		if j < 0 {
			return s, fmt.Errorf("%w: no SRTP suite", errNoAudio)
		}
		s.in = &d.cryptos[j]
	}
	return s, nil
}

// our payload types in offers.
var offerPT = [...]struct {
	id codec.ID
	pt uint8
}{{codec.Opus, 96}, {codec.G722, 9}, {codec.PCMA, 8}, {codec.PCMU, 0}}

const (
	eventPT   = 101
	eventPT48 = 102
)

// local is our side of a description.
type local struct {
	addr     netip.AddrPort
	id, vers uint64
	keys     []crypto
	send     bool // false: we hold the peer
}

func (l local) head(b *strings.Builder) {
	fam := "IP4"
	if l.addr.Addr().Is6() {
		fam = "IP6"
	}
	fmt.Fprintf(b, "v=0\r\no=- %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", l.id, l.vers, fam, l.addr.Addr(), fam, l.addr.Addr())
}

// offer writes our offer of these codecs.
func (l local) offer(take []codec.ID) []byte {
	var b, f strings.Builder
	var pts []string
	opus, narrow := false, false
	for _, id := range take {
		for _, o := range offerPT {
			if o.id != id {
				continue
			}
			pts = append(pts, strconv.Itoa(int(o.pt)))
			writeFormat(&f, o.id, o.pt)
			opus, narrow = opus || id == codec.Opus, narrow || id != codec.Opus
		}
	}
	if narrow {
		pts = append(pts, strconv.Itoa(eventPT))
		writeEvent(&f, eventPT, 8000)
	}
	if opus {
		pts = append(pts, strconv.Itoa(eventPT48))
		writeEvent(&f, eventPT48, 48000)
	}
	l.head(&b)
	l.line(&b, len(l.keys) > 0, strings.Join(pts, " "), f.String(), l.keys, "sendrecv", true)
	return []byte(b.String())
}

func writeFormat(b *strings.Builder, id codec.ID, pt uint8) {
	if id == codec.Opus {
		fmt.Fprintf(b, "a=rtpmap:%d opus/48000/2\r\na=fmtp:%d useinbandfec=1;maxplaybackrate=16000;stereo=0\r\n", pt, pt)
		return
	}
	fmt.Fprintf(b, "a=rtpmap:%d %s/8000\r\n", pt, id)
}

func writeEvent(b *strings.Builder, pt uint8, clock int) {
	fmt.Fprintf(b, "a=rtpmap:%d telephone-event/%d\r\na=fmtp:%d 0-15\r\n", pt, clock, pt)
}

func (l local) line(b *strings.Builder, secure bool, pts, formats string, keys []crypto, dir string, mux bool) {
	proto := "RTP/AVP"
	if secure {
		proto = "RTP/SAVP"
	}
	fmt.Fprintf(b, "m=audio %d %s %s\r\n%s", l.addr.Port(), proto, pts, formats)
	for _, k := range keys {
		fmt.Fprintf(b, "a=crypto:%s\r\n", k)
	}
	fmt.Fprintf(b, "a=ptime:20\r\na=%s\r\n", dir)
	if mux {
		b.WriteString("a=rtcp-mux\r\n")
	}
}

// answer writes our answer to a description that agree took; media lines that are not the audio are refused.
func (l local) answer(d description, s session) []byte {
	var b, f strings.Builder
	pts := strconv.Itoa(int(s.pt))
	writeFormat(&f, s.codec, s.pt)
	if s.hasEvent {
		pts += " " + strconv.Itoa(int(s.event))
		for _, e := range d.formats {
			if e.event && e.pt == s.event {
				writeEvent(&f, e.pt, e.clock)
			}
		}
	}
	var keys []crypto
	if s.out != nil {
		keys = []crypto{*s.out}
	}
	l.head(&b)
	for i, m := range d.media {
		if i != d.index {
			fmt.Fprintf(&b, "m=%s\r\n", m)
			continue
		}
		l.line(&b, d.secure, pts, f.String(), keys, direction(s.send, s.recv), d.mux)
	}
	return []byte(b.String())
}

func direction(send, recv bool) string {
	switch {
	case send && recv:
		return "sendrecv"
	case send:
		return "sendonly"
	case recv:
		return "recvonly"
	}
	return "inactive"
}

// suite is an SRTP crypto suite.
type suite string

const (
	suiteGCM  suite = "AEAD_AES_128_GCM"        // RFC 7714
	suiteSHA1 suite = "AES_CM_128_HMAC_SHA1_80" // RFC 4568
)

func (s suite) known() bool { return s == suiteGCM || s == suiteSHA1 }

// keyBytes is the length of key and salt.
func (s suite) keyBytes() (key, salt int) {
	if s == suiteGCM {
		return 16, 12
	}
	return 16, 14
}

// crypto is one a=crypto line (RFC 4568 §4). Its key is secret: String is for SDP only.
type crypto struct {
	tag   string
	suite suite
	key   []byte // key and salt
}

func (c crypto) String() string {
	return fmt.Sprintf("%s %s inline:%s", c.tag, c.suite, base64.StdEncoding.EncodeToString(c.key))
}

// parseCrypto reads a line. Lines with session parameters that change the format, or with an MKI, are not taken.
func parseCrypto(v string) (crypto, bool) {
	f := strings.Fields(v)
	if len(f) != 3 || len(f[0]) > 9 {
		return crypto{}, false
	}
	c := crypto{tag: f[0], suite: suite(f[1])}
	inline, ok := strings.CutPrefix(f[2], "inline:")
	if !ok || !c.suite.known() {
		return crypto{}, false
	}
	parts := strings.Split(inline, "|")
	if len(parts) > 2 || (len(parts) == 2 && strings.Contains(parts[1], ":")) {
		return crypto{}, false
	}
	key, err := base64.StdEncoding.DecodeString(parts[0])
	if err != nil {
		key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "="))
	}
	k, s := c.suite.keyBytes()
	if err != nil || len(key) != k+s {
		return crypto{}, false
	}
	c.key = key
	return c, true
}
