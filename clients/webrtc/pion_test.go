package webrtc

import (
	"context"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/guantong-net/guantong/fusion/voice"
)

// pionPeer is a full PeerConnection of pion/webrtc as a console's page would make it.
type pionPeer struct {
	*watcher
	session *Session
	pc      *pion.PeerConnection
	mic     *pion.TrackLocalStaticRTP
	heard   chan *rtp.Packet
}

func dialPion(t *testing.T, s *Server) *pionPeer {
	t.Helper()
	var settings pion.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	media := &pion.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	api := pion.NewAPI(pion.WithMediaEngine(media), pion.WithSettingEngine(settings), pion.WithInterceptorRegistry(&interceptor.Registry{}))
	pc, err := api.NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	p := &pionPeer{watcher: newWatcher(), pc: pc, heard: make(chan *rtp.Packet, 1000)}
	t.Cleanup(func() { _ = pc.Close() })
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			p.heard <- packet
		}
	})
	p.negotiate(t, s)
	return p
}

func (p *pionPeer) negotiate(t *testing.T, s *Server) {
	t.Helper()
	var err error
	p.mic, err = pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "mic", "mic")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = p.pc.AddTransceiverFromTrack(p.mic, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendrecv}); err != nil {
		t.Fatal(err)
	}
	for range 7 {
		if _, err = p.pc.AddTransceiverFromKind(pion.RTPCodecTypeAudio, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err = p.pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	x, answer, err := s.Open(context.Background(), p.pc.LocalDescription().SDP, p.watcher)
	if err != nil {
		t.Fatalf("Open: %v\n%s", err, offer.SDP)
	}
	p.session = x
	if err = p.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatalf("SetRemoteDescription: %v\n%s", err, answer)
	}
	await(t, "Connected", p.connected)
}

func TestAPionPeerConnectionTalksAndListensAndComesBack(t *testing.T) {
	s := start(t, Config{Listen: "127.0.0.1:0"})
	for round := range 2 { // the second is a reconnect
		p := dialPion(t, s)
		sink := p.session.Sink("test")
		handle, ok := sink.Begin(burst(1, 4))
		if !ok {
			t.Fatal("Begin refused")
		}
		echo := func(v *voice.Packet) { s.Deliver(v, []voice.Target{{Sink: sink, Handle: handle}}) }
		p.onPacket.Store(&echo)
		tick := time.NewTicker(5 * time.Millisecond)
		for i := range 40 {
			<-tick.C
			if err := p.mic.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(960 * i)}, Payload: []byte{0xF8, byte(i)}}); err != nil {
				t.Fatal(err)
			}
		}
		tick.Stop()
		last := await(t, "echo", p.heard)
		for i := 1; i < 30; i++ {
			next := await(t, "echo", p.heard)
			if next.SequenceNumber != last.SequenceNumber+1 || next.Timestamp != last.Timestamp+960 {
				t.Fatalf("round %d: %d/%d after %d/%d", round, next.SequenceNumber, next.Timestamp, last.SequenceNumber, last.Timestamp)
			}
			last = next
		}
		if err := p.pc.Close(); err != nil {
			t.Fatal(err)
		}
		if reason := await(t, "Closed", p.closed); reason != "peer_closed" {
			t.Errorf("closed: %s", reason)
		}
	}
}
