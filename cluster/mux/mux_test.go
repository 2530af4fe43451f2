package mux_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/cluster/mux"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/trust"
)

func authority(t testing.TB) *trust.Authority {
	t.Helper()
	a, err := trust.NewAuthority("test", rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func nodeCertificate(t testing.TB, a *trust.Authority, name trust.NodeName) tls.Certificate {
	t.Helper()
	key, request, err := trust.NewNodeKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := a.IssueNode(request, name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t testing.TB, a *trust.Authority, name trust.NodeName, change func(*mux.Config)) *mux.Mux {
	t.Helper()
	cfg := mux.Config{Listen: "127.0.0.1:0", Self: name, Certificate: nodeCertificate(t, a, name), Roots: a.Pool(), Handshake: time.Second}
	if change != nil {
		change(&cfg)
	}
	m, err := mux.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func named(id string) trust.NodeName { return trust.NodeName{Site: 1, Node: id} }

// echo answers what it is sent and gives the names of its peers.
func echo(l net.Listener) <-chan string {
	who := make(chan string, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			name, _ := mux.Peer(c)
			who <- name.Node
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	return who
}

// reaches tells whether an octet goes there and back: with TLS 1.3 a client learns of a refusal only when it reads.
func reaches(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func TestNodesOfASiteMeetByProtocol(t *testing.T) {
	a := authority(t)
	m1, m2 := open(t, a, named("node-1"), nil), open(t, a, named("node-2"), nil)
	raft, forward := echo(m1.Listener(mux.Raft)), echo(m1.Listener(mux.Forward))
	for proto, who := range map[string]<-chan string{mux.Raft: raft, mux.Forward: forward} {
		c, err := m2.Dial(t.Context(), m1.Addr().String(), "node-1", proto)
		if err != nil {
			t.Fatal(err)
		}
		if err := reaches(c); err != nil {
			t.Fatal(err)
		}
		if got := <-who; got != "node-2" {
			t.Errorf("%s: peer is %q", proto, got)
		}
		_ = c.Close()
	}
	if _, err := m2.Dial(t.Context(), m1.Addr().String(), "node-3", mux.Raft); fusion.ReasonOf(err) != "other_node" {
		t.Errorf("another node than was asked for: %v", err)
	}
}

// refused waits for a count: the far end learns of a refusal by the alert, a moment before it is counted here.
func refused(t *testing.T, m *mux.Mux, want uint64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); m.Stats().Refused != want && time.Now().Before(end); {
		<-tick.C
	}
	if s := m.Stats(); s.Refused != want {
		t.Errorf("%+v, want %d refused", s, want)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	a, other := authority(t), authority(t)
	var mu sync.Mutex
	told := make(map[string]int)
	removed := fusion.E(fusion.NotAllowed, "removed", "")
	m := open(t, a, named("node-1"), func(c *mux.Config) {
		c.Admit = func(n trust.NodeName, _ string) error {
			if n.Node == "gone" {
				return removed
			}
			return nil
		}
		c.Refused = func(_, reason string, err error) {
			mu.Lock()
			defer mu.Unlock()
			if told[reason]++; err == nil {
				t.Error("no error is told")
			}
		}
	})
	echo(m.Listener(mux.Raft))
	chain, key, err := a.Issue([]string{"console"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	console, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, cert := range map[string]tls.Certificate{
		"another CA":          nodeCertificate(t, other, named("node-2")),
		"another site":        nodeCertificate(t, a, trust.NodeName{Site: 2, Node: "node-2"}),
		"another incarnation": nodeCertificate(t, a, trust.NodeName{Site: 1, Incarnation: 7, Node: "node-2"}),
		"a later incarnation": nodeCertificate(t, a, trust.NodeName{Site: 1, Incarnation: 3<<32 | 7, Node: "node-2"}),
		"a removed node":      nodeCertificate(t, a, named("gone")),
		"a console":           console,
		"nobody":              {},
	} {
		for _, protocols := range [][]string{{mux.Raft}, {mux.Join, mux.Raft}, {"h2"}, nil} {
			c, err := tls.Dial("tcp", m.Addr().String(), &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: a.Pool(), ServerName: trust.NodeHost, NextProtos: protocols})
			if err == nil {
				err = reaches(c)
				_ = c.Close()
			}
			if err == nil {
				t.Errorf("%s was let in by %v", name, protocols)
			}
		}
	}
	refused(t, m, 28)
	mu.Lock()
	defer mu.Unlock()
	for _, reason := range []string{"other_ca", "other_site", "other_incarnation", "removed"} {
		if told[reason] == 0 {
			t.Errorf("nobody is told of %s: %v", reason, told)
		}
	}
	if m.Stats().Newer != 3<<32|7 {
		t.Errorf("it does not know that the site went on without it: %+v", m.Stats())
	}
}

func TestAServerOfAnotherCAIsNotTrusted(t *testing.T) {
	m := open(t, authority(t), named("node-1"), nil)
	mine := open(t, authority(t), named("node-2"), nil)
	var unknown x509.UnknownAuthorityError
	if _, err := mine.Dial(t.Context(), m.Addr().String(), "", mux.Raft); !errors.As(err, &unknown) {
		t.Error(err)
	}
}

func TestGarbageAndSilenceAreClosedCountedAndBounded(t *testing.T) {
	a := authority(t)
	limited := func(c *mux.Config) { c.Handshake, c.MaxPerSource = 300*time.Millisecond, 4 }
	m := open(t, a, named("node-1"), limited)
	for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", "\x00\x00\x00\x00"} {
		c, err := net.Dial("tcp", m.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(garbage))
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		_, err = io.Copy(io.Discard, c)
		if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
			t.Errorf("%q was not closed", garbage)
		}
		_ = c.Close()
	}
	refused(t, m, 3)
	m = open(t, a, named("node-1"), limited)
	echo(m.Listener(mux.Raft))
	// Five that say nothing: the fifth is closed at once, the others when their time is over.
	var silent []net.Conn
	for range 5 {
		c, err := net.Dial("tcp", m.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	for _, c := range silent {
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		_, err := io.Copy(io.Discard, c)
		if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
			t.Error("a silent connection was not closed")
		}
	}
	if s := m.Stats(); s.Limited != 1 || s.Open != 0 {
		t.Errorf("%+v", s)
	}
	c, err := open(t, a, named("node-2"), nil).Dial(context.Background(), m.Addr().String(), "node-1", mux.Raft)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := reaches(c); err != nil {
		t.Error("a node is kept out: ", err)
	}
}

func TestPathsCarryAStreamAndDatagramsBetweenNodes(t *testing.T) {
	a := authority(t)
	one, two := open(t, a, named("node-1"), nil), open(t, a, named("node-2"), nil)
	p, err := one.DialPath(t.Context(), two.Addr().String(), "node-2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	q, err := two.AcceptPath(ctx)
	if err != nil || q.Node() != "node-1" || p.Node() != "node-2" {
		t.Fatalf("%v", err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(q, b); err != nil || string(b) != "hello" {
		t.Fatalf("%q %v", b, err)
	}
	if err := q.SendDatagram(make([]byte, mux.MaxDatagram)); err != nil {
		t.Fatal(err)
	}
	if d, err := p.ReceiveDatagram(ctx); err != nil || len(d) != mux.MaxDatagram {
		t.Fatalf("%d octets, %v", len(d), err)
	}
	if err := q.Close("done"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		t.Error("the other end does not know that the path is over")
	}
}

func TestStrangersGetNoPath(t *testing.T) {
	a, b := authority(t), authority(t)
	gone := fusion.E(fusion.NotAllowed, "node_removed", "removed")
	two := open(t, a, named("node-2"), func(c *mux.Config) {
		c.Admit = func(name trust.NodeName, _ string) error {
			if name.Node == "node-9" {
				return gone
			}
			return nil
		}
	})
	for what, m := range map[string]*mux.Mux{
		"another CA":          open(t, b, named("node-1"), nil),
		"another site":        open(t, a, trust.NodeName{Site: 2, Node: "node-1"}, nil),
		"another incarnation": open(t, a, trust.NodeName{Site: 1, Incarnation: 7, Node: "node-1"}, nil),
		"a removed node":      open(t, a, named("node-9"), nil),
	} {
		p, err := m.DialPath(t.Context(), two.Addr().String(), "node-2")
		if err == nil { // with TLS 1.3 a client may learn of a refusal later
			_, _ = p.Write([]byte("x"))
			select {
			case <-p.Done():
			case <-time.After(3 * time.Second):
				t.Errorf("%s got a path", what)
			}
		}
	}
	if _, err := open(t, a, named("node-1"), nil).DialPath(t.Context(), two.Addr().String(), "node-3"); err == nil {
		t.Error("node-2 was taken for node-3")
	}
	udp, err := net.Dial("udp", two.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	for i := range 200 {
		_, _ = udp.Write(make([]byte, 7*i))
	}
	p, err := open(t, a, named("node-1"), nil).DialPath(t.Context(), two.Addr().String(), "node-2")
	if err != nil {
		t.Fatalf("after garbage: %v", err)
	}
	_ = p.Close("done")
}
