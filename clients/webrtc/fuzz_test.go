package webrtc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
)

func FuzzOffer(f *testing.F) {
	f.Add(goldenOffer)
	f.Add("v=0\r\n")
	s := newTestServer(f)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseOffer(text, 8)
		if err != nil {
			return
		}
		x, err := s.newSession(o, newWatcher())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.answer(x); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDatagram throws anything at the socket's entry, from an address that has a session with keys.
func FuzzDatagram(f *testing.F) {
	s := newTestServer(f)
	o, err := parseOffer(goldenOffer, 8)
	if err != nil {
		f.Fatal(err)
	}
	x, err := s.newSession(o, newWatcher())
	if err != nil {
		f.Fatal(err)
	}
	if err := s.admit(x); err != nil {
		f.Fatal(err)
	}
	x.events.(*watcher).connected = make(chan struct{}, 1)
	if x.inCtx, err = srtp.CreateContext(make([]byte, 16), make([]byte, 12), srtp.ProtectionProfileAeadAes128Gcm, srtp.SRTPReplayProtection(64), srtp.SRTCPReplayProtection(64)); err != nil {
		f.Fatal(err)
	}
	from := origin{remote: netip.MustParseAddrPort("127.0.0.1:9")}
	x.dtls.stage = stageRetired // no handshake goroutines here: pion fuzzes its own machine
	s.mu.Lock()
	x.addPath(from.remote)
	s.mu.Unlock()
	m := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(x.ufrag+":abcd"), x.pwd, stun.Fingerprint)
	f.Add(m.Raw)
	f.Add([]byte{0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Add([]byte{0x90, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xBE, 0xDE, 0xFF, 0xFF})
	f.Add([]byte{0x80, 201, 0, 1, 0, 0, 0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1})
	r := new(reader)
	f.Fuzz(func(_ *testing.T, data []byte) {
		if len(data) > datagramMax {
			return
		}
		s.handle(r, append([]byte(nil), data...), from)
		_, _ = speech(data)
	})
}

func FuzzRTCP(f *testing.F) {
	u := &uplinkState{ssrc: 7, first: 1, highest: 9, count: 9}
	f.Add(append([]byte{0x81, typeRR, 0, 7, 0, 0, 0, 1}, u.appendBlock(nil, time.Unix(1e9, 0))...))
	f.Add(appendName(nil, 1))
	f.Fuzz(func(_ *testing.T, data []byte) {
		walkRTCP(data, func(senderInfo) {}, func(block) {})
	})
}

func FuzzControlMessage(f *testing.F) {
	d := newDestination(10, origin{remote: netip.MustParseAddrPort("[::1]:1"), local: netip.MustParseAddr("::1")})
	f.Add(d.control[:])
	f.Fuzz(func(_ *testing.T, data []byte) { packetInfo(data) })
}
