package webrtc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"github.com/guantong-net/guantong/fusion/voice"
)

// silentEvents is an owner that does nothing.
type silentEvents struct{}

func (silentEvents) Connected()            {}
func (silentEvents) Packet(*voice.Packet)  {}
func (silentEvents) Slot(int, *voice.Info) {}
func (silentEvents) Closed(string)         {}

// keyedSession is a session with keys as after a handshake, whose client is nobody.
func keyedSession(t testing.TB, s *Server) *Session {
	t.Helper()
	o, err := parseOffer(goldenOffer, 8)
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.newSession(o, silentEvents{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []**srtp.Context{&x.inCtx, &x.outCtx} {
		if *c, err = srtp.CreateContext(make([]byte, 16), make([]byte, 12), srtp.ProtectionProfileAeadAes128Gcm, srtp.SRTPReplayProtection(64)); err != nil {
			t.Fatal(err)
		}
	}
	nobody := origin{remote: netip.AddrPortFrom(s.Addr().Addr(), s.Addr().Port()), local: s.Addr().Addr()}
	x.addr, x.remote, x.ready = nobody.remote, newDestination(s.sock.family, nobody), true
	x.connected.Store(true)
	return x
}

func TestThePathOfAPacketAllocatesNothing(t *testing.T) {
	s := newTestServer(t)
	var to []voice.Target
	for range 100 {
		k := keyedSession(t, s).Sink("test")
		handle, _ := k.Begin(burst(1, 4))
		to = append(to, voice.Target{Sink: k, Handle: handle})
	}
	p := speechPacket(0, "eighty bytes would be as good as eight")
	if n := testing.AllocsPerRun(50, func() {
		p.Seq++
		p.Time += opusFrame
		p.Arrived = p.Arrived.Add(20 * time.Millisecond)
		s.Deliver(p, to)
	}); n > 0 {
		t.Errorf("Deliver to %d allocates %v times", len(to), n)
	}
	if st := s.Stats(); st.Sent != 51*100 || st.SendErrors != 0 {
		t.Errorf("%+v", st)
	}
	talker, r := keyedSession(t, s), new(reader)
	out, err := srtp.CreateContext(make([]byte, 16), make([]byte, 12), srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		t.Fatal(err)
	}
	var packets [][]byte
	for i := range 60 {
		b := make([]byte, rtpHeader+80)
		putHeader(b, 111, false, uint16(i), uint32(960*i), 7)
		data, err := out.EncryptRTP(nil, b, nil)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, data)
	}
	talker.handleSRTP(r, packets[0])
	next := 1
	if n := testing.AllocsPerRun(50, func() {
		talker.handleSRTP(r, packets[next])
		next++
	}); n > 0 {
		t.Errorf("an uplink packet allocates %v times", n)
	}
	if got := talker.Stats().Received; got != uint64(next) {
		t.Errorf("%d packets heard of %d", got, next)
	}
}
