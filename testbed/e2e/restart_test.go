package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

// eventsUpTo reads durable events from a WebSocket until one has the key.
func eventsUpTo(t *testing.T, w *peer.Socket, key string) []uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	var seqs []uint64
	for {
		f, err := w.Until(ctx, func(f peer.Frame) bool { return f.T == "event" })
		if err != nil {
			t.Fatalf("after %d events: %v", len(seqs), err)
		}
		var e struct {
			Seq uint64
			Key string
		}
		if err := json.Unmarshal(f.Raw, &e); err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, e.Seq)
		if e.Key == key {
			return seqs
		}
	}
}

// write posts messages under IDs of their own and gives the last one's.
func write(t *testing.T, a *peer.API, tag byte, n int) (last fusion.ID) {
	t.Helper()
	for i := range n {
		id := fusion.ID{tag, byte(i), 1}
		if err := a.CallAs(t.Context(), id, http.MethodPost, "/messages", map[string]any{"to": []int{10001}, "text": fmt.Sprint("第", i, "条"), "precedence": "routine"}, nil); err != nil {
			t.Fatal(err)
		}
		last = id
	}
	return last
}

func TestAServerThatWasKilledGoesOnWhereItWas(t *testing.T) {
	b := ownServer(t)
	p := b.person(t, fusion.Dispatcher)
	g := b.group(t, true)
	h, s := sit(t, b.sdk(t, b.person(t, fusion.Operator))), sit(t, b.sdk(t, p))
	h.join(t, g)
	s.join(t, g)
	burst := s.press(t, g)
	s.say(t, 50)
	if err := s.session.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	burstOf(t, b.admin, burst)

	a := b.login(t, p)
	w, err := a.Dial(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := eventsUpTo(t, w, write(t, a, 1, 20).String())
	write(t, a, 2, 20) // while nobody reads
	w.Close()
	b.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := b.Start(ctx, b.life); err != nil {
		t.Fatal(err)
	}
	if said := b.Log().String(); strings.Contains(said, "password") {
		t.Errorf("a second start showed secrets: %s", said)
	}
	b.admin, _, err = b.API().Login(t.Context(), b.User, b.Pass)
	if err != nil {
		t.Fatal(err)
	}
	a = b.login(t, p)
	if w, err = a.Dial(t.Context(), int64(seen[len(seen)-1])); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	seen = append(seen, eventsUpTo(t, w, write(t, a, 3, 5).String())...)
	var all struct{ Items []struct{ Seq uint64 } }
	if err := a.Call(t.Context(), http.MethodGet, "/events?after=0&limit=1000", nil, &all); err != nil || len(all.Items) < len(seen) {
		t.Fatalf("%d events are on record, %d were told: %v", len(all.Items), len(seen), err)
	}
	for i, n := range seen { // what a person may not see has a number too
		if n != all.Items[i].Seq {
			t.Fatalf("event %d has the number %d, on record is %d: a gap or a repeat", i+1, n, all.Items[i].Seq)
		}
	}
	messages, err := peer.List[state.Message](t.Context(), a, "/messages?to=10001")
	if err != nil || len(messages) != 45 {
		t.Errorf("%d messages of 45, %v", len(messages), err)
	}
	replayed(t, b, burst)
	exported(t, b, burst)
	b.Kill()
	if said, code := operate(t, "audit", "verify", "-config", b.configPath()); code != 0 {
		t.Errorf("the audit chain after two kills: %s", said)
	}
}

// replayed reads a recording whole and by range, and has ffprobe read it.
func replayed(t *testing.T, b *bench, id fusion.ID) {
	t.Helper()
	path := "/api/v1/bursts/" + id.String() + "/audio"
	whole, err := b.admin.Raw(t.Context(), http.MethodGet, path, nil, nil)
	if err != nil || !bytes.HasPrefix(whole, []byte("OggS")) {
		t.Fatalf("the recording: %.4q, %v", whole, err)
	}
	part, err := b.admin.Raw(t.Context(), http.MethodGet, path, http.Header{"Range": {"bytes=100-299"}}, nil)
	if err != nil || !bytes.Equal(part, whole[100:300]) {
		t.Errorf("octets 100 to 299: %d octets, %v", len(part), err)
	}
	_, err = b.admin.Raw(t.Context(), http.MethodGet, path, http.Header{"Range": {fmt.Sprintf("bytes=%d-", len(whole)+10)}}, nil)
	refusedRange(t, err)
	probe := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=duration:stream=codec_name", "-of", "csv=p=0", "-")
	probe.Stdin = bytes.NewReader(whole)
	out, err := probe.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "opus") {
		t.Errorf("ffprobe (Debian package ffmpeg): %v: %s", err, out)
	}
	decode := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", "-", "-f", "s16le", "-ac", "1", "-ar", "16000", "-")
	decode.Stdin = bytes.NewReader(whole)
	if pcm, err := decode.Output(); err != nil || len(pcm) < 16000*2*9/10 || len(pcm) > 16000*2*3/2 {
		t.Errorf("ffmpeg decodes %d ms of a second that was said: %v", len(pcm)/32, err)
	}
}

func refusedRange(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "416") {
		t.Errorf("a range behind the end: %v, want 416", err)
	}
}

// exported checks an after-action ZIP against its own manifest.
func exported(t *testing.T, b *bench, burst fusion.ID) {
	t.Helper()
	raw, err := b.admin.Raw(t.Context(), http.MethodGet, fmt.Sprintf("/api/v1/export?from=1&to=%d", time.Now().Add(time.Hour).UnixMilli()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	var manifest struct {
		Files []struct {
			Path, Name, Hash, SHA256 string
			Size                     int64
		}
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatalf("manifest.json: %v; the ZIP has %d files", err, len(files))
	}
	audio := false
	for _, f := range manifest.Files {
		name := f.Path + f.Name
		content, there := files[name]
		sum := strings.TrimPrefix(f.Hash+f.SHA256, "sha256:")
		if !there || hashOf(content) != "sha256:"+sum {
			t.Errorf("%q: there %v, hash %s, want %s", name, there, hashOf(content), sum)
		}
		audio = audio || bytes.HasPrefix(content, []byte("OggS"))
	}
	if len(manifest.Files) != len(files)-1 || !audio {
		t.Errorf("the manifest names %d of %d files, audio %v", len(manifest.Files), len(files), audio)
	}
}
