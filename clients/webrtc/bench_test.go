package webrtc

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/fusion/voice"
)

// clientsEnv makes the test's binary the process of the clients: the server's CPU time must be its own.
const clientsEnv = "GUANTONG_MEDIA_CLIENTS"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(clientsEnv)); err == nil {
		if err := serveClients(n, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "clients:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// benchLine is a line between the two processes.
type benchLine struct {
	ID       int      `json:"id,omitempty"`
	SDP      string   `json:"sdp,omitempty"`
	Ready    bool     `json:"ready,omitempty"`
	Bare     []string `json:"bare,omitempty"` // sockets that only swallow
	Talk     int      `json:"talk,omitempty"` // packets to send
	Talked   bool     `json:"talked,omitempty"`
	Received uint64   `json:"received,omitempty"`
	Late     uint64   `json:"late,omitempty"`
}

// serveClients is the other process: one talker and n listeners.
func serveClients(n int, in io.Reader, out io.Writer) error {
	enc, dec := json.NewEncoder(out), json.NewDecoder(bufio.NewReader(in))
	var mu sync.Mutex
	answers := make([]chan string, n+1)
	for i := range answers {
		answers[i] = make(chan string, 1)
	}
	tell := func(l benchLine) error {
		mu.Lock()
		defer mu.Unlock()
		return enc.Encode(l)
	}
	talk := make(chan int, 1)
	go func() {
		defer close(talk)
		for {
			var l benchLine
			if dec.Decode(&l) != nil {
				return
			}
			if l.Talk > 0 {
				talk <- l.Talk
			} else {
				answers[l.ID] <- l.SDP
			}
		}
	}()
	conns, err := dialAll(n+1, func(ctx context.Context, id int, offer string) (string, error) {
		if err := tell(benchLine{ID: id, SDP: offer}); err != nil {
			return "", err
		}
		select {
		case a := <-answers[id]:
			return a, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	bare, err := swallow(n)
	if err != nil {
		return err
	}
	if err := tell(benchLine{Ready: true, Bare: bare}); err != nil {
		return err
	}
	for count := range talk {
		if err := speak(conns[0], count); err != nil {
			return err
		}
		l := benchLine{Talked: true}
		for _, c := range conns[1:] {
			st := c.Stats()
			l.Received += st.Received
			l.Late += st.Late
		}
		if err := tell(l); err != nil {
			return err
		}
	}
	return nil
}

func dialAll(n int, signal func(ctx context.Context, id int, offer string) (string, error)) ([]*media.Conn, error) {
	cert, err := media.NewCertificate()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conns := make([]*media.Conn, n)
	for i := range conns { // one after the other: a join's CPU time is wanted, not its latency
		conns[i], err = media.Dial(ctx, media.Config{Certificate: cert}, func(ctx context.Context, offer string) (string, error) {
			return signal(ctx, i, offer)
		})
		if err != nil {
			return nil, err
		}
	}
	return conns, nil
}

// swallow opens n sockets for the bare sender.
func swallow(n int) ([]string, error) {
	var addrs []string
	for range n {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv6loopback})
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, c.LocalAddr().String())
		go func() {
			var b [datagramMax]byte
			for {
				if _, _, err := c.ReadFromUDPAddrPort(b[:]); err != nil {
					return
				}
			}
		}()
	}
	return addrs, nil
}

// speak sends count packets of 80 bytes, one each 20 ms, and waits for the last to arrive everywhere.
func speak(c *media.Conn, count int) error {
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	payload := make([]byte, 80)
	for i := range count {
		<-t.C
		if err := c.Send(payload, 960, i == 0); err != nil {
			return err
		}
	}
	for range 10 {
		<-t.C
	}
	return nil
}

// hall is the owner of all sessions of the benchmark: what the first says, all others hear.
type hall struct {
	server *Server
	mu     sync.Mutex
	to     []voice.Target
	conns  int
}

type seatInHall struct {
	hall *hall
	sink voice.Sink
	id   int
}

func (h *seatInHall) Connected() {
	h.hall.mu.Lock()
	defer h.hall.mu.Unlock()
	h.hall.conns++
	if h.id > 0 {
		handle, _ := h.sink.Begin(burst(1, 4))
		h.hall.to = append(h.hall.to, voice.Target{Sink: h.sink, Handle: handle})
	}
}

func (h *seatInHall) Packet(p *voice.Packet) { h.hall.server.Deliver(p, h.hall.to) }
func (*seatInHall) Slot(int, *voice.Info)    {}
func (*seatInHall) Closed(string)            {}

// cpuTime is what this process has used, all threads.
func cpuTime(b testing.TB) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is this process's memory in KiB.
func resident(b testing.TB) float64 {
	b.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// clients is the other process, seen from the server's.
type clients struct {
	enc *json.Encoder
	dec *json.Decoder
}

func startClients(b *testing.B, n int) *clients {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), fmt.Sprintf("%s=%d", clientsEnv, n)), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("clients: %v", err)
		}
	})
	return &clients{enc: json.NewEncoder(in), dec: json.NewDecoder(bufio.NewReader(out))}
}

