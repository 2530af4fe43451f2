package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// town is three recorders of one site, and what is indexed there.
type town struct {
	t      *testing.T
	nodes  map[string]*fixture
	dead   map[string]bool
	quorum bool

	mu    sync.Mutex
	index map[fusion.ID]state.Burst
	times int
	lost  bool // contents are to be had from nobody
	rest  map[string][]waiting
}

func newTown(t *testing.T) *town {
	c := &town{t: t, nodes: make(map[string]*fixture), dead: make(map[string]bool), index: make(map[fusion.ID]state.Burst), quorum: true, rest: make(map[string][]waiting)}
	for _, id := range []string{"node-1", "node-2", "node-3"} {
		c.open(id, t.TempDir())
	}
	return c
}

// open opens a node's recorder on a directory, as a start does.
func (c *town) open(id, dir string) {
	f := open(c.t, dir)
	f.cfg.Node, f.cfg.Site, f.cfg.Entry, f.cfg.Index, f.cfg.IndexCopy = id, neighbours{c, id}, c.entry, c.commit, c.commit
	c.nodes[id] = f
}

func (c *town) entry(id fusion.ID) (state.Burst, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.index[id]
	return b, ok, nil
}

func (c *town) commit(_ context.Context, b state.Burst) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.quorum {
		return fusion.E(fusion.CutOff, "no_leader", "")
	}
	c.times++
	if old, there := c.index[b.ID]; !there || b.Fuller(old) {
		c.index[b.ID] = b
	}
	return nil
}

// neighbours is the town as one node sees it.
type neighbours struct {
	*town
	self string
}

func (n neighbours) Alive(node string) bool { return !n.dead[node] }

func (n neighbours) Copies(_ context.Context, id fusion.ID) map[string]Held {
	out := make(map[string]Held)
	for node, f := range n.nodes {
		if node != n.self && !n.dead[node] {
			out[node] = f.Held(id)
		}
	}
	return out
}

func (n neighbours) Located(context.Context, string) bool { return !n.lost }

// speak lets a burst be heard by all nodes; by each one some of it is missed.
func (c *town) speak(id codec.ID, origin string, missed map[string][]int) fusion.ID {
	c.t.Helper()
	var burst fusion.ID
	for node, f := range c.nodes {
		b := info(id)
		burst = b.Burst
		if node != origin {
			b.Origin = origin
		}
		rec := f.Begin(b)
		say(c.t, rec, id, 50, missed[node]...)
		rec.End("released", time.Now())
		f.drain(time.Now())
	}
	return burst
}

// settle lets every node that lives decide about its copies, and index its own.
func (c *town) settle(after time.Duration) {
	for _, node := range []string{"node-3", "node-2", "node-1"} {
		if f := c.nodes[node]; !c.dead[node] {
			c.rest[node] = f.indexSome(c.t.Context(), append(c.rest[node], append(crashed(f), f.take()...)...))
			f.crash = nil
			f.settleSome(c.t.Context(), time.Now().Add(after))
		}
	}
}

func (c *town) copies() (n int) {
	for _, f := range c.nodes {
		n += f.Stats().Copies
		left, _ := filepath.Glob(filepath.Join(f.dir, copyDir, "*"))
		if len(left) != f.Stats().Copies {
			c.t.Errorf("%d copies are known, there are %v", f.Stats().Copies, left)
		}
	}
	return n
}

func TestACopyIsDroppedOnceItsOwnNodeHasIndexedTheBurst(t *testing.T) {
	for _, id := range []codec.ID{codec.Opus, codec.PCMA} {
		c := newTown(t)
		c.quorum = false
		burst := c.speak(id, "node-2", map[string][]int{"node-1": {5, 6}})
		for range 3 {
			c.settle(time.Minute)
		}
		if c.copies() != 2 || len(c.index) != 0 {
			t.Fatalf("its own node lives, and has not indexed it: %d copies", c.copies())
		}
		c.quorum = true
		c.settle(time.Minute) // node-3 looks before node-2 indexes
		c.settle(2 * time.Minute)
		if b := c.index[burst]; c.copies() != 0 || c.times != 1 || b.Heard != 1000 || b.Duration < 990 {
			t.Errorf("%s: %d copies, indexed %d times, %+v", id, c.copies(), c.times, b)
		}
	}
}

