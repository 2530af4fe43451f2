package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// cutPower panics in place of a step, as if the power went before it.
type cutPower struct {
	Files
	before, after bool
}

func (c cutPower) Adopt(path string) (string, int64, error) {
	if c.before {
		panic("power")
	}
	name, size, err := c.Files.Adopt(path)
	if c.after {
		panic("power")
	}
	return name, size, err
}

func TestAPowerCutAtAnyStepOfIndexingLosesNothingAndRepeatsNothing(t *testing.T) {
	steps := map[string]func(f *fixture){
		"before the file is stored":     func(f *fixture) { f.cfg.Files = cutPower{Files: f.cfg.Files, before: true} },
		"after the file is stored":      func(f *fixture) { f.cfg.Files = cutPower{Files: f.cfg.Files, after: true} },
		"before the entry is committed": func(f *fixture) { f.cfg.Index = func(context.Context, state.Burst) error { panic("power") } },
		"after the entry is committed": func(f *fixture) {
			f.cfg.Index = func(ctx context.Context, b state.Burst) error { _ = f.index(ctx, b); panic("power") }
		},
	}
	for name, arrange := range steps {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir)
			arrange(f)
			rec := f.Begin(info(codec.Opus))
			say(t, rec, codec.Opus, 50)
			rec.End("released", time.Now())
			f.drain(time.Now())
			func() {
				defer func() { _ = recover() }()
				f.indexSome(t.Context(), f.take())
			}()
			for range 2 { // and once more after that start
				f = open(t, dir)
				if rest := f.indexSome(t.Context(), crashed(f)); len(rest) > 0 {
					t.Fatal("not indexed at the next start")
				}
				for _, b := range f.bursts() {
					if b.ID != (fusion.ID{1, byte(codec.Opus)}) || b.EndCause != "released" {
						t.Errorf("%+v", b)
					}
					audio, _, err := f.Audio(b, false)
					if err != nil {
						t.Fatal(err)
					}
					_ = audio.Close()
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, doneDir, "*")); len(left) > 0 || len(f.bursts()) > 0 {
				t.Errorf("left behind: %v, indexed again: %v", left, f.bursts())
			}
		})
	}
}

func crashed(f *fixture) (list []waiting) {
	for _, name := range f.crash {
		list = append(list, waiting{name: name})
	}
	return list
}

func TestAFullDiskEndsTheRecordingKeepsWhatWasWrittenAndIsOverWhenThereIsRoom(t *testing.T) {
	f := open(t, t.TempDir())
	full := false
	f.cfg.Room = func(int64) error {
		if full {
			return errors.New("at the reserve")
		}
		return nil
	}
	now := time.Now()
	rec := f.Begin(info(codec.Opus))
	say(t, rec, codec.Opus, 50)
	f.drain(now)
	now = time.Now() // to speak takes its time on a slow machine
	full = true
	say(t, rec, codec.Opus, 1)
	f.drain(now.Add(3 * time.Second))
	if s := f.Stats(); !s.Broken || s.Failed != 1 {
		t.Fatalf("%+v", s)
	}
	other := talk.BurstInfo{Info: info(codec.Opus).Info, Start: now, Codec: "opus"}
	other.Burst = fusion.ID{2}
	lost := f.Begin(other)
	say(t, lost, codec.Opus, 10)
	lost.End("released", now)
	rec.End("released", now)
	f.drain(now.Add(4 * time.Second))
	full = false
	f.drain(now.Add(20 * time.Second))
	if s := f.Stats(); s.Broken || s.Active != 0 {
		t.Errorf("there is room again: %+v", s)
	}
	b := f.run(t, 1)
	if len(b) != 1 || b[0].EndCause != "interrupted" || b[0].Duration < 980 {
		t.Errorf("what was written before: %+v", b)
	}
	if left, _ := filepath.Glob(filepath.Join(f.dir, liveDir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTwoBurstsWithOneIDAreBothKept(t *testing.T) {
	f := open(t, t.TempDir())
	for range 2 {
		rec := f.Begin(info(codec.Opus))
		say(t, rec, codec.Opus, 20)
		rec.End("released", time.Now())
	}
	if b := f.run(t, 2); b[0].ID == b[1].ID {
		t.Error("both have one ID: the index would keep one")
	}
}

func TestARecorderThatStopsIndexesWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		rec := f.Begin(info(codec.PCMA))
		say(t, rec, codec.PCMA, 30)
		still := f.Begin(info(codec.Opus))
		say(t, still, codec.Opus, 30)
		rec.End("left", time.Now())
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if b := f.bursts(); len(b) != 2 {
			t.Errorf("%d of 2 bursts indexed: %+v", len(b), b)
		}
	})
}

func TestABurstThatTheRecordNeverTakesDoesNotHoldUpTheOthers(t *testing.T) {
	f := open(t, t.TempDir())
	f.cfg.Index = func(ctx context.Context, b state.Burst) error {
		if b.Codec == codec.PCMA.String() {
			return fusion.E(fusion.BadRequest, "bad_burst", "")
		}
		return f.index(ctx, b)
	}
	for _, id := range []codec.ID{codec.PCMA, codec.Opus} {
		rec := f.Begin(info(id))
		say(t, rec, id, 20)
		rec.End("released", time.Now())
	}
	f.run(t, 1)
	if bad, _ := filepath.Glob(filepath.Join(f.dir, "*.bad")); len(bad) != 1 {
		t.Errorf("set aside: %v", bad)
	}
}

func TestALongRecordingIsMeasuredWhole(t *testing.T) {
	dir := t.TempDir()
	i := info(codec.PCMA)
	s, err := newSink(dir, i.Burst.String(), metaOf(i), codec.PCMA)
	if err != nil {
		t.Fatal(err)
	}
	const minutes = 31
	payload := make([]byte, 160)
	var b []byte
	for n := range minutes * 60 { // one packet a second: what is missing counts too
		b = appendFrame(b[:0], frame{seq: uint16(n), stamp: uint32(n * 8000), payload: payload})
		if err := s.frames(b); err != nil {
			t.Fatal(err)
		}
	}
	name, err := s.finish(dir, "released")
	if err != nil {
		t.Fatal(err)
	}
	got, err := describe(filepath.Join(dir, name))
	if err != nil || got.Duration != minutes*60*1000-980 || len(got.Peaks) != peakCount {
		t.Errorf("%d ms of %d min, %v", got.Duration, minutes, err)
	}
}

func TestTheFloorLogGoesOnAfterATornLineAndAFailedWrite(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	if err := os.WriteFile(floorFile(dir, at), []byte(`{"at":"2026-03-01T08`), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &dayFile{dir: dir}
	for i := range 3 {
		if err := d.write(talk.FloorEvent{At: at, Kind: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			_ = d.f.Close() // what is written from here on fails
		}
		d.flush()
	}
	d.close()
	var kinds string
	err := NewFloorLog(dir).Between(at.Add(-time.Hour), at.Add(time.Hour), nil, func(e talk.FloorEvent) error { kinds += e.Kind; return nil })
	if err != nil || kinds != "02" {
		t.Errorf("read %q, %v", kinds, err)
	}
}
