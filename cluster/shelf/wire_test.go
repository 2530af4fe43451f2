package shelf

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// swap puts the content of one name in the place of another, as a disk does that rots.
func swap(t *testing.T, dir, from, to string) {
	t.Helper()
	place := func(name string) string { return filepath.Join(dir, "content", name[7:9], name[7:]) }
	if err := os.MkdirAll(filepath.Dir(place(to)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(place(from), place(to)); err != nil {
		t.Fatal(err)
	}
}

func FuzzFrames(f *testing.F) {
	for _, v := range []any{
		request{Kind: askHave, Names: []string{"sha256:00"}, Touch: true}, request{Kind: askFetch, Names: []string{"x"}, Offset: 1, Length: 2, Background: true},
		request{Kind: askCopies, Bursts: []fusion.ID{{1}}}, answer{Sizes: []int64{-1, 3}}, answer{Copies: []Copy{{Heard: 20, Own: true}}}, refusal(errLink),
	} {
		var b bytes.Buffer
		if err := writeFrame(&b, v); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r request
		if readFrame(bytes.NewReader(data), &r) == nil && r.check() == nil {
			var b bytes.Buffer
			if err := writeFrame(&b, r); err != nil {
				t.Fatal(err)
			}
			var again request
			if err := readFrame(&b, &again); err != nil || again.Kind != r.Kind || len(again.Names) != len(r.Names) {
				t.Errorf("%+v is read back as %+v, %v", r, again, err)
			}
		}
		var a answer
		_ = readFrame(bytes.NewReader(data), &a) // must not panic
	})
}

func TestANodeThatSendsNonsenseLosesItsConnectionOnly(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 2, false)
		name := put(t, s.nodes[0], []byte("harmless"))
		for _, r := range []request{
			{Kind: askFetch}, {Kind: askPush, Names: []string{"a", "b"}}, {Kind: askFetch, Names: []string{name}, Offset: -1},
			{Kind: askHave, Names: make([]string, MaxNames+1)},
		} {
			c := s.connect(t)
			if err := writeFrame(c, r); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%+v was answered", r)
			}
		}
		for reason, r := range map[string]request{
			"unknown_request": {Kind: 99}, "bad_range": {Kind: askFetch, Names: []string{name}, Offset: 9}, "file_unknown": {Kind: askFetch, Names: []string{nameOf(nil)}},
			"bad_hash": {Kind: askPush, Names: []string{"sha256:../../x"}, Size: 1}, "bad_size": {Kind: askPush, Names: []string{nameOf(nil)}, Size: 1 << 50},
		} {
			var a answer
			c := s.connect(t)
			if err := writeFrame(c, r); err != nil {
				t.Fatal(err)
			}
			if err := readFrame(c, &a); err != nil || a.Reason != reason {
				t.Errorf("%+v: %+v, %v, want %s", r, a, err, reason)
			}
		}
		c := s.connect(t)
		if _, err := c.Write([]byte(strings.Repeat("\xff", 4))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if bad := s.nodes[0].server.bad.Load(); bad != 5 {
			t.Errorf("%d malformed requests counted", bad)
		}
		idle := s.connect(t)
		time.Sleep(idleLimit + time.Second)
		if n, err := idle.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("an idle connection is kept")
		}
	})
}

// connect opens a connection to the first node.
func (s *site) connect(t *testing.T) net.Conn {
	t.Helper()
	c, err := s.dial("node-2")(t.Context(), "", "node-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAPeerThatLiesAboutWhatItSendsIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 1, false)
		name := nameOf([]byte("wanted"))
		for what, a := range map[string]answer{
			"more than was asked for": {Size: 6, Length: MaxRange + 1}, "nothing of something": {Size: 6}, "beyond the end": {Size: 3, Length: 6}, "less than nothing": {Size: -1, Length: -1},
		} {
			here, there := net.Pipe()
			go func() {
				var r request
				_ = readFrame(there, &r)
				_ = writeFrame(there, a)
			}()
			c := &client{pace: newPace(DefaultRate), dial: func(context.Context, string, string) (net.Conn, error) { return here, nil }}
			var got bytes.Buffer
			if _, err := c.fetch(t.Context(), Peer{"liar", ""}, name, 0, 6, false, &got); err == nil || got.Len() > 0 {
				t.Errorf("%s: %q, %v", what, got.String(), err)
			}
			_ = there.Close()
		}
		silent, _ := net.Pipe()
		c := &client{pace: newPace(DefaultRate), dial: func(context.Context, string, string) (net.Conn, error) { return silent, nil }}
		begun := time.Now()
		if _, err := c.have(t.Context(), Peer{"silent", ""}, []string{name}, false); err == nil || time.Since(begun) > askLimit {
			t.Errorf("a silent node: %v after %s", err, time.Since(begun))
		}
		_ = s
	})
}

func TestWhatIsSentIsBoundedInRate(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 2, false)
		data := noise(12<<20, 9)
		name := put(t, s.nodes[0], data)
		begun := time.Now()
		if err := s.nodes[1].get(t.Context(), Peer{"node-1", "node-1"}, name, true); err != nil {
			t.Fatal(err)
		}
		rate := float64(len(data)) / time.Since(begun).Seconds()
		if rate > 1.1*DefaultRate/2 || rate < 0.8*DefaultRate/2 {
			t.Errorf("%.1f MiB/s in the background", rate/(1<<20))
		}
	})
}
