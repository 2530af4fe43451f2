package raftlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/raftlog"
	"github.com/guantong-net/guantong/testbed/disk"
)

// faulty is a LogStore and StableStore on a disk that fails on demand.
type faulty struct {
	*raft.InmemStore
	disk.Switch
}

func (f *faulty) StoreLogs(l []*raft.Log) error {
	return f.Do(func() error { return f.InmemStore.StoreLogs(l) })
}
func (f *faulty) StoreLog(l *raft.Log) error { return f.StoreLogs([]*raft.Log{l}) }
func (f *faulty) SetUint64(k []byte, v uint64) error {
	return f.Do(func() error { return f.InmemStore.SetUint64(k, v) })
}

func entry(i uint64) *raft.Log {
	return &raft.Log{Index: i, Term: 1, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d of the secret log", i)}
}

func TestAHangingDiskFailsTheLogWithinTheDeadlineAndForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faulty{InmemStore: raft.NewInmemStore()}
		l := raftlog.Wrap(f, f, time.Second)
		if err := l.StoreLog(entry(1)); err != nil {
			t.Fatal(err)
		}
		f.Hang()
		begun := time.Now()
		err := l.StoreLogs([]*raft.Log{entry(2)})
		if !errors.Is(err, raftlog.ErrDeadline) || !errors.Is(err, raftlog.ErrFailed) || time.Since(begun) != time.Second {
			t.Fatalf("got %v after %v", err, time.Since(begun))
		}
		<-l.Failed()
		f.Heal()
		for what, err := range map[string]error{
			"store": l.StoreLog(entry(2)), "delete": l.DeleteRange(1, 1), "vote": l.SetUint64([]byte("CurrentTerm"), 2), "set": l.Set([]byte("a"), nil),
		} {
			if !errors.Is(err, raftlog.ErrFailed) {
				t.Errorf("%s on a healed disk: %v", what, err)
			}
		}
		if f.Hung() != 1 {
			t.Errorf("%d writes went to a disk that hangs", f.Hung())
		}
		var got raft.Log
		if err := l.GetLog(1, &got); err != nil {
			t.Errorf("reads go on: %v", err)
		}
	})
}

func TestAFailingWriteFailsTheLogForGood(t *testing.T) {
	f := &faulty{InmemStore: raft.NewInmemStore()}
	l := raftlog.Wrap(f, f, time.Minute)
	broken := errors.New("I/O error")
	f.Fail(broken)
	if err := l.SetUint64([]byte("CurrentTerm"), 1); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	f.Heal()
	if err := l.StoreLog(entry(1)); !errors.Is(err, raftlog.ErrFailed) || !errors.Is(l.Err(), broken) {
		t.Fatalf("got %v", err)
	}
}

