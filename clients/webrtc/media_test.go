package webrtc

import (
	"fmt"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/fusion/voice"
)

func TestSpeechGoesUpAndComesDownOnASlot(t *testing.T) {
	s := start(t, Config{})
	got := make(chan media.Packet, 100)
	listener := dial(t, s, media.Config{Receive: func(p media.Packet) {
		p.Payload = append([]byte(nil), p.Payload...)
		got <- p
	}})
	talker := dial(t, s, media.Config{})
	handle, ok := listener.sink.Begin(burst(1, 4))
	if !ok {
		t.Fatal("Begin refused")
	}
	forward := func(p *voice.Packet) { s.Deliver(p, []voice.Target{{Sink: listener.sink, Handle: handle}}) }
	talker.onPacket.Store(&forward)
	for i := range 50 {
		if err := talker.conn.Send(fmt.Appendf(nil, "frame %d", i), 960, i == 0); err != nil {
			t.Fatal(err)
		}
		p := await(t, "packet", got)
		if want := fmt.Sprintf("frame %d", i); string(p.Payload) != want || p.Slot != slotOf(handle) || p.Marker != (i == 0) {
			t.Fatalf("heard %q on slot %d, marker %v; want %q on %d", p.Payload, p.Slot, p.Marker, want, slotOf(handle))
		}
	}
	listener.sink.End(burst(1, 4), handle)
	if info, told := listener.slots[slotOf(handle)]; !told || info != nil {
		t.Error("the end of the burst did not free the slot")
	}
	if st := listener.session.Stats(); st.Sent != 50 || st.Profile != "SRTP_AEAD_AES_128_GCM" {
		t.Errorf("stats: %+v", st)
	}
}

func TestTheClientSaysGoodbye(t *testing.T) {
	s := start(t, Config{})
	p := dial(t, s, media.Config{})
	if err := p.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if reason := await(t, "Closed", p.closed); reason != "peer_closed" {
		t.Errorf("closed: %s", reason)
	}
	if st := s.Stats(); st.Sessions != 0 || len(s.byAddr) != 0 {
		t.Errorf("left behind: %+v", st)
	}
}

func TestAGoodbyeIsReadAfterTheDTLSMachineHasGone(t *testing.T) {
	s := start(t, Config{})
	p := dial(t, s, media.Config{})
	if err := p.conn.Send([]byte("x"), 960, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the DTLS machine retires", func() bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return p.session.dtls.stage == stageRetired
	})
	if err := p.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if reason := await(t, "Closed", p.closed); reason != "peer_closed" {
		t.Errorf("closed: %s", reason)
	}
}

func TestTheServerSaysGoodbye(t *testing.T) {
	s := start(t, Config{})
	p := dial(t, s, media.Config{})
	p.session.Close()
	if reason := await(t, "Closed", p.closed); reason != "closed" {
		t.Errorf("closed: %s", reason)
	}
	await(t, "goodbye", p.conn.Done())
}

func TestAHandshakeSurvivesLostFlights(t *testing.T) {
	for nth := 2; nth <= 4; nth++ {
		t.Run(fmt.Sprintf("every %d", nth), func(t *testing.T) {
			s := start(t, Config{})
			n := 0
			began := time.Now()
			p := dial(t, s, media.Config{Drop: func(b []byte) bool {
				if b[0] > 63 {
					return false // media
				}
				n++
				return n%nth == 0
			}})
			t.Logf("up after %v, %d records", time.Since(began), n)
			if err := p.conn.Send([]byte("x"), 960, true); err != nil {
				t.Fatal(err)
			}
			eventually(t, "uplink", func() bool { return p.session.Stats().Received == 1 })
		})
	}
}
