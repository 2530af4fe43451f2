package telephone

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/guantong-net/guantong/testbed/peer"
)

// toneFile makes a WAV that a telephone can speak.
func toneFile(t testing.TB, rate string) string {
	t.Helper()
	channels := "1"
	if rate == "48000" {
		channels = "2" // baresip wants Opus in stereo
	}
	f := filepath.Join(t.TempDir(), "say.wav")
	out, err := exec.Command("sox", "-n", "-r", rate, "-c", channels, "-b", "16", f, "synth", "20", "sine", "500-900", "gain", "-6").CombinedOutput()
	if err != nil {
		t.Fatalf("sox (Debian package sox): %v: %s", err, out)
	}
	return f
}

func phone(t testing.TB, p peer.Phone) *peer.Baresip {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	live, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	b, err := peer.StartBaresip(ctx, live, t.TempDir(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("baresip %s: %s", p.User, b.Log().Tail(3000))
		}
	})
	return b
}

func TestBaresipTalksInAGroup(t *testing.T) {
	for _, tc := range []struct {
		name      string
		transport string
		codec     string
		rate      string
	}{
		{"udp PCMA", "udp", "PCMA", "8000"},
		{"tcp Opus", "tcp", "opus/48000/2", "48000"},
		{"udp G722", "udp", "G722/16000/1", "16000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBoard(t)
			s := serve(t, Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0"}, book{extension(11001, "1001"), extension(11002, "1002")}, b, b)
			addr := s.Addr(tc.transport).String()
			talker := phone(t, peer.Phone{User: "1001", Password: "pw-1001", Server: addr, Transport: tc.transport, Codecs: []string{tc.codec}, Source: toneFile(t, tc.rate)})
			listener := phone(t, peer.Phone{User: "1002", Password: "pw-1002", Server: addr, Transport: tc.transport, Codecs: []string{tc.codec}, Source: toneFile(t, tc.rate)})
			if !s.Registered(11001) || !s.Registered(11002) {
				t.Fatal("not registered")
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := listener.Dial(ctx, "2000"); err != nil {
				t.Fatal(err)
			}
			if err := talker.Dial(ctx, "2000"); err != nil {
				t.Fatal(err)
			}
			b.wait("both seated", func() bool { return b.count("seated") == 2 })
			if err := talker.Press("*", 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			b.wait("a request", b.has("request"))
			b.wait("speech", b.has("pushed 50"))
			if err := talker.Press("#", 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			b.wait("a release", b.has("release"))
			if err := talker.Command("hangup"); err != nil {
				t.Fatal(err)
			}
			b.wait("the end", b.has("ended normal"))
			heard := listener.Heard()
			if len(heard) == 0 {
				t.Fatal("the listener wrote nothing")
			}
			if fi, err := os.Stat(heard[0]); err != nil || fi.Size() < 16000 {
				t.Fatalf("the listener heard %v bytes: %v", fi.Size(), err)
			}
		})
	}
}
