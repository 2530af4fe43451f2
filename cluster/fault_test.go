package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/raftlog"
	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/disk"
)

// failing is a LogStore on a disk that fails on demand.
type failing struct {
	raft.LogStore
	disk disk.Switch
}

func (f *failing) StoreLogs(l []*raft.Log) error {
	return f.disk.Do(func() error { return f.LogStore.StoreLogs(l) })
}
func (f *failing) IsMonotonic() bool { return true }

func TestAHangingDiskEndsTheNodeAndANewStartGoesOn(t *testing.T) {
	f := &failing{}
	cfg := cluster.Config{Dir: t.TempDir(), Reserve: 1 << 20, WriteDeadline: 300 * time.Millisecond}
	n, err := cluster.Open(t.Context(), cfg.UnderLog(func(l raft.LogStore) raft.LogStore { f.LogStore = l; return f }))
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, n)
	ran := make(chan error, 1)
	go func() { ran <- n.Run(context.Background()) }()
	f.disk.Hang()
	cmd, err := n.Command(command.MessagePost, fusion.ID{}, "zhang", message("hangs"))
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := n.Propose(t.Context(), cmd); err == nil {
		t.Error("accepted by a disk that hangs")
	} else {
		t.Logf("refused after %v: %v", time.Since(begun), err)
	}
	if err := <-ran; !errors.Is(err, raftlog.ErrDeadline) {
		t.Errorf("Run gave %v", err)
	}
	if _, err := n.Propose(t.Context(), cmd); fusion.ReasonOf(err) != "log_failed" {
		t.Errorf("after it failed: %v", err)
	}
	if err := n.View(func(v *state.View) error { _, err := v.Unit(10001); return err }); err != nil {
		t.Errorf("reads go on: %v", err)
	}
	f.disk.Heal()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, cfg.Dir)
	if res, err := n.Propose(t.Context(), cmd); err != nil || res.Err() != nil {
		t.Fatalf("the same command after the repair: %+v, %v", res, err)
	}
}

func TestASnapshotCutsTheLogAndTheStateGoesOn(t *testing.T) {
	dir := t.TempDir()
	n := open(t, dir)
	furnish(t, n)
	for i := range 50 {
		propose(t, n, command.MessagePost, message(fmt.Sprint(i)))
	}
	if err := n.TakeSnapshot(); err != nil {
		t.Fatal(err)
	}
	propose(t, n, command.MessagePost, message("after"))
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, dir)
	propose(t, n, command.MessagePost, message("after the start"))
	if got := len(messages(t, n)); got != 52 {
		t.Fatalf("%d messages", got)
	}
}

func messages(t *testing.T, n *cluster.Node) []state.Message {
	t.Helper()
	var out []state.Message
	err := n.View(func(v *state.View) (err error) {
		out, err = v.Messages(state.MessageFilter{Limit: state.MaxLimit})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestALostStateIsRebuiltFromTheLogOrRefused(t *testing.T) {
	dir := t.TempDir()
	n := open(t, dir)
	furnish(t, n)
	propose(t, n, command.MessagePost, message("one"))
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	n = open(t, dir)
	if got := len(messages(t, n)); got != 1 {
		t.Fatalf("%d messages after the state was rebuilt from the log", got)
	}
	if err := n.TakeSnapshot(); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Open(t.Context(), cluster.Config{Dir: dir, Reserve: 1 << 20}); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("the state is gone and the log is cut: %v", err)
	}
}

func TestALogThatLostEntriesIsRefused(t *testing.T) {
	dir := t.TempDir()
	n := open(t, dir)
	furnish(t, n)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Open(t.Context(), cluster.Config{Dir: dir, Reserve: 1 << 20}); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("got %v", err)
	}
}

func TestADirectoryServesOneNodeAtATime(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := cluster.Open(t.Context(), cluster.Config{Dir: dir, Reserve: 1 << 20}); err == nil {
		t.Fatal("opened twice")
	}
}

func TestASealedNodeKeepsNothingReadable(t *testing.T) {
	dir := t.TempDir()
	key := []byte("0123456789abcdef0123456789abcdef")
	n, err := cluster.Open(t.Context(), cluster.Config{Dir: dir, Reserve: 1 << 20, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, n)
	propose(t, n, command.MessagePost, message("机密：撤离路线 evacuation route"))
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && (bytes.Contains(data, []byte("evacuation")) || bytes.Contains(data, []byte("抢险一队"))) {
			t.Errorf("%s can be read", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Open(t.Context(), cluster.Config{Dir: dir, Reserve: 1 << 20}); err == nil {
		t.Error("opened without the key")
	}
}

func TestRetentionIsProposedWhenDue(t *testing.T) {
	n := open(t, t.TempDir())
	furnish(t, n)
	m := message("short-lived")
	m.Lifetime = 1
	propose(t, n, command.MessagePost, m)
	before := n.Status().LastIndex
	if err := n.Retain(); err != nil {
		t.Fatal(err)
	}
	if after := n.Status().LastIndex; after != before {
		t.Errorf("nothing is due, and yet %d entries were written", after-before)
	}
	expired := m
	expired.At = state.Millis(time.Now().Add(-time.Hour).UnixMilli())
	propose(t, n, command.MessagePost, expired)
	if err := n.Retain(); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, n); !got[0].Expired || got[1].Expired {
		t.Fatalf("%+v", got)
	}
}

// TestALogThatRottedIsRefusedAndCanBeLeftBehind: the state has what the log cannot give any more.
func TestALogThatRottedIsRefusedAndCanBeLeftBehind(t *testing.T) {
	dir := t.TempDir()
	n := open(t, dir)
	furnish(t, n)
	for range 20 {
		propose(t, n, command.MessagePost, message("rots away"))
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "log", "*.wal"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte("rots away"))] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := cluster.Config{Dir: dir, Reserve: 1 << 20}
	if _, err := cluster.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "altered on the disk: ") {
		t.Fatalf("got %v", err)
	}
	if _, err := cluster.Refound(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if got := len(messages(t, open(t, dir))); got != 20 {
		t.Errorf("%d messages", got)
	}
}
