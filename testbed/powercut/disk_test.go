package powercut

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string, sync bool) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACutLosesWhatWasNotSyncedAndKeepsWhatWas(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a loop device can only be mounted by root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dir := t.TempDir()
	d, err := New(ctx, dir, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for round := range 3 {
		write(t, filepath.Join(d.Path(), "synced"), strings.Repeat("kept", round+1), true)
		write(t, filepath.Join(d.Path(), "cached"), "lost", false)
		if err := d.Cut(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d.Path(), "late"), nil, 0o600); err == nil {
			t.Error("a write after the cut went through")
		}
		if err := d.Unmount(ctx); err != nil {
			t.Fatal(err)
		}
		if err := d.Mount(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(d.Path(), "synced")); err != nil || string(got) != strings.Repeat("kept", round+1) {
			t.Errorf("round %d: synced file: %q, %v", round, got, err)
		}
		if got, err := os.ReadFile(filepath.Join(d.Path(), "cached")); err == nil && string(got) == "lost" {
			t.Errorf("round %d: a file that was only cached survived: this is no power cut", round)
		}
	}
}

func TestADiskInUseLeavesNoLoopDeviceBehind(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a loop device can only be mounted by root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	d, err := New(ctx, t.TempDir(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f, err := os.Create(filepath.Join(d.Path(), "open"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	for {
		out, err := exec.CommandContext(ctx, "losetup", "-j", d.image).CombinedOutput()
		if err != nil {
			t.Fatalf("losetup (Debian package mount): %v: %s", err, out)
		}
		if len(out) == 0 {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("still attached: %s", out)
		}
	}
}
