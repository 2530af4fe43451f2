package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/fusion"
)

// refuses runs a command that is to fail, and gives what it says.
func (r *realSite) refuses(n *siteNode, words ...string) string {
	r.t.Helper()
	err := run(r.t.Context(), slices.Insert(words, 1, "-config", n.config), &bytes.Buffer{}, &bytes.Buffer{})
	if err == nil {
		r.t.Fatalf("%v was done", words)
	}
	return err.Error()
}

// posted sends messages and gives their IDs.
func (r *realSite) posted(n *siteNode, count int) (ids []fusion.ID) {
	r.t.Helper()
	for range count {
		var id fusion.ID
		_, _ = rand.Read(id[:])
		if err := n.post(r.t.Context(), id); err != nil {
			r.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestABackupOfARunningSiteIsRestoredAsANewIncarnation(t *testing.T) {
	r := newRealSite(t)
	first := r.found()
	kept := r.posted(first, 5)
	to, key := filepath.Join(t.TempDir(), "a backup"), filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0f", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := r.command(first, "backup", "-to", to, "-key", key); !strings.Contains(said, "backed up: site 1") {
		t.Fatal(said)
	}
	kept = append(kept, r.posted(first, 5)...)
	r.command(first, "backup", "-to", to, "-key", key) // brought up to date
	r.posted(first, 1)                                 // is not in it
	if said := r.refuses(first, "backup", "-to", filepath.Join(first.Data(), "b")); !strings.Contains(said, "within the data directory") {
		t.Error(said)
	}
	if said := r.refuses(first, "restore", "-from", to, "-key", key); !strings.Contains(said, "empty data directory") && !strings.Contains(said, "in use") {
		t.Errorf("into a directory that is served: %s", said)
	}
	before := r.incarnationAt(first)
	first.Kill()
	if said := r.refuses(first, "restore", "-from", to, "-key", key); !strings.Contains(said, "empty data directory") {
		t.Errorf("into a directory that holds a site: %s", said)
	}

	again := r.prepare("node-9", "")
	if said := r.refuses(again, "restore", "-from", to); !strings.Contains(said, "sealed") {
		t.Errorf("without the key: %s", said)
	}
	if said := r.command(again, "restore", "-check", "-from", to, "-key", key); !strings.Contains(said, "whole: site 1") {
		t.Error(said)
	}
	if _, err := os.Stat(again.Data()); err == nil {
		t.Error("a check makes a data directory")
	}
	harm(t, to, func(object string) {
		if said := r.refuses(again, "restore", "-from", to, "-key", key); !strings.Contains(said, "damaged") {
			t.Errorf("%s: %s", object, said)
		}
	})
	if said := r.refuses(again, "init"); !strings.Contains(said, "half way through") {
		t.Errorf("a directory that is half restored is used: %s", said)
	}
	if said := r.command(again, "restore", "-from", to, "-key", key); !strings.Contains(said, "restored: site 1") {
		t.Error(said)
	}
	again.User, again.Pass = first.User, first.Pass
	r.nodes = []*siteNode{again}
	r.again(again)
	have := r.messages(again)
	for _, id := range kept {
		if have[id.String()] != 1 {
			t.Errorf("message %s is there %d times", id, have[id.String()])
		}
	}
	if len(have) != len(kept) {
		t.Errorf("%d messages, want %d", len(have), len(kept))
	}
	if after := r.incarnationAt(again); after>>32 != before>>32+1 || before>>32 != 1 {
		t.Errorf("incarnation %x after %x", after, before)
	}
	r.posted(again, 1)
	// Others can join it.
	r.join("node-10")
	r.until(20e9, "both to have the same state", func() bool { return r.command(again, "state", "hash") == r.command(r.nodes[1], "state", "hash") })
	r.until(20e9, "the newcomer to have everything", func() bool { return r.apart() == 0 && len(r.messages(r.nodes[1])) == len(kept)+1 })
}

// incarnationAt reads of which incarnation a node is.
func (r *realSite) incarnationAt(n *siteNode) uint64 {
	r.t.Helper()
	i, err := (config{Data: n.Data()}).incarnation()
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

// harm alters the objects of a backup, one after the other, and puts them right again.
func harm(t *testing.T, dir string, f func(object string)) {
	t.Helper()
	objects, err := filepath.Glob(filepath.Join(dir, "objects", "*", "*"))
	if err != nil || len(objects) < 3 {
		t.Fatal(objects, err)
	}
	for _, o := range append(objects, filepath.Join(dir, "manifest")) {
		b, err := os.ReadFile(o)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(b)
		bad[len(bad)/2] ^= 1
		if err := os.WriteFile(o, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		f(filepath.Base(o))
		if err := os.WriteFile(o, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
