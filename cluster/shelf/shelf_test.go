package shelf

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/files"
)

// site is the nodes of a site on a network in memory.
type site struct {
	t     *testing.T
	ctx   context.Context
	nodes []*node

	mu   sync.Mutex
	down map[string]bool
}

// node is one node with its store and what its record names.
type node struct {
	*Keeper
	id     string
	store  *files.Store
	calls  chan net.Conn
	closed chan struct{}
	conns  []net.Conn // guarded by site.mu

	mu     sync.Mutex
	record map[string]Worth
}

func (n *node) EachFile(visit func(string) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range n.record {
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) Worth(name string) (Worth, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w, ok := n.record[name]
	return w, ok, nil
}

func (n *node) names(name string, w Worth) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.record[name] = w
}

// Accept, Close and Addr make the node a listener of its calls.
func (n *node) Accept() (net.Conn, error) {
	select {
	case c := <-n.calls:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}
func (n *node) Close() error   { close(n.closed); return nil }
func (n *node) Addr() net.Addr { return &net.TCPAddr{} }

// newSite runs nodes until the test's bubble ends. Who serves says whether Run works too.
func newSite(t *testing.T, dir string, count int, run bool) *site {
	ctx, cancel := context.WithCancel(t.Context())
	s := &site{t: t, ctx: ctx, down: make(map[string]bool)}
	var all sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		for _, n := range s.nodes {
			n.client.close()
		}
		all.Wait()
	})
	for i := range count {
		s.add(dir, fmt.Sprint("node-", i+1))
	}
	for _, n := range s.nodes {
		all.Go(func() { _ = n.Serve(ctx, n) })
		if run {
			all.Go(func() { _ = n.Run(ctx) })
		}
	}
	return s
}

func (s *site) add(dir, id string) *node {
	s.t.Helper()
	store, err := files.Open(files.Config{Dir: filepath.Join(dir, id), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		s.t.Fatal(err)
	}
	n := &node{id: id, store: store, calls: make(chan net.Conn), closed: make(chan struct{}), record: make(map[string]Worth)}
	n.Keeper = New(Config{Node: id, Store: store, Record: n, Peers: func() []Peer { return s.peers(id) }, Dial: s.dial(id)})
	s.nodes = append(s.nodes, n)
	return n
}

func (s *site) peers(but string) (list []Peer) {
	for _, n := range s.nodes {
		if n.id != but {
			list = append(list, Peer{n.id, n.id})
		}
	}
	return list
}

func (s *site) dial(from string) Dial {
	return func(ctx context.Context, _, to string) (net.Conn, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.IndexFunc(s.nodes, func(n *node) bool { return n.id == to })
		if s.down[from] || s.down[to] || i < 0 {
			return nil, errors.New("no route")
		}
		here, there := net.Pipe()
		select {
		case s.nodes[i].calls <- there:
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		}
		for _, n := range s.nodes {
			if n.id == from || n.id == to {
				n.conns = append(n.conns, here, there)
			}
		}
		return here, nil
	}
}

// cut takes a node off the network, or brings it back.
func (s *site) cut(id string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down[id] = down
	for _, n := range s.nodes {
		if n.id == id && down {
			for _, c := range n.conns {
				_ = c.Close()
			}
			n.conns = nil
		}
	}
}

func (s *site) voters() []Peer { return s.peers("") }

func put(t *testing.T, n *node, data []byte) string {
	t.Helper()
	name, err := n.store.Put(data)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func nameOf(data []byte) string {
	sum := sha256.Sum256(data)
	return files.Prefix + hex.EncodeToString(sum[:])
}

func (s *site) holders(name string) (n int) {
	for _, node := range s.nodes {
		if _, here := node.store.Has(name); here {
			n++
		}
	}
	return n
}

func refused(t *testing.T, err error, reason string) {
	t.Helper()
	if err == nil || fusion.ReasonOf(err) != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

func noise(n int, seed byte) []byte {
	out := make([]byte, 0, n+32)
	for sum := sha256.Sum256([]byte{seed}); len(out) < n; sum = sha256.Sum256(sum[:]) {
		out = append(out, sum[:]...)
	}
	return out[:n]
}

func TestAMajorityHasAContentBeforeSpreadSaysSo(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 3, false)
		name := put(t, s.nodes[0], noise(300_000, 1))
		if err := s.nodes[0].Spread(t.Context(), []string{name}, s.voters()); err != nil || s.holders(name) != 2 {
			t.Fatalf("%d nodes have it, %v", s.holders(name), err)
		}
		// Who has nothing itself finds that a majority has it; with one of these away it is brought to the third.
		if err := s.nodes[2].Spread(t.Context(), []string{name}, s.voters()); err != nil || s.holders(name) != 2 {
			t.Fatalf("%d nodes have it, %v", s.holders(name), err)
		}
		s.cut("node-1", true)
		if err := s.nodes[2].Spread(t.Context(), []string{name}, s.voters()); err != nil || s.holders(name) != 3 {
			t.Fatalf("%d nodes have it, %v", s.holders(name), err)
		}
		s.cut("node-2", true)
		other := put(t, s.nodes[2], noise(10, 2))
		begun := time.Now()
		refused(t, s.nodes[2].Spread(t.Context(), []string{name, other}, s.voters()), "files_not_spread")
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it took %s to find out that there is no majority", took)
		}
		s.cut("node-1", false)
		s.cut("node-2", false)
		refused(t, s.nodes[0].Spread(t.Context(), []string{nameOf([]byte("nobody's"))}, s.voters()), "file_nowhere")
		if err := s.nodes[0].Spread(t.Context(), []string{name}, []Peer{{"node-1", ""}}); err != nil {
			t.Errorf("a node that is alone: %v", err)
		}
	})
}

