package telephone

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

const listeners = 200

// farEnds are sockets that nobody reads: what the kernel drops costs both sides of a comparison the same.
func farEnds(t testing.TB, n int) []netip.AddrPort {
	t.Helper()
	var out []netip.AddrPort
	for range n {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		out = append(out, c.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	return out
}

// legs are calls as they are once set up, without the signalling.
func legs(t testing.TB, to []netip.AddrPort, latched bool) (*outlet, []voice.Target) {
	t.Helper()
	low, high := rtpRange(uint16(2 * len(to)))
	s := &Server{now: time.Now, ports: newPorts(low, high), library: newLibrary(), calls: newCalls()}
	s.deps.Rand = zeroReader{}
	s.outlet = newOutlet(time.Now)
	var targets []voice.Target
	for _, a := range to {
		c, err := s.newCall(Account{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.m.close)
		c.state = up
		if err := c.settle(session{codec: codec.PCMA, pt: 8, addr: a, send: true, recv: true}); err != nil {
			t.Fatal(err)
		}
		c.m.start(c)
		if latched {
			c.m.mu.Lock()
			c.m.take(a)
			c.m.mu.Unlock()
		}
		c.Begin(voice.Info{})
		targets = append(targets, voice.Target{Sink: c})
	}
	return s.outlet, targets
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { return len(b), nil }

func TestDeliverAllocatesNothing(t *testing.T) {
	o, targets := legs(t, farEnds(t, 10), false)
	p := &voice.Packet{Codec: codec.PCMA, Payload: make([]byte, 160)}
	n := testing.AllocsPerRun(200, func() {
		p.Seq++
		p.Time += 160
		o.Deliver(p, targets)
	})
	if n > 0 {
		t.Fatalf("%v allocations per packet", n)
	}
}

func TestAnIdleLegIsSmall(t *testing.T) {
	ends := farEnds(t, 100)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, targets := legs(t, ends, false)
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := int64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse) / int64(len(targets))
	t.Logf("%d bytes per leg of heap and stack", per)
	if per > 50<<10 {
		t.Fatalf("%d bytes per leg", per)
	}
	runtime.KeepAlive(targets)
}

// BenchmarkDeliver compares 200 listeners with bare senders of the same packets.
func BenchmarkDeliver(b *testing.B) {
	ends := farEnds(b, listeners)
	payload := make([]byte, 160)
	run := func(name string, latched bool) {
		b.Run(name, func(b *testing.B) {
			o, targets := legs(b, ends, latched)
			p := &voice.Packet{Codec: codec.PCMA, Payload: payload}
			b.ReportAllocs()
			for b.Loop() {
				p.Seq++
				p.Time += 160
				o.Deliver(p, targets)
			}
		})
	}
	b.Run("bare", func(b *testing.B) {
		c, err := net.ListenUDP("udp4", nil)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		buf := make([]byte, rtpHeader+len(payload))
		b.ReportAllocs()
		for b.Loop() {
			for _, a := range ends {
				_, _ = c.WriteToUDPAddrPort(buf, a)
			}
		}
	})
	b.Run("sendmmsg", func(b *testing.B) { benchmarkBatch(b, ends, payload) })
	run("legs", false)
	run("legs-latched", true)
}

// benchmarkBatch is what one socket for all legs would cost with sendmmsg.
func benchmarkBatch(b *testing.B, ends []netip.AddrPort, payload []byte) {
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	pc := ipv4.NewPacketConn(c)
	msgs := make([]ipv4.Message, len(ends))
	for i, a := range ends {
		msgs[i] = ipv4.Message{Buffers: [][]byte{make([]byte, rtpHeader+len(payload))}, Addr: net.UDPAddrFromAddrPort(a)}
	}
	b.ReportAllocs()
	for b.Loop() {
		for sent := 0; sent < len(msgs); {
			n, err := pc.WriteBatch(msgs[sent:], 0)
			if err != nil {
				b.Fatal(err)
			}
			sent += n
		}
	}
}
