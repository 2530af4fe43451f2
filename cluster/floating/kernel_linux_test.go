package floating_test

import (
	"bytes"
	"net"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guantong-net/guantong/cluster/floating"
)

// apart moves the test's thread into a network of its own, with a pair of devices v0 and v1. The thread is never used again.
func apart(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // not unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no right to make a network namespace:", err)
	}
	for _, words := range [][]string{{"link", "add", "v0", "type", "veth", "peer", "name", "v1"}, {"link", "set", "v0", "up"}, {"link", "set", "v1", "up"}} {
		if out, err := exec.CommandContext(t.Context(), "ip", words...).CombinedOutput(); err != nil {
			t.Skipf("ip %v: %v: %s", words, err, out)
		}
	}
}

// neighbour listens for frames of a kind on v1.
func neighbour(t *testing.T, kind uint16) func() []byte {
	t.Helper()
	dev, err := net.InterfaceByName("v1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(kind<<8|kind>>8))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(s) })
	if err := unix.Bind(s, &unix.SockaddrLinklayer{Ifindex: dev.Index, Protocol: kind<<8 | kind>>8}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		t.Fatal(err)
	}
	return func() []byte {
		var buf [1500]byte
		n, _, err := unix.Recvfrom(s, buf[:], 0)
		if err != nil {
			t.Fatal(err)
		}
		return buf[:n]
	}
}

func has(t *testing.T, address string) bool {
	t.Helper()
	dev, err := net.InterfaceByName("v0")
	if err != nil {
		t.Fatal(err)
	}
	list, err := dev.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.String() == address {
			return true
		}
	}
	return false
}

func TestTheKernelCarriesTheAddressAndTheNeighboursHearOfIt(t *testing.T) {
	apart(t)
	var k floating.System
	for _, c := range []struct {
		address string
		kind    uint16
		at      int // where the frame has the address
	}{{"10.9.0.9/24", unix.ETH_P_ARP, 28}, {"2001:db8::9/64", unix.ETH_P_IPV6, 62}} {
		a, err := floating.Parse(c.address + " v0")
		if err != nil {
			t.Fatal(err)
		}
		hear := neighbour(t, c.kind)
		for range 2 { // taken, and renewed
			if err := k.Add(a, 60*time.Second); err != nil {
				t.Fatalf("%s: %v", c.address, err)
			}
		}
		if !has(t, c.address) {
			t.Errorf("%s is not there", c.address)
		}
		if err := k.Announce(a); err != nil {
			t.Error(err)
		}
		ip := a.Prefix.Addr().AsSlice()
		for frame := hear(); len(frame) < c.at+len(ip) || !bytes.Equal(frame[c.at:c.at+len(ip)], ip); {
			frame = hear() // the kernel's own talk on a new device
		}
		for range 2 { // given up, and again
			if err := k.Remove(a); err != nil {
				t.Error(err)
			}
		}
		if has(t, c.address) {
			t.Errorf("%s stays", c.address)
		}
	}
	a, _ := floating.Parse("10.9.0.10/24 v0")
	if err := k.Add(a, time.Second); err != nil {
		t.Error(err)
	}
	for limit := time.Now().Add(20 * time.Second); has(t, "10.9.0.10/24"); <-time.After(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("an address that nobody renews stays")
		}
	}
	gone, _ := floating.Parse("10.9.0.10/24 nodevice")
	if k.Add(gone, time.Second) == nil || k.Remove(gone) != nil {
		t.Error("a device that is not there")
	}
}