func TestAPushGoesOnWhereItBrokeOff(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 2, false)
		data := noise(5<<20, 3)
		name := put(t, s.nodes[0], data)
		part, err := s.nodes[1].store.Receive(name, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(data[:3<<20]); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.nodes[0].Spread(t.Context(), []string{name}, s.voters()) }() // it comes by another way at first
		time.Sleep(time.Second)                                                            // of the bubble's own time
		_ = part.Close()
		if err := <-done; err != nil || s.holders(name) != 2 {
			t.Fatal(err)
		}
		if sent := s.nodes[0].Stats().Sent; sent != 2<<20 {
			t.Errorf("%d octets were sent", sent)
		}
	})
}

func TestWhatANodeLacksComesTheFlaggedAndNewestFirst(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 3, true)
		s.cut("node-3", true)
		var names []string
		for i := range 6 {
			name := put(t, s.nodes[i%2], noise(1<<20, byte(10+i)))
			names = append(names, name)
			for _, n := range s.nodes {
				n.names(name, Worth{Keep: i == 0, At: int64(i)})
			}
		}
		lost := nameOf([]byte("on no disk"))
		s.nodes[2].names(lost, Worth{At: 100})
		s.nodes[2].Survey()
		time.Sleep(10 * time.Second)
		if st := s.nodes[2].Stats(); st.Lacking != 7 || st.Nowhere != 7 || !slices.Equal(st.Silent, []string{"node-1", "node-2"}) {
			t.Fatalf("cut off: %+v", st)
		}
		s.cut("node-3", false)
		came := make(map[int]int) // the look at which it was there first: two may come between two looks
		for look := range 20_000 {
			for i, name := range names {
				if _, here := s.nodes[2].store.Has(name); here && came[i] == 0 {
					came[i] = look + 1
				}
			}
			if len(came) == len(names) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		before := func(a, b int) bool { return came[a] <= came[b] }
		if len(came) != 6 || !before(0, 2) || !before(4, 2) || !before(5, 1) { // two come at once, and of each node that has some
			t.Errorf("they came in the order %v", came)
		}
		if st := s.nodes[2].Stats(); st.Lacking != 1 || st.Nowhere != 1 || st.Fetched != 6 || len(st.Silent) != 0 {
			t.Errorf("%+v", st)
		}
		s.nodes[2].mu.Lock()
		delete(s.nodes[2].record, lost) // retention has taken it
		s.nodes[2].mu.Unlock()
		time.Sleep(longestWait + time.Second)
		if st := s.nodes[2].Stats(); st.Lacking != 0 {
			t.Errorf("what nothing names is still wanted: %+v", st)
		}
	})
}

