package cluster_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// lying is a way to other nodes on which snapshots are altered.
type lying struct {
	raft.Transport
	harm *atomic.Pointer[func([]byte) []byte]
	sent *atomic.Int64
}

func (l lying) InstallSnapshot(id raft.ServerID, to raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	if harm := l.harm.Load(); harm != nil {
		all, err := io.ReadAll(data)
		if err != nil {
			return err
		}
		all = (*harm)(all)
		args.Size = int64(len(all))
		data = bytes.NewReader(all)
	}
	l.sent.Add(1)
	return l.Transport.InstallSnapshot(id, to, args, resp, data)
}

// cutLog is a log that really has no more what was cut off: within one segment the write-ahead log still gives it.
type cutLog struct{ raft.LogStore }

func (c cutLog) GetLog(index uint64, l *raft.Log) error {
	if first, err := c.FirstIndex(); err != nil || index < first {
		return raft.ErrLogNotFound // compared by ==
	}
	return c.LogStore.GetLog(index, l)
}
func (c cutLog) IsMonotonic() bool { return true }

// TestASnapshotThatIsNotWholeIsRefusedAndTheNodeStaysAsItWas: whatever a leader sends, the state is replaced by a whole one only.
// Each node seals by a key of its own.
func TestASnapshotThatIsNotWholeIsRefusedAndTheNodeStaysAsItWas(t *testing.T) {
	dir := t.TempDir()
	harms := map[string]func([]byte) []byte{
		"an octet altered": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut":              func(b []byte) []byte { return b[:len(b)-40] },
		"rubbish behind":   func(b []byte) []byte { return append(b, 'x') },
		"a mark":           func([]byte) []byte { return []byte("guantong snapshot mark 1\n") },
		"nothing":          func([]byte) []byte { return nil },
		"another version":  func(b []byte) []byte { return append([]byte("guantong snapshot state 2\n"), b[26:]...) },
		"lengths that lie": func(b []byte) []byte { copy(b[60:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"); return b },
	}
	synctest.Test(t, func(t *testing.T) {
		var harm atomic.Pointer[func([]byte) []byte]
		var sent atomic.Int64
		w := newWire()
		w.configure = func(c *cluster.Config) {
			c.Key = bytes.Repeat([]byte(c.NodeID[len(c.NodeID)-1:]), 32)
			c.Transport = lying{c.Transport, &harm, &sent}
			*c = c.UnderLog(func(l raft.LogStore) raft.LogStore { return cutLog{l} })
		}
		first := w.open(t, dir, 1)
		nodes := []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, first)
		propose(t, first, command.MessagePost, message("before"))
		eventually(t, "node-3 to have it", func() bool { return count(t, nodes[2], false, "before") == 1 })
		w.isolate("node-3", true)
		time.Sleep(2 * time.Second) // of the bubble's own time
		eventually(t, "a leader", func() bool { return leading(nodes[:2], nil) != nil })
		propose(t, nodes[0], command.MessagePost, message("evacuation route while it was away"))
		for range 20 {
			propose(t, nodes[0], command.MessagePost, message("more"))
		}
		for _, n := range nodes[:2] {
			if err := n.TakeSnapshot(); err != nil {
				t.Fatal(err)
			}
		}
		propose(t, nodes[0], command.MessagePost, message("and after"))
		nothing := harms["nothing"]
		harm.Store(&nothing)
		w.isolate("node-3", false)
		for name, f := range harms {
			harm.Store(&f)
			before := sent.Load()
			eventually(t, "a snapshot to be sent, and another one: "+name, func() bool { return sent.Load() >= before+2 })
			if got := count(t, nodes[2], false, "before"); got != 1 || nodes[2].Applied() == 0 {
				t.Fatalf("%s: it has lost what it had", name)
			}
			if f := nodes[2].Status().Fault; strings.Contains(f, "state_stopped") {
				t.Fatalf("%s: it has stopped: %s", name, f)
			}
		}
		harm.Store(nil)
		eventually(t, "node-3 to catch up", func() bool { return count(t, nodes[2], false, "and after") == 1 })
		if count(t, nodes[2], false, "evacuation route while it was away") != 1 {
			t.Error("the snapshot's state is not there")
		}
	})
	nothingReadable(t, dir, "evacuation route")
}

func nothingReadable(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			t.Errorf("%s can be read", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// snapshotFiles finds the snapshots on a node's disk.
func snapshotFiles(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "snapshots", "*", "state.bin"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no snapshots: %v", err)
	}
	return found
}

// TestASnapshotThatRottedOnTheDiskIsRefusedByName: the state is lost, and so is the only other place where it was.
func TestASnapshotThatRottedOnTheDiskIsRefusedByName(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{
		"an octet": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut":      func(b []byte) []byte { return b[:len(b)/2] },
		"whole":    func(b []byte) []byte { return b },
	} {
		for _, key := range [][]byte{nil, bytes.Repeat([]byte{7}, 32)} {
			t.Run(fmt.Sprint(name, " sealed ", key != nil), func(t *testing.T) {
				dir := t.TempDir()
				cfg := cluster.Config{Dir: dir, Reserve: 1 << 20, Key: key}
				n, err := cluster.Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				furnish(t, n)
				propose(t, n, command.MessagePost, message("one"))
				if err := errors.Join(n.ExpectOthers().TakeSnapshot(), n.Close()); err != nil {
					t.Fatal(err)
				}
				for _, f := range snapshotFiles(t, dir) {
					b, err := os.ReadFile(f)
					if err == nil {
						err = os.WriteFile(f, harm(b), 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
					t.Fatal(err)
				}
				n, err = cluster.Open(t.Context(), cfg)
				if name == "whole" {
					if err != nil || len(messages(t, n)) != 1 {
						t.Fatal(err)
					}
					_ = n.Close()
					return
				}
				if err == nil || !strings.Contains(err.Error(), "snapshot") {
					t.Fatalf("got %v", err)
				}
			})
		}
	}
}

func TestAMarkIsNoStateForAnotherNode(t *testing.T) {
	if err := cluster.CheckSnapshot(strings.NewReader("guantong snapshot mark 1\n"), false); !errors.Is(err, store.ErrDamaged) {
		t.Error(err)
	}
	if err := cluster.CheckSnapshot(strings.NewReader("guantong snapshot mark 1\n"), true); err != nil {
		t.Error(err)
	}
}

func FuzzCheckSnapshot(f *testing.F) {
	n, err := cluster.Open(f.Context(), cluster.Config{Dir: f.TempDir(), Reserve: 1 << 20})
	if err != nil {
		f.Fatal(err)
	}
	propose(f, n, command.SiteSet, state.Site{Number: 1, Name: "s", Realm: "r"})
	whole, err := n.SavedState()
	if err := errors.Join(err, n.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("guantong snapshot state 1\nguantong state sha256 1\n\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := cluster.CheckSnapshot(bytes.NewReader(data), false); err == nil && !bytes.HasPrefix(data, []byte("guantong snapshot state 1\n")) {
			t.Error("taken")
		}
	})
}
