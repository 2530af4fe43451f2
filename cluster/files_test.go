package cluster_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/shelf"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// disks is what each node of a site has on its disk, and who can be reached.
type disks struct {
	w  *wire
	mu sync.Mutex
	on map[string]map[string]bool // by node, then by content
}

func (d *disks) put(node, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.on[node] == nil {
		d.on[node] = make(map[string]bool)
	}
	d.on[node][name] = true
}

func (d *disks) has(node, name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.on[node][name]
}

// nodeDisk is the disks as one node sees them.
type nodeDisk struct {
	*disks
	self string
}

func (d nodeDisk) Has(name string) bool { return d.has(d.self, name) }

func (d nodeDisk) Spread(_ context.Context, names []string, voters []shelf.Peer) error {
	for _, name := range names {
		holders, answer := 0, 0
		var lacking []string
		for _, v := range voters {
			d.w.mu.Lock()
			cut := v.Node != d.self && (d.w.cut[v.Node] || d.w.cut[d.self])
			d.w.mu.Unlock()
			switch {
			case cut:
			case d.has(v.Node, name):
				answer++
				holders++
			default:
				answer++
				lacking = append(lacking, v.Node)
			}
		}
		need := len(voters)/2 + 1
		if holders == 0 && answer == len(voters) {
			return fusion.E(fusion.NotFound, "file_nowhere", "%s", name)
		}
		if answer < need || holders == 0 {
			return fusion.E(fusion.CutOff, "files_not_spread", "%s", name)
		}
		for ; holders < need; holders++ {
			d.put(lacking[0], name)
			lacking = lacking[1:]
		}
	}
	return nil
}

func (d *disks) holders(name string) (n int) {
	for i := range 3 {
		if d.has(fmt.Sprint("node-", i+1), name) {
			n++
		}
	}
	return n
}

func attachment(letter string) state.Attachment {
	return state.Attachment{Hash: "sha256:" + strings.Repeat(letter, 64), Name: "x.jpg", Type: "image/jpeg", Size: 1}
}

func withFile(text string, a state.Attachment) state.Message {
	m := message(text)
	m.Attachments = []state.Attachment{a}
	return m
}

func hold(t *testing.T, n *cluster.Node, k command.Type, payload any) (held bool, err error) {
	t.Helper()
	cmd, err := n.Command(k, fusion.ID{}, "zhang", payload)
	if err != nil {
		t.Fatal(err)
	}
	res, held, err := n.ProposeOrHold(t.Context(), cmd)
	if err == nil {
		err = res.Err()
	}
	return held, err
}

// siteWithFiles is three voters that look after the files which commands name.
func siteWithFiles(t *testing.T, dir string) (*disks, []*cluster.Node) {
	w := newWire()
	d := &disks{w: w, on: make(map[string]map[string]bool)}
	w.files = func(id string) cluster.Files { return nodeDisk{d, id} }
	first := w.open(t, dir, 1)
	return d, []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}
}

func TestAMajorityHasTheFilesBeforeTheCommandThatNamesThem(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d, nodes := siteWithFiles(t, dir)
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[1])
		a := attachment("a")
		d.put("node-2", a.Hash)
		propose(t, nodes[1], command.FileStored, a)
		if n := d.holders(a.Hash); n != 2 {
			t.Fatalf("%d nodes have it", n)
		}
		propose(t, nodes[2], command.MessagePost, withFile("by a node that had nothing", a))
		cmd, err := nodes[0].Command(command.FileStored, fusion.ID{}, "zhang", attachment("b"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nodes[0].Propose(t.Context(), cmd); fusion.ReasonOf(err) != "file_nowhere" {
			t.Errorf("a file that is nowhere: %v", err)
		}
	})
}