func TestAFetchSurvivesTheNodeThatItComesFrom(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 3, true)
		data := noise(20<<20, 4)
		name := put(t, s.nodes[0], data)
		put(t, s.nodes[1], data)
		time.Sleep(2 * time.Second)
		s.nodes[2].names(name, Worth{})
		s.nodes[2].Want(name, Worth{})
		time.Sleep(time.Second) // some of it has come
		before := s.nodes[2].Stats().Came
		s.cut("node-1", true)
		time.Sleep(500 * time.Millisecond)
		s.cut("node-1", false)
		s.cut("node-2", true)
		time.Sleep(10 * time.Second)
		if _, here := s.nodes[2].store.Has(name); !here {
			t.Fatalf("not here: %+v", s.nodes[2].Stats())
		}
		if came := s.nodes[2].Stats().Came; before == 0 || came > int64(len(data))+2*MaxRange {
			t.Errorf("%d octets came, %d before the first cut", came, before)
		}
	})
}

// liar serves a content that is another one.
func TestAContentThatIsNotWhatItsNameSaysIsFetchedElsewhere(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 3, true)
		data := noise(100_000, 5)
		name := put(t, s.nodes[1], data)
		rotten := put(t, s.nodes[0], noise(100_000, 6))
		swap(t, filepath.Join(dir, "node-1"), rotten, name)
		time.Sleep(2 * time.Second)
		s.nodes[2].names(name, Worth{})
		s.nodes[2].Want(name, Worth{})
		time.Sleep(20 * time.Second)
		f, err := s.nodes[2].Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d octets, %v", len(got), err)
		}
	})
}

func TestWhatIsNotHereIsReadFromWhoHasIt(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir, 3, true)
		small, large := noise(1000, 7), noise(smallFile+100_000, 8)
		for _, data := range [][]byte{small, large} {
			for _, n := range s.nodes[:2] {
				put(t, n, data)
			}
		}
		time.Sleep(2 * time.Second)
		f, err := s.nodes[2].Open(t.Context(), nameOf(small))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, small) {
			t.Errorf("small: %v", err)
		}
		_ = f.Close()
		f, err = s.nodes[2].Open(t.Context(), nameOf(large))
		if err != nil {
			t.Fatal(err)
		}
		if _, remotely := f.(*remote); !remotely {
			t.Errorf("a large one was waited for")
		}
		end, err := f.Seek(-1000, io.SeekEnd)
		if err != nil || end != int64(len(large))-1000 {
			t.Fatal(end, err)
		}
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, large[len(large)-1000:]) {
			t.Errorf("its end: %d octets, %v", len(got), err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, f, 1<<20); err != nil {
			t.Fatal(err)
		}
		s.cut(f.(*remote).from[0].Node, true) // it goes on at the other one
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, large[1<<20:]) {
			t.Errorf("after its node died: %d octets, %v", len(got), err)
		}
		_, err = s.nodes[2].Open(t.Context(), nameOf([]byte("nobody's")))
		refused(t, err, "file_unknown")
		time.Sleep(time.Minute)
		if _, here := s.nodes[2].store.Has(nameOf(large)); !here {
			t.Error("it did not come in the background")
		}
	})
}