func open(t *testing.T, dir string, key []byte) *raftlog.Log {
	t.Helper()
	l, c, err := raftlog.Open(raftlog.Options{Dir: dir, Deadline: time.Minute, Key: key, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // closed twice by some: the second time says so
	return l
}

func fill(t *testing.T, l *raftlog.Log, from, to uint64) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := l.StoreLog(entry(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// segment finds the one segment file and where its content ends.
func segment(t *testing.T, dir string) (name string, data []byte, end int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil || len(files) != 1 {
		t.Fatalf("segments %v, %v", files, err)
	}
	if data, err = os.ReadFile(files[0]); err != nil {
		t.Fatal(err)
	}
	return files[0], data, len(bytes.TrimRight(data, "\x00"))
}

func TestATornTailIsCutOffAndTheLogGoesOn(t *testing.T) {
	for _, torn := range []struct {
		name string
		tear func(data []byte, end int)
	}{
		{"the last octets never came", func(data []byte, end int) { clear(data[end-10 : end]) }},
		{"rubbish behind the end", func(data []byte, end int) {
			copy(data[end+8:], "\x01\x00\x00\x00rubbish of a sector that was half written")
		}},
		{"the last entry altered", func(data []byte, end int) { data[end-20] ^= 0xff }},
	} {
		t.Run(torn.name, func(t *testing.T) {
			dir := t.TempDir()
			l, c, err := raftlog.Open(raftlog.Options{Dir: dir, Deadline: time.Minute, Logger: hclog.NewNullLogger()})
			if err != nil {
				t.Fatal(err)
			}
			fill(t, l, 1, 10)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			name, data, end := segment(t, dir)
			torn.tear(data, end)
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			l = open(t, dir, nil)
			last, err := l.LastIndex()
			if err != nil || last < 9 || last > 10 {
				t.Fatalf("last %d, %v", last, err)
			}
			fill(t, l, last+1, 20)
			for i := uint64(1); i <= 20; i++ {
				var got raft.Log
				if err := l.GetLog(i, &got); err != nil || !bytes.Equal(got.Data, entry(i).Data) {
					t.Fatalf("entry %d: %q, %v", i, got.Data, err)
				}
			}
		})
	}
}

func TestASealedLogIsUselessWithoutItsKey(t *testing.T) {
	dir, key := t.TempDir(), bytes.Repeat([]byte{7}, 32)
	l, c, err := raftlog.Open(raftlog.Options{Dir: dir, Deadline: time.Minute, Key: key, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, l, 1, 3)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, data, _ := segment(t, dir); bytes.Contains(data, []byte("secret")) {
		t.Error("the log can be read on the disk")
	}
	var got raft.Log
	l, c, err = raftlog.Open(raftlog.Options{Dir: dir, Deadline: time.Minute, Key: bytes.Repeat([]byte{8}, 32), Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.GetLog(2, &got); !errors.Is(err, raftlog.ErrSealed) {
		t.Errorf("another key: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir, key).GetLog(2, &got); err != nil || !bytes.Equal(got.Data, entry(2).Data) {
		t.Errorf("%q, %v", got.Data, err)
	}
}

func TestTheLatencyIsOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &slow{faulty: &faulty{InmemStore: raft.NewInmemStore()}}
		l := raftlog.Wrap(f, f, time.Minute)
		if got := l.Latency(); got != (raftlog.Latency{}) || l.Slower(0) != 0 {
			t.Fatalf("of nothing: %+v", got)
		}
		for i := range uint64(200) {
			f.takes = 10 * time.Millisecond
			if i >= 196 {
				f.takes = 600 * time.Millisecond
			}
			if err := l.StoreLog(entry(i + 1)); err != nil {
				t.Fatal(err)
			}
		}
		if got := l.Latency(); got != (raftlog.Latency{P50: 10 * time.Millisecond, P99: 600 * time.Millisecond, Samples: 200}) || l.Slower(500*time.Millisecond) != 4 || l.Slower(600*time.Millisecond) != 0 {
			t.Fatalf("%+v, %d slower", got, l.Slower(500*time.Millisecond))
		}
		time.Sleep(61 * time.Second) // of the bubble's own time
		if got := l.Latency(); got.Samples != 0 {
			t.Fatalf("a minute later: %+v", got)
		}
	})
}

// slow takes its time.
type slow struct {
	*faulty
	takes time.Duration
}

func (s *slow) StoreLogs(l []*raft.Log) error {
	time.Sleep(s.takes) // of the bubble's own time
	return s.faulty.StoreLogs(l)
}
func (s *slow) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// TestASegmentThatRottedInItsMiddleGivesNothingFalse: the write-ahead log itself would not notice.
func TestASegmentThatRottedInItsMiddleGivesNothingFalse(t *testing.T) {
	for _, key := range [][]byte{nil, bytes.Repeat([]byte{7}, 32)} {
		dir := t.TempDir()
		l, c, err := raftlog.Open(raftlog.Options{Dir: dir, Deadline: time.Minute, Key: key, Logger: hclog.NewNullLogger()})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, l, 1, 50)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		name, data, end := segment(t, dir)
		at := end/2 + 20
		if key == nil {
			at = bytes.Index(data, []byte("entry 25 of")) + 2
		}
		data[at] ^= 0xff
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, c, err = raftlog.Open(raftlog.Options{Dir: dir, Deadline: time.Minute, Key: key, Logger: hclog.NewNullLogger()})
		if err != nil {
			continue // refused
		}
		last, err := l.LastIndex()
		if err != nil {
			t.Fatal(err)
		}
		bad := 0
		for i := uint64(1); i <= last; i++ {
			var got raft.Log
			switch err := l.GetLog(i, &got); {
			case err != nil:
				bad++
			case !bytes.Equal(got.Data, entry(i).Data):
				t.Errorf("sealed %v: entry %d of %d is another one: %q, %v", key != nil, i, last, got.Data, err)
			}
		}
		if bad == 0 {
			t.Errorf("sealed %v: %d of %d entries are refused", key != nil, bad, last)
		}
		_ = c.Close()
	}
}
