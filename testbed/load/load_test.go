package load

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/testbed/speech"
)

func TestDigestAnswersAsTheStandardsExample(t *testing.T) {
	// RFC 2617 §3.5, and the same values with SHA-256 (RFC 7616 §3.4) computed with Python's hashlib.
	challenge := `Digest realm="testrealm@host.com", qop="auth,auth-int", algorithm=%s, nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`
	want := map[string]string{"MD5": "6629fae49393a05397450978507c4ef1", "SHA-256": "5abdd07184ba512a22c53f41470e5eea7dcaa3a93a59b630c13dfe0a5dc6e38b"}
	for alg, response := range want {
		got, err := authorize([]string{strings.Replace(challenge, "%s", alg, 1)}, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b", 1)
		if err != nil || !strings.Contains(got, `response="`+response+`"`) {
			t.Errorf("%s: %s, %v", alg, got, err)
		}
	}
}

func TestALawIsWhatFfmpegMakes(t *testing.T) {
	ramp := speech.Sound{Rate: 8000}
	for v := -32768; v < 32768; v += 7 {
		ramp.Samples = append(ramp.Samples, float64(v)/32768)
	}
	var in, out bytes.Buffer
	if err := speech.WriteWAV(&in, ramp); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "alaw", "pipe:1")
	cmd.Stdin, cmd.Stdout = &in, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("needs Debian package ffmpeg: %v", err)
	}
	ours := slices.Concat(Frames(ramp)...)[:len(ramp.Samples)]
	differ := 0
	for i := range ours {
		if ours[i] != out.Bytes()[i] {
			differ++
		}
		if d := int(linear(ours[i])) - int(speech.Int16(ramp.Samples[i])); d > 1100 || d < -1100 {
			t.Fatalf("sample %d decodes to %d", i, linear(ours[i]))
		}
	}
	// ffmpeg rounds the borders between two steps by its own table.
	if differ > len(ours)/50 {
		t.Errorf("%d of %d samples differ", differ, len(ours))
	}
}

func TestACounterFindsLossAndRepeats(t *testing.T) {
	var c counter
	c.reset()
	packet := func(n uint16) []byte { return []byte{0x80, 8, byte(n >> 8), byte(n), 0, 0, 0, 0, 1, 2, 3, 4, 0} }
	for _, n := range []uint16{65533, 65534, 65535, 0, 2, 3, 3, 1, 7} {
		c.add(packet(n), time.Unix(1, 0))
	}
	if c.c.Packets != 8 || c.c.Missing != 3 || c.c.Twice != 1 {
		t.Errorf("%+v", c.c)
	}
}

// registrar answers REGISTER and INVITE with a challenge first and echoes RTP: enough to drive a telephone through its whole life.
type registrar struct {
	conn, rtp *net.UDPConn
	keys      chan byte
}

func (r *registrar) serve() {
	buf := make([]byte, 65536)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		m, err := parseSIP(buf[:n])
		if err != nil || m.method == "ACK" {
			continue
		}
		out := m.reply(200, "OK", "server")
		switch {
		case m.method != "BYE" && m.get("authorization") == "":
			out = m.reply(401, "Unauthorized", "server")
			out.header = append(out.header, field{"WWW-Authenticate", `Digest realm="test", nonce="n", algorithm=SHA-256, qop="auth"`})
		case m.method == "INVITE":
			out.header = append(out.header, field{"Contact", "<sip:group@" + r.conn.LocalAddr().String() + ">"}, field{"Content-Type", "application/sdp"})
			out.body = offerSDP(r.rtp.LocalAddr().(*net.UDPAddr).AddrPort(), PCMA)
		}
		if _, err := r.conn.WriteToUDPAddrPort(out.bytes(), from); err != nil {
			return
		}
	}
}

func (r *registrar) echo() {
	buf := make([]byte, 2048)
	for {
		n, from, err := r.rtp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if buf[1]&0x7f == event && buf[13]&0x80 != 0 {
			r.keys <- buf[12]
			continue
		}
		if _, err := r.rtp.WriteToUDPAddrPort(buf[:n], from); err != nil {
			return
		}
	}
}

func TestATelephoneLives(t *testing.T) {
	local := net.IPv4(127, 0, 0, 1)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: local})
	if err != nil {
		t.Fatal(err)
	}
	rtp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: local})
	if err != nil {
		t.Fatal(err)
	}
	r := &registrar{conn, rtp, make(chan byte, 16)}
	go r.serve()
	go r.echo()
	defer conn.Close()
	defer rtp.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := NewPhone(PhoneConfig{Server: conn.LocalAddr().(*net.UDPAddr).AddrPort(), Local: netip.MustParseAddr("127.1.0.1"), User: "8001", Password: "x", Payload: PCMA, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Register(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := p.Dial(ctx, "1001"); err != nil {
		t.Fatal(err)
	}
	if err := p.Key(ctx, '*'); err != nil {
		t.Fatal(err)
	}
	if k := <-r.keys; k != 10 {
		t.Errorf("key %d, want 10 (*)", k)
	}
	frames := Frames(speech.Sound{Rate: 8000, Samples: make([]float64, 8000)})
	if _, _, err := p.Talk(ctx, frames); err != nil {
		t.Fatal(err)
	}
	if err := p.Hang(ctx); err != nil {
		t.Fatal(err)
	}
	if got := p.Count(); got.Packets != len(frames) || got.Missing != 0 || got.Twice != 0 {
		t.Errorf("%+v, want %d packets", got, len(frames))
	}
}

func FuzzParseSIP(f *testing.F) {
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\r\n"))
	f.Add([]byte("INVITE sip:1@x SIP/2.0\r\nv: a\r\n b\r\nl: 3\r\n\r\nabcd"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if m, err := parseSIP(in); err == nil {
			_, _ = mediaOf(m.body)
			challengeOf(m.get("www-authenticate"))
			if _, err := parseSIP(m.bytes()); err != nil && m.method+m.reason != "" && !strings.ContainsAny(m.reason+m.uri, "\r\n") {
				t.Errorf("what we write we cannot read: %q", m.bytes())
			}
		}
	})
}
