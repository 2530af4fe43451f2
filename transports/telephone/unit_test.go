package telephone

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// The examples of RFC 7616 §3.9.1.
func TestDigestExamplesOfTheStandard(t *testing.T) {
	m, h := HA1("Mufasa", "http-auth@example.org", "Circle of Life")
	for alg, response := range map[string]string{
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		c, ok := parseCredentials(`Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=` + alg +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="` +
			response + `", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
		if !ok {
			t.Fatal("not parsed")
		}
		if !c.proves(Account{HA1MD5: m, HA1SHA256: h}, "GET") {
			t.Errorf("%s: the right response is refused", alg)
		}
		if c.proves(Account{HA1MD5: m, HA1SHA256: h}, "PUT") {
			t.Errorf("%s: a response for another method is taken", alg)
		}
		if c.proves(Account{}, "GET") {
			t.Errorf("%s: an account without a secret is open", alg)
		}
	}
}

func TestNonceIsForOneAddressOneTimeAndOneUse(t *testing.T) {
	n := newNonces([32]byte{1}, time.Minute, 2)
	now, here, there := time.Unix(1000, 0), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	x := n.make(now, here)
	if st, _ := n.check(now, x, there); st != nonceForged {
		t.Error("another address may use it")
	}
	if st, _ := n.check(now.Add(2*time.Minute), x, here); st != nonceStale {
		t.Error("it does not age")
	}
	st, made := n.check(now, x, here)
	if st != nonceGood {
		t.Fatal("not taken")
	}
	for i, want := range []struct {
		nc uint32
		st nonceState
	}{{1, nonceGood}, {1, nonceStale}, {3, nonceGood}, {2, nonceGood}, {2, nonceStale}, {100, nonceGood}, {3, nonceStale}} {
		if got := n.use(x, made, want.nc); got != want.st {
			t.Errorf("use %d, count %d: %v, want %v", i, want.nc, got, want.st)
		}
	}
	// The table holds two; forgetting the first must not make it fresh again.
	for range 2 {
		y := n.make(now.Add(time.Second), here)
		n.use(y, now.Add(time.Second), 1)
	}
	if n.use(x, made, 1) != nonceStale {
		t.Error("a forgotten nonce can be replayed")
	}
	if len(n.used) > 2 {
		t.Errorf("%d nonces kept", len(n.used))
	}
}

func TestStrangersDoNotSpendATelephonesPurse(t *testing.T) {
	now := time.Unix(1000, 0)
	l := Limits{}
	l.defaults()
	g := newGuard(l, nil, func() time.Time { return now })
	phone := netip.MustParseAddrPort("198.51.100.1:5060")
	g.hold(phone)
	for i := range 100000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		g.admit(netip.AddrPortFrom(a, 5060))
		g.admit(netip.AddrPortFrom(phone.Addr(), 9)) // and from its own address
	}
	if g.admit(phone) != known {
		t.Fatal("the telephone is shut out")
	}
	if len(g.sources) > l.Sources {
		t.Fatalf("%d sources remembered", len(g.sources))
	}
	g.release(phone)
	if g.admit(phone) == known {
		t.Fatal("it is still known when it has gone")
	}
}

func TestWrongPasswordsSlowDownTheirSourceOnly(t *testing.T) {
	f, now := newFailures(5, 100), time.Unix(1000, 0)
	bad := failKey{netip.MustParseAddr("203.0.113.9"), "1001"}
	for range 6 {
		f.failed(bad, now)
	}
	if !f.blocked(bad, now) || f.blocked(bad, now.Add(10*time.Minute)) {
		t.Error("not blocked, or for ever")
	}
	if f.blocked(failKey{netip.MustParseAddr("198.51.100.1"), "1001"}, now) {
		t.Error("the telephone itself is locked out")
	}
}

func TestOnePressHeardTwoWaysIsOne(t *testing.T) {
	var k keys
	now := time.Unix(1000, 0)
	for i, c := range []struct {
		key  byte
		by   way
		at   time.Duration
		want bool
	}{
		{'*', byEvent, 0, true}, {'*', byInfo, 100 * time.Millisecond, false}, {'*', byTone, 300 * time.Millisecond, false},
		{'#', byTone, 350 * time.Millisecond, true}, {'#', byTone, 600 * time.Millisecond, true}, {'#', byEvent, 2 * time.Second, true},
	} {
		if got := k.fresh(c.key, c.by, now.Add(c.at)); got != c.want {
			t.Errorf("press %d: %v", i, got)
		}
	}
}

const linphoneOffer = "v=0\r\no=1001 2890 1 IN IP4 192.0.2.10\r\ns=Talk\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n" +
	"m=video 9078 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n" +
	"m=audio 7078 RTP/AVP 96 8 0 101 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/48000\r\na=rtpmap:97 telephone-event/8000\r\na=rtcp:7090\r\n"

func TestAnswerKeepsTheOffersOrderAndLines(t *testing.T) {
	d, err := parseSDP([]byte(linphoneOffer))
	if err != nil {
		t.Fatal(err)
	}
	s, err := agree(d, []codec.ID{codec.PCMA, codec.Opus}, false)
	if err != nil {
		t.Fatal(err)
	}
	if s.codec != codec.Opus || s.event != 101 || s.rtcp.Port() != 7090 || s.addr.String() != "192.0.2.10:7078" {
		t.Fatalf("%+v", s)
	}
	l := local{addr: netip.MustParseAddrPort("192.0.2.1:30000"), id: 1, vers: 1}
	a := string(l.answer(d, s))
	video, audio := strings.Index(a, "m=video 0 "), strings.Index(a, "m=audio 30000 RTP/AVP 96 101")
	if video < 0 || audio < video {
		t.Fatalf("answer:\n%s", a)
	}
	if _, err := parseSDP([]byte(a)); err != nil {
		t.Fatalf("our answer does not parse: %v", err)
	}
	if s, err = agree(d, []codec.ID{codec.PCMA}, false); err != nil || s.codec != codec.PCMA || s.event != 97 {
		t.Fatalf("PCMA: %+v %v", s, err)
	}
	if _, err = agree(d, []codec.ID{codec.G722}, false); err == nil {
		t.Fatal("agreed on nothing")
	}
}

func TestHoldIsSeenInBothForms(t *testing.T) {
	for _, form := range []string{"a=sendonly\r\n", "a=inactive\r\n"} {
		if d, err := parseSDP([]byte(linphoneOffer + form)); err != nil || d.recv {
			t.Errorf("%q: recv %v, %v", form, d.recv, err)
		}
	}
	old := strings.ReplaceAll(linphoneOffer, "IN IP4 192.0.2.10\r\nt", "IN IP4 0.0.0.0\r\nt")
	if d, err := parseSDP([]byte(old)); err != nil || d.recv {
		t.Errorf("c=0.0.0.0: recv %v, %v", d.recv, err)
	}
}

func TestSessionTimer(t *testing.T) {
	now := time.Unix(1000, 0)
	st := sessionTimer{interval: 90 * time.Second}
	st.refreshed(now)
	if _, expired := st.due(now.Add(59 * time.Second)); expired {
		t.Error("expired too early")
	}
	if _, expired := st.due(now.Add(60 * time.Second)); !expired {
		t.Error("a peer that does not refresh stays")
	}
	st.ours = true
	if refresh, expired := st.due(now.Add(46 * time.Second)); !refresh || expired {
		t.Error("our refresh is not due at half")
	}
}

func TestEveryCauseHasItsCode(t *testing.T) {
	for _, c := range []desk.Cause{desk.BusyHere, desk.NoAnswer, desk.NotAllowed, desk.NotFound, desk.Refused, desk.Overloaded, desk.Failed} {
		if code, _ := codeOf(c); causeOf(code) != c {
			t.Errorf("%s → %d → %s", c, code, causeOf(code))
		}
	}
}

func TestEveryPromptCanBePlayed(t *testing.T) {
	l := newLibrary()
	for _, p := range []codec.Params{{ID: codec.PCMA}, {ID: codec.G722}, {ID: codec.Opus, Bitrate: 24000}} {
		for _, tone := range []desk.Tone{desk.RingBack, desk.Waiting, desk.OnHold, desk.NotInGroup, desk.GroupJoined} {
			c, _, ok := program(tone)
			f, err := l.frames(c, true, p)
			if !ok || err != nil || len(f) < 40 || len(f) > 500 {
				t.Errorf("%s by %v: %d frames, %v", tone, p, len(f), err)
			}
		}
		for _, name := range []string{"granted", "granted_alone", "denied", "queued", "revoked"} {
			short, err := l.frames(signal(name), false, p)
			if err != nil || len(short) == 0 || len(short) > 30 {
				t.Errorf("%s by %v: %d frames, %v", name, p, len(short), err)
			}
			if _, err := l.frames(signal(name), true, p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestInfoBodies(t *testing.T) {
	for _, c := range []struct {
		typ, body string
		key       byte
	}{
		{"application/dtmf-relay", "Signal=*\r\nDuration=160\r\n", '*'}, {"application/dtmf-relay", "Signal= 11\r\nDuration=160", '#'},
		{"application/dtmf", "5", '5'}, {"Application/DTMF; charset=utf-8", "*\r\n", '*'}, {"text/plain", "5", 0},
		{"application/dtmf-relay", "Duration=160", 0}, {"application/dtmf", "55", 0},
	} {
		if key, ok := parseInfo(c.typ, []byte(c.body)); key != c.key || ok != (c.key != 0) {
			t.Errorf("%s %q: %q %v", c.typ, c.body, key, ok)
		}
	}
}

func TestRegistrarKeepsTheNewestContacts(t *testing.T) {
	l := Limits{}
	l.defaults()
	now := time.Unix(1000, 0)
	r := newRegistrar(newGuard(l, nil, func() time.Time { return now }), nil)
	for i := range 7 {
		b := &binding{unit: 1, key: string(rune('a' + i)), flow: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i+1)),
			callID: "x", cseq: uint32(i), expires: now.Add(time.Minute), contact: sip.Uri{}, transport: "TCP"}
		if err := r.add(b, 5, 10); err != nil {
			t.Fatal(err)
		}
	}
	got := r.contacts(1, now)
	if len(got) != 5 || got[0].key != "g" || len(r.guard.flows) != 5 {
		t.Fatalf("%d contacts, %d flows", len(got), len(r.guard.flows))
	}
	if err := r.add(&binding{unit: 1, key: "g", callID: "x", cseq: 1}, 5, 10); err == nil {
		t.Error("an old CSeq is taken")
	}
	r.flowClosed(got[0].flow)
	r.sweep(now.Add(2 * time.Minute))
	if r.count() != 0 || len(r.guard.flows) != 0 {
		t.Errorf("%d units, %d flows left", r.count(), len(r.guard.flows))
	}
}
