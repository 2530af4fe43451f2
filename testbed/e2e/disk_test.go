package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/peer"
)

// smallDisk mounts a tmpfs for a test, in a mount namespace that only this test's thread and the processes that it starts are in.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a disk to fill is mounted by root only")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test, and its namespace with it
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) })
	return at
}

// fill takes what is free but so many octets, in a file of its own.
func fill(t *testing.T, dir string, leave uint64) string {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := st.Bavail*uint64(st.Bsize) - leave; n < 1<<40 {
		if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestAFullDiskRefusesWritesAndTalkGoesOn(t *testing.T) {
	disk := smallDisk(t, "256m")
	dir := t.TempDir()
	b, err := open(t.Context(), dir, filepath.Join(disk, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	g := b.group(t, true)
	h, s := sit(t, b.sdk(t, b.person(t, fusion.Operator))), sit(t, b.sdk(t, b.person(t, fusion.Operator)))
	h.join(t, g)
	s.join(t, g)
	write := func() error {
		return b.admin.Call(t.Context(), http.MethodPost, "/messages", map[string]any{"to": []fusion.Number{g}, "text": "还写得下吗", "precedence": "routine"}, nil)
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	ballast := fill(t, disk, 8<<20)
	eventually(t, "writes are refused", func() bool { return write() != nil })
	refused(t, "a message on a full disk", write(), 507, "disk_reserve")
	_, err = promise(t, b.admin, 1_000_000, hashOf(random(1, 10)))
	refused(t, "an upload on a full disk", err, 507, "disk_reserve")
	eventually(t, "the status says so", func() bool {
		var st wire.Status
		return b.admin.Call(t.Context(), http.MethodGet, "/status", nil, &st) == nil && slices.Contains(st.Degraded, "disk_reserve")
	})
	if n := b.metric(t, `guantong_api_refused_total{fault="full"}`); n < 2 {
		t.Errorf("%v refusals for a full disk were counted", n)
	}
	s.press(t, g)
	sent := s.say(t, 50)
	eventually(t, "talk goes on", func() bool { return h.heard.Load() >= int64(sent) })
	if err := s.session.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "writes work again", func() bool {
		err := write()
		var r *peer.Refusal
		return err == nil || !errors.As(err, &r)
	})
	if err := write(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	select {
	case <-b.Done():
		t.Errorf("the server has ended: %v", b.Err())
	default:
	}
}
