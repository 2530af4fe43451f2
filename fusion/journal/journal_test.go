package journal

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/journal/ogg"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// shelf is a Files in one folder.
type shelf struct{ dir string }

func (s shelf) Adopt(path string) (string, int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(b)
	hash := "sha256:" + hex.EncodeToString(sum[:])
	return hash, int64(len(b)), os.Rename(path, filepath.Join(s.dir, hash))
}

func (s shelf) Open(hash string) (File, error) { return os.Open(filepath.Join(s.dir, hash)) }

type fixture struct {
	*Recorder
	dir  string
	mu   sync.Mutex
	got  []state.Burst
	fail bool
}

func open(t *testing.T, dir string) *fixture {
	t.Helper()
	f := &fixture{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	f.Recorder, err = Open(Config{Dir: dir, Files: shelf{filepath.Join(dir, "files")}, Log: slog.New(slog.DiscardHandler), Index: f.index})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) index(_ context.Context, b state.Burst) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail {
		return errors.New("no quorum")
	}
	f.got = append(f.got, b)
	return nil
}

func (f *fixture) bursts() []state.Burst {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]state.Burst(nil), f.got...)
}

// run runs the recorder until the test has seen n bursts indexed.
func (f *fixture) run(t *testing.T, n int) []state.Burst {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(f.bursts()) < n && ctx.Err() == nil {
		<-tick.C
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(f.bursts()) < n {
		t.Fatalf("%d of %d bursts indexed", len(f.bursts()), n)
	}
	return f.bursts()
}

func info(id codec.ID) talk.BurstInfo {
	return talk.BurstInfo{
		Info:   voice.Info{Burst: fusion.ID{1, byte(id)}, Talk: fusion.GroupTalk(10001), Talker: 10101, Name: "张三", Precedence: fusion.Routine},
		Groups: []fusion.Number{10001}, Start: time.Now(), Codec: id.String(),
	}
}

// say records n frames of a tone; the packets named in skip are lost.
func say(t testing.TB, rec talk.Recording, id codec.ID, n int, skip ...int) {
	t.Helper()
	enc, err := codec.NewEncoder(codec.Params{ID: id, Bitrate: 24000})
	if err != nil {
		t.Fatal(err)
	}
	var pcm [codec.FrameSamples]int16
	lost := make(map[int]bool)
	for _, s := range skip {
		lost[s] = true
	}
	for i := range n {
		for j := range pcm {
			pcm[j] = int16(8000 * math.Sin(2*math.Pi*440*float64(i*len(pcm)+j)/codec.PCMRate))
		}
		b, err := enc.Encode(nil, pcm[:])
		if err != nil {
			t.Fatal(err)
		}
		if !lost[i] {
			rec.Packet(&voice.Packet{Codec: id, Seq: uint16(i), Time: uint32(i * id.Clock() / 50), Payload: b, Arrived: time.Now()})
		}
	}
}

func TestABurstIsStoredIndexedAndReplayed(t *testing.T) {
	for _, id := range []codec.ID{codec.Opus, codec.PCMA, codec.PCMU, codec.G722} {
		t.Run(id.String(), func(t *testing.T) {
			f := open(t, t.TempDir())
			rec := f.Begin(info(id))
			say(t, rec, id, 100, 10, 11, 40)
			rec.End("released", time.Now())
			b := f.run(t, 1)[0]
			if b.Duration < 1980 || b.Duration > 2020 || b.EndCause != "released" || b.Codec != id.String() || b.Talker != 10101 || len(b.Peaks) != 64 || b.Peaks[20] < 40 {
				t.Errorf("%+v", b)
			}
			audio, kind, err := f.Audio(b, false)
			if err != nil || kind != OggType {
				t.Fatal(kind, err)
			}
			defer func() { _ = audio.Close() }()
			if d := ffmpegSeconds(t, audio); d < 1.95 || d > 2.05 {
				t.Errorf("ffmpeg decodes %.3f s of 2", d)
			}
			if left, _ := filepath.Glob(filepath.Join(f.dir, "*", "*.keep")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// ffmpegSeconds lets an independent decoder say how long the audio is.
func ffmpegSeconds(t *testing.T, r io.Reader) float64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", "-", "-f", "s16le", "-ar", "16000", "-ac", "1", "-")
	cmd.Stdin = r
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg (Debian package ffmpeg): %v", err)
	}
	return float64(len(out)) / 2 / 16000
}

func TestABurstThatACrashInterruptedIsFoundAgain(t *testing.T) {
	for _, id := range []codec.ID{codec.Opus, codec.PCMA} {
		dir := t.TempDir()
		f := open(t, dir)
		rec := f.Begin(info(id))
		say(t, rec, id, 150)
		f.drain(time.Now())
		say(t, rec, id, 10) // still in memory: lost with the power
		live, _ := filepath.Glob(filepath.Join(dir, liveDir, "*"))
		if len(live) != 1 {
			t.Fatal(live)
		}
		file, err := os.OpenFile(live[0], os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString("OggS\x00\x00 torn"); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		b := open(t, dir).run(t, 1)[0]
		if b.EndCause != "interrupted" || b.Duration < 2980 || b.Duration > 3020 {
			t.Errorf("%s: %+v", id, b)
		}
	}
}

func TestABurstIsIndexedOnceTheRecordPlaneTakesItAgain(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	f.fail = true
	rec := f.Begin(info(codec.Opus))
	say(t, rec, codec.Opus, 50)
	rec.End("released", time.Now())
	f.drain(time.Now())
	rest := f.indexSome(t.Context(), f.take())
	if len(rest) != 1 {
		t.Fatal("indexed in spite of the failure")
	}
	f.fail = false
	if rest := f.indexSome(t.Context(), rest); len(rest) != 0 || len(f.bursts()) != 1 {
		t.Fatal("not indexed when it could be")
	}
	if again := open(t, dir); len(again.crash) != 0 {
		t.Errorf("left to be indexed: %v", again.crash)
	}
}

func TestNothingSaidLeavesNothing(t *testing.T) {
	f := open(t, t.TempDir())
	f.Begin(info(codec.Opus)).End("released", time.Now())
	f.drain(time.Now())
	if s := f.Stats(); s.Active != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASlowDiskLosesPacketsOfTheRecordingOnly(t *testing.T) {
	f := open(t, t.TempDir())
	rec := f.Begin(info(codec.PCMA))
	for range 3000 {
		rec.Packet(&voice.Packet{Codec: codec.PCMA, Payload: make([]byte, 160)})
	}
	if f.Stats().Dropped == 0 {
		t.Error("memory grows without bound")
	}
}

func TestAPacketIsTakenWithoutAllocating(t *testing.T) {
	f := open(t, t.TempDir())
	rec := f.Begin(info(codec.Opus)).(*recording)
	p := &voice.Packet{Codec: codec.Opus, Payload: make([]byte, 80), Arrived: time.Now()}
	for range 2 {
		rec.pending = make([]byte, 0, maxPending)
		rec.take()
	}
	if n := testing.AllocsPerRun(1000, func() { rec.Packet(p) }); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func TestAnExportIsWholeAndItsHashesFit(t *testing.T) {
	f := open(t, t.TempDir())
	rec := f.Begin(info(codec.PCMA))
	say(t, rec, codec.PCMA, 50)
	rec.End("released", time.Now())
	bursts := f.run(t, 1)
	log := NewFloorLog(f.dir)
	now := time.Now()
	log.Note(talk.FloorEvent{At: now, Talk: fusion.GroupTalk(10001), Kind: "granted", Unit: 10101})
	log.Note(talk.FloorEvent{At: now, Talk: fusion.GroupTalk(10002), Kind: "granted"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := log.Run(ctx); err != nil {
		t.Fatal(err)
	}
	bursts = append(bursts, state.Burst{ID: fusion.ID{9}, File: "sha256:none"})
	var out bytes.Buffer
	set := ExportSet{
		From: state.Millis(now.Add(-time.Minute).UnixMilli()), To: state.Millis(now.Add(time.Minute).UnixMilli()), Groups: []fusion.Number{10001},
		Bursts: bursts, Messages: []state.Message{{Text: "收到"}}, Floor: log,
	}
	if err := f.Export(t.Context(), &out, set); err != nil {
		t.Fatal(err)
	}
	checkExport(t, out.Bytes())
}

func checkExport(t *testing.T, b []byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	content := make(map[string][]byte)
	for _, file := range z.File {
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		if content[file.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var m manifest
	if err := json.Unmarshal(content["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != len(z.File)-1 || len(m.Missing) != 1 {
		t.Errorf("%d files in the manifest, %d in the ZIP, missing %v", len(m.Files), len(z.File), m.Missing)
	}
	for _, file := range m.Files {
		sum := sha256.Sum256(content[file.Name])
		if file.Hash != "sha256:"+hex.EncodeToString(sum[:]) || file.Size != int64(len(content[file.Name])) {
			t.Errorf("%s: hash or size does not fit", file.Name)
		}
	}
	if n := strings.Count(string(content["floor.jsonl"]), "\n"); n != 1 {
		t.Errorf("%d floor events, want the one of the group", n)
	}
}

func TestAnAttachmentsNameStaysInItsFolder(t *testing.T) {
	if got := safeName("../../etc/passwd\x00"); strings.ContainsAny(got, "/\\\x00") {
		t.Error(got)
	}
}

func FuzzRecording(f *testing.F) {
	var b bytes.Buffer
	w, err := newFramedWriter(&b, metaOf(info(codec.PCMA)))
	if err != nil {
		f.Fatal(err)
	}
	if err := w.packet(frame{payload: make([]byte, 160)}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	var o bytes.Buffer
	if _, err := ogg.NewWriter(&o, 1, []string{commentKey + `{"codec":"opus"}`}); err != nil {
		f.Fatal(err)
	}
	f.Add(o.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := newPackets(bytes.NewReader(b))
		if err != nil {
			return
		}
		const limit = 60 * codec.PCMRate
		n := 0
		if err := play(p, limit, func(pcm []int16) error { n += len(pcm); return nil }); err == nil && n > limit+10*codec.PCMRate+codec.MaxPacketSamples {
			t.Fatalf("%d samples of %d octets", n, len(b))
		}
	})
}