// seat answers offers until every client is there.
func (c *clients) seat(b *testing.B, s *Server, h *hall) []string {
	b.Helper()
	for {
		var l benchLine
		if err := c.dec.Decode(&l); err != nil {
			b.Fatal(err)
		}
		if l.Ready {
			return l.Bare
		}
		seat := &seatInHall{hall: h, id: l.ID}
		x, answer, err := s.Open(context.Background(), l.SDP, seat)
		if err != nil {
			b.Fatal(err)
		}
		seat.sink = x.Sink("bench")
		if err := c.enc.Encode(benchLine{ID: l.ID, SDP: answer}); err != nil {
			b.Fatal(err)
		}
	}
}

// talk lets the talker say count packets.
func (c *clients) talk(b *testing.B, count int) benchLine {
	b.Helper()
	var l benchLine
	if err := c.enc.Encode(benchLine{Talk: count}); err != nil {
		b.Fatal(err)
	}
	if err := c.dec.Decode(&l); err != nil {
		b.Fatal(err)
	}
	return l
}

// bareSender sends the same packets to as many sockets with nothing around it, and gives CPU-s for a million.
func bareSender(b *testing.B, addrs []string, ticks int) float64 {
	b.Helper()
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	var to []netip.AddrPort
	for _, a := range addrs {
		to = append(to, netip.MustParseAddrPort(a))
	}
	packet := make([]byte, rtpHeader+80+rtpTrailer)
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	before := cpuTime(b)
	for range ticks {
		<-t.C
		for _, a := range to {
			if _, err := conn.WriteToUDPAddrPort(packet, a); err != nil {
				b.Fatal(err)
			}
		}
	}
	return (cpuTime(b) - before).Seconds() / float64(ticks*len(to)) * 1e6
}

// BenchmarkListeners is the cost of 200 silent and then listening clients, in another process, with one talker at 50
// packets of 80 bytes a second. Run it with -benchtime 1x; it takes about 40 s.
func BenchmarkListeners(b *testing.B) {
	const listeners, packets = 200, 750
	for b.Loop() {
		s := start(b, Config{Listen: "[::]:0"})
		h := &hall{server: s}
		mem, cpu := resident(b), cpuTime(b)
		c := startClients(b, listeners)
		bare := c.seat(b, s, h)
		join := cpuTime(b) - cpu
		eventually(b, "all connected and quiet", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.conns == listeners+1
		})
		pause(10 * time.Second) // the DTLS machines retire
		eventually(b, "no DTLS machine is left", func() bool { return runtime.NumGoroutine() < 40 })
		legs := (resident(b) - mem) / (listeners + 1)
		before := cpuTime(b)
		pause(10 * time.Second)
		idle := (cpuTime(b) - before).Seconds() / 10
		before = cpuTime(b)
		heard := c.talk(b, packets)
		busy := (cpuTime(b) - before).Seconds()
		sent := float64(s.Stats().Sent)
		floor := bareSender(b, bare, packets/3)
		all := busy / sent * 1e6
		b.ReportMetric(all, "cpu_s/Mpkt")
		b.ReportMetric((busy-idle*packets*0.02)/sent*1e6, "cpu_s/Mpkt-without-idle")
		b.ReportMetric(floor, "bare_cpu_s/Mpkt")
		b.ReportMetric(all/floor, "ratio-to-bare")
		b.ReportMetric(idle/(listeners+1)*1e3, "idle-millicores/leg")
		b.ReportMetric(legs, "KiB/leg")
		b.ReportMetric(float64(join.Microseconds())/(listeners+1)/1e3, "cpu_ms/join")
		b.ReportMetric(sent-float64(heard.Received), "lost")
		b.ReportMetric(float64(heard.Late), "late")
		b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
		if sent != listeners*packets {
			b.Errorf("%v packets sent, %d wanted; %+v", sent, listeners*packets, s.Stats())
		}
	}
}

// pause lets real time pass: what is measured is what the system does in it.
func pause(d time.Duration) { <-time.After(d) }