func TestWhenItsOwnNodeIsDeadTheLowestNamedOfTheFullestIndexesABurst(t *testing.T) {
	c := newTown(t)
	burst := c.speak(codec.PCMA, "node-1", map[string][]int{"node-1": {30, 31, 32, 33}, "node-2": {7}})
	c.dead["node-1"] = true
	c.settle(time.Second)
	if len(c.index) != 0 {
		t.Fatal("nobody waited for its own node")
	}
	c.quorum = false
	c.settle(10 * time.Second)
	if c.copies() != 2 || len(c.index) != 0 {
		t.Fatal("no quorum, and a copy is gone")
	}
	c.quorum = true
	c.settle(20 * time.Second)
	if b := c.index[burst]; b.Heard != 1000 || c.times != 1 {
		t.Fatalf("indexed %d times: %+v", c.times, b)
	}
	c.settle(30 * time.Second)
	if c.copies() != 0 {
		t.Errorf("%d copies are left", c.copies())
	}
	c.dead["node-1"] = false
	full := c.index[burst]
	c.settle(40 * time.Second) // it returns with less
	if c.index[burst].File != full.File || c.times != 2 {
		t.Errorf("indexed %d times: %+v", c.times, c.index[burst])
	}
	f, _, err := c.nodes["node-3"].Audio(full, false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := io.Copy(io.Discard, f); err != nil {
		t.Error(err)
	}
}

func TestOfTwoEquallyFullCopiesOneIsIndexed(t *testing.T) {
	c := newTown(t)
	burst := c.speak(codec.PCMA, "node-2", nil)
	c.dead["node-2"] = true
	for i := range 4 {
		c.settle(time.Duration(10+i*3) * time.Second)
	}
	if b := c.index[burst]; c.times != 1 || b.Heard != 1000 || c.nodes["node-1"].Stats().Stored != 1 {
		t.Errorf("indexed %d times: %+v", c.times, b)
	}
}

func TestACopyThatHoldsMoreReplacesWhatItsOwnNodeIndexed(t *testing.T) {
	c := newTown(t)
	burst := c.speak(codec.PCMA, "node-2", map[string][]int{"node-2": {1, 2, 3, 4}, "node-1": {9}})
	c.settle(0)
	if b := c.index[burst]; b.Heard != 920 {
		t.Fatalf("%+v", b)
	}
	for i := range 4 {
		c.settle(time.Duration(10+i*3) * time.Second)
	}
	if b := c.index[burst]; b.Heard != 1000 || c.copies() != 0 || c.times != 2 {
		t.Errorf("indexed %d times, %d copies left: %+v", c.times, c.copies(), b)
	}
}

func TestACopyStaysWhileWhatIsIndexedIsOnNoDisk(t *testing.T) {
	c := newTown(t)
	c.speak(codec.PCMA, "node-2", nil)
	c.lost = true
	c.settle(0)
	c.settle(time.Minute)
	if c.copies() != 2 {
		t.Fatalf("%d copies are left of a burst whose file is lost", c.copies())
	}
	c.lost = false
	c.settle(time.Hour)
	if c.copies() != 0 {
		t.Errorf("%d copies are left", c.copies())
	}
}

func TestACopyOutlivesAPowerCutInTheMiddleOfTheBurst(t *testing.T) {
	c := newTown(t)
	b := info(codec.PCMA)
	b.Origin = "node-1"
	rec := c.nodes["node-2"].Begin(b)
	say(t, rec, codec.PCMA, 50)
	now := time.Now()
	c.nodes["node-2"].drain(now)
	c.nodes["node-2"].drain(now.Add(syncEvery))
	if h := c.nodes["node-2"].Held(b.Burst); !h.Open || h.Own {
		t.Errorf("%+v", h)
	}
	c.open("node-2", c.nodes["node-2"].dir) // the power went on both
	c.dead["node-1"] = true
	c.settle(0)
	if h := c.nodes["node-2"].Held(b.Burst); h.Open || h.Own || h.None || len(c.nodes["node-2"].crash) != 0 {
		t.Errorf("%+v", h)
	}
	c.settle(10 * time.Second)
	if got := c.index[b.Burst]; got.Heard < 900 || got.EndCause != "interrupted" {
		t.Errorf("%+v", got)
	}
}

func TestAPowerCutWhileACopyIsIndexedLosesNothing(t *testing.T) {
	for name, arrange := range map[string]func(*town, *fixture){
		"before the file is stored": func(_ *town, f *fixture) { f.cfg.Files = cutPower{Files: f.cfg.Files, before: true} },
		"after the file is stored":  func(_ *town, f *fixture) { f.cfg.Files = cutPower{Files: f.cfg.Files, after: true} },
		"before the entry": func(_ *town, f *fixture) {
			f.cfg.IndexCopy = func(context.Context, state.Burst) error { panic("power") }
		},
		"after the entry": func(c *town, f *fixture) {
			f.cfg.IndexCopy = func(ctx context.Context, b state.Burst) error { _ = c.commit(ctx, b); panic("power") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTown(t)
			burst := c.speak(codec.PCMA, "node-1", map[string][]int{"node-3": {1}})
			c.dead["node-1"] = true
			c.nodes["node-3"].settleSome(t.Context(), time.Now()) // so that it knows how full its copy is
			f := c.nodes["node-2"]
			arrange(c, f)
			func() {
				defer func() { _ = recover() }()
				f.settleSome(t.Context(), time.Now().Add(10*time.Second))
			}()
			c.open("node-2", f.dir)
			for i := range 4 {
				c.settle(time.Duration(20+i*3) * time.Second)
			}
			if b := c.index[burst]; b.Heard != 1000 || c.copies() != 0 {
				t.Errorf("%d copies left, %+v", c.copies(), b)
			}
		})
	}
}

func TestACopyThatCannotBeReadIsSetAside(t *testing.T) {
	c := newTown(t)
	dir := c.nodes["node-1"].dir
	for i, text := range []string{"no recording", "OggS"} {
		name := fmt.Sprintf("released.%032x-0000000000000000.ogg", i+1)
		if err := os.WriteFile(filepath.Join(dir, copyDir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.open("node-1", dir)
	c.settle(time.Second)
	c.settle(3 * time.Second)
	bad, _ := filepath.Glob(filepath.Join(dir, "*.bad"))
	if c.copies() != 0 || len(bad) != 2 {
		t.Errorf("%d copies, set aside %v", c.copies(), bad)
	}
}

func TestWhatRetentionHasTakenIsNotIndexedFromACopy(t *testing.T) {
	c := newTown(t)
	c.speak(codec.PCMA, "node-1", nil)
	c.dead["node-1"] = true
	for _, f := range c.nodes {
		f.cfg.IndexCopy = func(context.Context, state.Burst) error {
			return errors.Join(fusion.E(fusion.Conflict, "burst_gone", ""))
		}
	}
	for i := range 4 {
		c.settle(time.Duration(10+i*3) * time.Second)
	}
	if c.copies() != 0 || len(c.index) != 0 {
		t.Errorf("%d copies, indexed %v", c.copies(), c.index)
	}
}