func TestFilesOfAnIslandGoFirstWhenItReturns(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d, nodes := siteWithFiles(t, dir)
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[1])
		cut := leading(nodes, nil)
		id := cut.Status().NodeID
		d.w.isolate(id, true)
		here, gone, elsewhere := attachment("a"), attachment("b"), attachment("c")
		d.put(id, here.Hash)
		d.put(id, gone.Hash)
		for _, step := range []struct {
			t command.Type
			v any
		}{{command.FileStored, here}, {command.FileStored, gone}, {command.MessagePost, withFile("whole", here)},
			{command.MessagePost, withFile("its file is lost", gone)}, {command.MessagePost, message("plain")}} {
			if held, err := hold(t, cut, step.t, step.v); !held || err != nil {
				t.Fatalf("%v: held %t, %v", step.v, held, err)
			}
		}
		if held, err := hold(t, cut, command.MessagePost, withFile("not here", elsewhere)); held || fusion.ReasonOf(err) != "files_not_here" {
			t.Errorf("its file is not here: held %t, %v", held, err)
		}
		if files, err := cut.HeldFiles(); err != nil || len(files) != 2 || !files[here.Hash] {
			t.Errorf("held files: %v, %v", files, err)
		}
		d.mu.Lock()
		delete(d.on[id], gone.Hash) // a disk that rots
		d.mu.Unlock()
		d.w.isolate(id, false)
		eventually(t, "the outbox to be empty", func() bool { return cut.Held() == 0 })
		for text, want := range map[string]int{"whole": 1, "its file is lost": 1, "plain": 1} {
			if got := count(t, cut, true, text); got != want {
				t.Errorf("%s: %d times", text, got)
			}
		}
		if n := d.holders(here.Hash); n != 2 {
			t.Errorf("%d nodes have it", n)
		}
		if files, err := cut.HeldFiles(); err != nil || len(files) != 0 {
			t.Errorf("held files: %v, %v", files, err)
		}
	})
}

// stubborn cannot spread one content for a while.
type stubborn struct {
	nodeDisk
	name string
	mu   *sync.Mutex
	full *bool
}

func (s stubborn) Spread(ctx context.Context, names []string, voters []shelf.Peer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *s.full && names[0] == s.name {
		return fusion.E(fusion.CutOff, "files_not_spread", "the other disks are full")
	}
	return s.nodeDisk.Spread(ctx, names, voters)
}

func TestWhatWaitsForItsFilesDoesNotHoldUpTheRest(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		d := &disks{w: w, on: make(map[string]map[string]bool)}
		large, full, mu := attachment("a"), true, sync.Mutex{}
		w.files = func(id string) cluster.Files { return stubborn{nodeDisk{d, id}, large.Hash, &mu, &full} }
		first := w.open(t, dir, 1)
		nodes := []*cluster.Node{first, w.join(t, dir, first, 2), w.join(t, dir, first, 3)}
		defer runAll(t, nodes)()
		eventually(t, "three voters", func() bool { return voters(nodes[0]) == 3 && voters(nodes[2]) == 3 })
		furnish(t, nodes[1])
		d.put("node-2", large.Hash)
		for _, step := range []struct {
			t command.Type
			v any
		}{{command.FileStored, large}, {command.MessagePost, withFile("large", large)}} {
			if held, err := hold(t, nodes[1], step.t, step.v); !held || err != nil {
				t.Fatalf("held %t, %v", held, err)
			}
		}
		w.isolate("node-2", true)
		if held, err := hold(t, nodes[1], command.MessagePost, message("behind it")); !held || err != nil {
			t.Fatalf("held %t, %v", held, err)
		}
		w.isolate("node-2", false)
		eventually(t, "what is behind it", func() bool { return nodes[1].Held() == 2 && count(t, nodes[1], false, "behind it") == 1 })
		mu.Lock()
		full = false
		mu.Unlock()
		eventually(t, "the outbox to be empty", func() bool { return nodes[1].Held() == 0 })
		if got := count(t, nodes[1], true, "large"); got != 1 {
			t.Errorf("%d times", got)
		}
	})
}

// The real shelf on a node that is alone: what it names must be on its disk.
func TestANodeThatIsAloneNamesOnlyWhatItHas(t *testing.T) {
	dir := t.TempDir()
	d := &disks{on: make(map[string]map[string]bool), w: newWire()}
	n, err := cluster.Open(t.Context(), cluster.Config{Dir: filepath.Join(dir, "alone"), Reserve: 1 << 20, Files: nodeDisk{d, "node-1"}, Rand: rand.Reader, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	cmd, err := n.Command(command.FileStored, fusion.ID{}, "zhang", attachment("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(t.Context(), cmd); fusion.ReasonOf(err) != "file_nowhere" {
		t.Errorf("%v", err)
	}
	d.put("node-1", attachment("a").Hash)
	propose(t, n, command.FileStored, attachment("a"))
}
