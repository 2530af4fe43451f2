package webrtc

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"
)

const (
	offerMax    = 64 << 10
	mediaMax    = 2 * maxSlots
	mediaTokens = 64 // the longest mid, ufrag or password that is taken
)

// offer is what matters of a page's SDP.
type offer struct {
	ufrag, hash string
	fingerprint []byte
	media       []offeredMedia
	uplink      bool
	uplinkPT    uint8
}

// offeredMedia is one m-line and what becomes of it.
type offeredMedia struct {
	kind     string
	mid      string
	formats  []string
	pt       uint8
	accepted bool
	send     bool // we send on it: it has a slot
	receive  bool // it is the microphone
}

// parseOffer reads a page's offer (RFC 8829) and decides each m-line: the first that sends is the microphone, those
// that receive get a slot each. All else is refused by port 0.
func parseOffer(text string, slots int) (offer, error) {
	var o offer
	if len(text) > offerMax {
		return o, fmt.Errorf("longer than %d bytes", offerMax)
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return o, err
	}
	if len(d.MediaDescriptions) == 0 || len(d.MediaDescriptions) > mediaMax {
		return o, fmt.Errorf("%d m-lines; 1 to %d are taken", len(d.MediaDescriptions), mediaMax)
	}
	if err := o.transport(&d); err != nil {
		return o, err
	}
	mids := make(map[string]bool, len(d.MediaDescriptions))
	for _, m := range d.MediaDescriptions {
		om, err := o.medium(m, &slots)
		if err != nil {
			return o, err
		}
		if mids[om.mid] {
			return o, fmt.Errorf("two m-lines with mid %q", om.mid)
		}
		mids[om.mid] = true
		o.media = append(o.media, om)
	}
	if !o.uplink && o.slots() == 0 {
		return o, errors.New("no Opus audio over UDP/TLS/RTP/SAVPF that could be sent or received")
	}
	return o, nil
}

// transport reads what a bundle has once: ICE, fingerprint, role. It may stand in the session or in the first m-line.
func (o *offer) transport(d *sdp.SessionDescription) error {
	get := func(key string) string {
		if v, ok := d.MediaDescriptions[0].Attribute(key); ok {
			return v
		}
		v, _ := d.Attribute(key)
		return v
	}
	o.ufrag = get("ice-ufrag")
	if n, p := len(o.ufrag), len(get("ice-pwd")); n < 4 || n > 256 || p < 22 || p > 256 {
		return errors.New("no usable a=ice-ufrag and a=ice-pwd")
	}
	if setup := get("setup"); setup != "actpass" && setup != "active" {
		return errors.New("a=setup must be actpass or active: this end is the DTLS server")
	}
	hash, value, ok := strings.Cut(get("fingerprint"), " ")
	sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(value), ":", ""))
	want := map[string]int{"sha-256": 32, "sha-384": 48, "sha-512": 64}[strings.ToLower(hash)]
	if !ok || err != nil || want == 0 || len(sum) != want {
		return errors.New("no usable a=fingerprint (sha-256, sha-384, sha-512)")
	}
	o.hash, o.fingerprint = strings.ToLower(hash), sum
	return nil
}

func (o *offer) medium(m *sdp.MediaDescription, slots *int) (offeredMedia, error) {
	mid, _ := m.Attribute("mid")
	om := offeredMedia{kind: m.MediaName.Media, mid: mid, formats: m.MediaName.Formats}
	if mid == "" || len(mid) > mediaTokens || strings.ContainsAny(mid, " \t") {
		return om, errors.New("an m-line without a usable a=mid")
	}
	if len(om.formats) == 0 {
		return om, errors.New("an m-line without formats")
	}
	pt, ok := opusType(m)
	_, mux := m.Attribute("rtcp-mux")
	if !ok || om.kind != "audio" || !mux || strings.Join(m.MediaName.Protos, "/") != "UDP/TLS/RTP/SAVPF" {
		return om, nil
	}
	om.pt = pt
	theySend, theyReceive := direction(m)
	if theySend && !o.uplink {
		om.receive, o.uplink, o.uplinkPT = true, true, pt
	}
	if theyReceive && *slots > 0 {
		om.send = true
		*slots--
	}
	om.accepted = om.send || om.receive
	return om, nil
}

// direction says what the page would do on an m-line; sendrecv is the default (RFC 8866 §6.7).
func direction(m *sdp.MediaDescription) (send, receive bool) {
	for _, a := range m.Attributes {
		switch a.Key {
		case "sendrecv":
			return true, true
		case "sendonly":
			return true, false
		case "recvonly":
			return false, true
		case "inactive":
			return false, false
		}
	}
	return true, true
}

// opusType finds the payload type of Opus (RFC 7587 §7).
func opusType(m *sdp.MediaDescription) (uint8, bool) {
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		pt, name, ok := strings.Cut(a.Value, " ")
		n, err := strconv.ParseUint(pt, 10, 8)
		if !ok || err != nil || !strings.EqualFold(strings.TrimSpace(name), "opus/48000/2") {
			continue
		}
		// 64 to 95 would be taken for RTCP (RFC 5761 §4).
		if n >= 35 && n <= 63 || n >= 96 && n <= 127 {
			return uint8(n), true
		}
	}
	return 0, false
}

// slots is how many m-lines we send on.
func (o *offer) slots() int {
	n := 0
	for _, m := range o.media {
		if m.send {
			n++
		}
	}
	return n
}

// newSlots makes the slots with random SSRCs, first sequence numbers and timestamps (RFC 3550 §5.1).
func newSlots(random io.Reader, o offer, now time.Time) ([]slot, error) {
	slots := make([]slot, 0, o.slots())
	used := map[uint32]bool{0: true}
	for _, m := range o.media {
		if !m.send {
			continue
		}
		var b [10]byte
		ssrc := uint32(0)
		for used[ssrc] {
			if _, err := io.ReadFull(random, b[:]); err != nil {
				return nil, err
			}
			ssrc = be32(b[:])
		}
		used[ssrc] = true
		ts := be32(b[4:])
		// The first number stays in the lower half, so that a lost first packet cannot hide a rollover (RFC 3711 §3.3.1).
		high := binary.BigEndian.Uint16(b[8:]) & 0x7FFF
		slots = append(slots, slot{ssrc: ssrc, pt: m.pt, mid: m.mid, high: high, last: ts, anchor: now, anchorTS: ts})
	}
	return slots, nil
}
