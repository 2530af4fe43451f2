package webrtc

import (
	"context"
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/fusion"
)

func TestWithoutConsentTheSessionEnds(t *testing.T) {
	s := start(t, Config{Consent: 2 * time.Second})
	p := dial(t, s, media.Config{Consent: time.Hour})
	if reason := await(t, "Closed", p.closed); reason != "consent_lost" {
		t.Errorf("closed: %s", reason)
	}
}

func TestASessionThatNobodyComesForEnds(t *testing.T) {
	s := start(t, Config{Setup: 200 * time.Millisecond})
	w := newWatcher()
	if _, _, err := s.Open(context.Background(), goldenOffer, w); err != nil {
		t.Fatal(err)
	}
	if reason := await(t, "Closed", w.closed); reason != "setup_timeout" {
		t.Errorf("closed: %s", reason)
	}
}

func TestTooManySessionsAreRefused(t *testing.T) {
	s := start(t, Config{MaxSessions: 1})
	if _, _, err := s.Open(context.Background(), goldenOffer, newWatcher()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(context.Background(), goldenOffer, newWatcher()); fusion.FaultOf(err) != fusion.Busy {
		t.Errorf("the second: %v", err)
	}
}

func TestAnotherCertificateThanTheOffersIsRefused(t *testing.T) {
	s := start(t, Config{})
	cert, err := media.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	w := newWatcher()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = media.Dial(ctx, media.Config{Certificate: &tls.Certificate{Certificate: cert.Certificate, PrivateKey: cert.PrivateKey}},
		func(ctx context.Context, offer string) (string, error) {
			at := strings.Index(offer, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
			forged := offer[:at] + "00:00" + offer[at+5:]
			forged = strings.ReplaceAll(forged, offer[at:at+95], forged[at:at+95])
			_, answer, err := s.Open(ctx, forged, w)
			return answer, err
		})
	if err == nil {
		t.Error("the handshake was completed")
	}
	if reason := await(t, "Closed", w.closed); reason != "handshake_failed" {
		t.Errorf("closed: %s", reason)
	}
}

func TestDTLSIsIgnoredFromAnAddressWithoutACheck(t *testing.T) {
	s := newTestServer(t)
	r := new(reader)
	from := origin{remote: netip.MustParseAddrPort("192.0.2.1:5000")}
	s.handle(r, []byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, from)
	s.handle(r, []byte{0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, from)
	s.handle(r, nil, from)
	s.handle(r, []byte{255}, from)
	if st := s.Stats(); st.BadDTLS != 1 || st.Unknown != 3 || st.Handshakes != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAReplayedPacketIsHeardOnce(t *testing.T) {
	s := start(t, Config{})
	var sent []byte
	p := dial(t, s, media.Config{Drop: func(b []byte) bool { sent = append(sent[:0], b...); return false }})
	if err := p.conn.Send([]byte("once"), 960, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "uplink", func() bool { return p.session.Stats().Received == 1 })
	s.mu.RLock()
	from := origin{remote: p.session.paths[0]}
	s.mu.RUnlock()
	r := new(reader)
	for range 3 {
		s.handle(r, append([]byte(nil), sent...), from)
	}
	sent[len(sent)-1] ^= 1
	sent[3]++
	s.handle(r, sent, from)
	if st := s.Stats(); st.Replayed != 3 || st.BadRTP != 1 || st.Uplink != 1 {
		t.Errorf("%+v", st)
	}
}

func TestANominationFromAnotherAddressMovesTheSession(t *testing.T) {
	s := start(t, Config{})
	p := dial(t, s, media.Config{})
	before := p.session.Stats().Remote
	if err := p.conn.Rebind(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session follows", func() bool { return p.session.Stats().Remote != before })
	if err := p.conn.Send([]byte("from elsewhere"), 960, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "uplink", func() bool { return p.session.Stats().Received == 1 })
	handle, ok := p.sink.Begin(burst(1, 4))
	if !ok {
		t.Fatal("Begin refused")
	}
	s.Deliver(speechPacket(0, "to there"), targets(p, handle))
	eventually(t, "downlink", func() bool { return p.conn.Stats().Received == 1 })
	if n := s.Stats().Rebound; n != 1 {
		t.Errorf("Rebound = %d", n)
	}
}

func TestAWrongPasswordMovesNothing(t *testing.T) {
	s := start(t, Config{})
	p := dial(t, s, media.Config{})
	before := p.session.Stats().Remote
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(p.session.ufrag+":x"), stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.NewShortTermIntegrity("wrong"), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	bad := s.Stats().BadSTUN
	s.handle(new(reader), m.Raw, origin{remote: netip.MustParseAddrPort("[::1]:9")})
	if p.session.Stats().Remote != before || s.Stats().BadSTUN != bad+1 || s.sessionAt(netip.MustParseAddrPort("[::1]:9")) != nil {
		t.Errorf("%+v", s.Stats())
	}
}
