package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

// siteNode is one real server process of a site on loopback.
type siteNode struct {
	*peer.Server
	id, port, config string
	session          atomic.Pointer[peer.API]
}

// realSite starts processes of one site.
type realSite struct {
	t      *testing.T
	binary string
	nodes  []*siteNode
}

func newRealSite(t *testing.T) *realSite {
	t.Helper()
	binary, err := peer.BuildServer(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &realSite{t: t, binary: binary}
}

// prepare writes a node's configuration.
func (r *realSite) prepare(id, more string) *siteNode {
	r.t.Helper()
	dir := r.t.TempDir()
	s, err := peer.NewServer(r.binary, dir, filepath.Join(dir, "data"))
	if err != nil {
		r.t.Fatal(err)
	}
	ports, err := peer.FreePorts(1)
	if err != nil {
		r.t.Fatal(err)
	}
	n := &siteNode{Server: s, id: id, port: fmt.Sprintf("127.0.0.1:%d", ports[0]), config: filepath.Join(dir, "guantong.yaml")}
	text, err := os.ReadFile(n.config)
	if err != nil {
		r.t.Fatal(err)
	}
	text = append(text, fmt.Sprintf("node: %s\nnodes:\n  listen: %q\n%s", id, n.port, more)...)
	if err := os.WriteFile(n.config, text, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *realSite) start(n *siteNode) {
	r.t.Helper()
	if err := n.Start(r.t.Context(), context.WithoutCancel(r.t.Context())); err != nil {
		r.t.Fatal(err)
	}
	p := n.Process
	r.t.Cleanup(p.Kill)
}

// found starts the first node and logs its administrator in.
func (r *realSite) found() *siteNode {
	r.t.Helper()
	n := r.prepare("node-1", "")
	r.start(n)
	api, err := n.FirstLogin(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	n.session.Store(api)
	r.nodes = append(r.nodes, n)
	return n
}

// join lets a node join by a token that another one makes.
func (r *realSite) join(id string) *siteNode {
	r.t.Helper()
	n, first := r.prepare(id, ""), r.nodes[0]
	token := r.command(r.nodes[len(r.nodes)-1], "token")
	p, err := peer.StartProcess(r.t.Context(), r.t.TempDir(), nil, r.binary, "serve", "-config", n.config, "-join", token)
	if err != nil {
		r.t.Fatal(err)
	}
	r.until(20*time.Second, id+" to join: "+token, func() bool {
		_, err := os.Stat(filepath.Join(n.Data(), "keys", joinedFile))
		return err == nil
	})
	p.Kill() // it has joined; from here on it starts like any other
	n.User, n.Pass = first.User, first.Pass
	r.start(n)
	api, _, err := n.API().Login(r.t.Context(), n.User, n.Pass)
	if err != nil {
		r.t.Fatal(err)
	}
	n.session.Store(api)
	r.nodes = append(r.nodes, n)
	return n
}

func (r *realSite) command(n *siteNode, words ...string) string {
	r.t.Helper()
	var out, errOut bytes.Buffer
	if err := run(r.t.Context(), slices.Insert(words, 1, "-config", n.config), &out, &errOut); err != nil {
		r.t.Fatalf("%v: %v %s", words, err, errOut.String())
	}
	return strings.TrimSpace(out.String())
}

func (r *realSite) status(n *siteNode) (st nodeStatus) {
	var out bytes.Buffer
	_ = run(r.t.Context(), []string{"status", "-config", n.config}, &out, &bytes.Buffer{})
	_ = json.Unmarshal(out.Bytes(), &st)
	return st
}

func (r *realSite) until(limit time.Duration, what string, ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			for _, n := range r.nodes {
				r.t.Logf("%s: %s", n.id, n.Log().Tail(1500))
			}
			r.t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

func (r *realSite) voters(n *siteNode) (voters int) {
	for _, s := range r.status(n).Record.Nodes {
		if s.Role == state.NodeVoter {
			voters++
		}
	}
	return voters
}

func (r *realSite) leader() *siteNode {
	for _, n := range r.nodes {
		if st := r.status(n); st.Record.Role == "leader" {
			return n
		}
	}
	return nil
}

// post sends one message once, by one node.
func (n *siteNode) post(ctx context.Context, id fusion.ID) error {
	var got state.Message
	m := wire.MessageRequest{To: []fusion.Number{10001}, Text: "演练 " + id.String(), Precedence: fusion.Routine}
	if err := n.session.Load().CallAs(ctx, id, http.MethodPost, "/messages", m, &got); err != nil {
		return err
	}
	if got.ID != id {
		return fmt.Errorf("message %s was answered with %s", id, got.ID)
	}
	return nil
}

// siteLoad writes from many writers through all nodes, each message again and again under its ID until a node acknowledges it.
type siteLoad struct {
	mu    sync.Mutex
	acked []fusion.ID

	refused atomic.Pointer[peer.Refusal] // what no request of ours deserves
}

func (l *siteLoad) write(ctx context.Context, nodes []*siteNode, offset int) {
	for turn := offset; ctx.Err() == nil; turn++ {
		var id fusion.ID
		_, _ = rand.Read(id[:])
		for try := 0; ctx.Err() == nil; try++ {
			one, cancel := context.WithTimeout(ctx, 3*time.Second)
			err := nodes[(turn+try)%len(nodes)].post(one, id)
			cancel()
			if err == nil {
				l.acknowledge(id)
				break
			}
			var refusal *peer.Refusal
			if errors.As(err, &refusal) && refusal.Status/100 == 4 && refusal.Status != http.StatusUnauthorized && refusal.Status != http.StatusTooManyRequests {
				l.refused.Store(refusal)
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

func (l *siteLoad) acknowledge(id fusion.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = append(l.acked, id)
}

// messages counts every message that a node has, by its ID.
func (r *realSite) messages(n *siteNode) map[string]int {
	r.t.Helper()
	var all []state.Message
	r.until(60*time.Second, "the messages of "+n.id, func() (ok bool) {
		var err error
		all, err = peer.List[state.Message](r.t.Context(), n.session.Load(), "/messages?limit=500") // refused while we ask too much
		return err == nil
	})
	out := make(map[string]int)
	for _, m := range all {
		out[m.ID.String()]++
	}
	return out
}

// three is a site of three voters.
func three(t *testing.T) *realSite {
	t.Helper()
	r := newRealSite(t)
	first := r.found()
	second := r.join("node-2")
	r.until(10*time.Second, "node-2 to be told why it does not vote", func() bool {
		for _, n := range r.status(second).Record.Nodes {
			if n.ID == "node-2" && n.Role == state.NodeLearner && strings.Contains(n.Why, "even number") {
				return true
			}
		}
		return false
	})
	r.join("node-3")
	r.until(20*time.Second, "three voters", func() bool { return r.voters(first) == 3 })
	return r
}

// under runs f while many write through all nodes, and then looks for every acknowledged message on every node.
func (r *realSite) under(f func()) {
	ctx, stop := context.WithCancel(r.t.Context())
	defer stop()
	var load siteLoad
	var writing sync.WaitGroup
	for i := range 8 {
		writing.Go(func() { load.write(ctx, r.nodes, i) })
	}
	f()
	r.keepUp()
	stop()
	writing.Wait()
	r.until(20*time.Second, "all to have the same", func() bool { return r.apart() == 0 })
	r.t.Logf("%d messages acknowledged", len(load.acked))
	if refused := load.refused.Load(); refused != nil {
		r.t.Errorf("a message was refused: %v", refused)
	}
	for _, n := range r.nodes {
		have := r.messages(n)
		for _, id := range load.acked {
			if have[id.String()] != 1 {
				r.t.Errorf("%s has message %s %d times", n.id, id, have[id.String()])
			}
		}
	}
}

// gap does something to the leader, and tells how long it was, in ms, until another node acknowledged a message.
func (r *realSite) gap(harm func(leader *siteNode)) (*siteNode, float64) {
	r.t.Helper()
	r.until(20*time.Second, "a leader", func() bool { return r.leader() != nil })
	leader := r.leader()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	begun := time.Now()
	harm(leader)
	acknowledged := make(chan time.Duration, len(r.nodes))
	for _, n := range r.nodes {
		if n == leader {
			continue
		}
		go func() {
			for ctx.Err() == nil {
				var id fusion.ID
				_, _ = rand.Read(id[:])
				if n.post(ctx, id) == nil {
					acknowledged <- time.Since(begun)
					return
				}
			}
		}()
	}
	select {
	case gap := <-acknowledged:
		return leader, float64(gap.Microseconds()) / 1000
	case <-ctx.Done():
		r.t.Fatal("no node acknowledged anything")
		return nil, 0
	}
}

// again starts a node that ended, and logs in.
func (r *realSite) again(n *siteNode) {
	r.t.Helper()
	r.start(n)
	r.login(n)
}

func (r *realSite) login(n *siteNode) {
	r.t.Helper()
	r.until(20*time.Second, "a log-in at "+n.id, func() bool {
		api, _, err := n.API().Login(r.t.Context(), n.User, n.Pass)
		if err == nil {
			n.session.Store(api)
		}
		return err == nil
	})
}

func TestASiteOfThreeNodesLosesNothingWhenItsLeaderIsKilled(t *testing.T) {
	r := three(t)
	r.under(func() {
		var gaps []float64
		for range 5 {
			dead, gap := r.gap(func(n *siteNode) { n.Kill() })
			gaps = append(gaps, gap)
			r.again(dead)
			r.keepUp()
		}
		slices.Sort(gaps)
		t.Logf("first commit after kill -9 of the leader: p50 %.0f ms, max %.0f ms", gaps[len(gaps)/2], gaps[len(gaps)-1])
		if gaps[len(gaps)-1] > 4000 { // the aim is 2000, on a machine that does nothing else
			t.Errorf("gaps %v ms", gaps)
		}
	})
}

func TestASiteOfThreeNodesOutlivesAFrozenLeaderAnOrderlyExitAndABlackout(t *testing.T) {
	r := three(t)
	r.under(func() {
		frozen, gap := r.gap(func(n *siteNode) { _ = n.Signal(syscall.SIGSTOP) })
		t.Logf("first commit after SIGSTOP of the leader: %.0f ms", gap)
		if err := frozen.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		r.keepUp()
		left, gap := r.gap(func(n *siteNode) { _ = n.Signal(syscall.SIGTERM) })
		t.Logf("first commit after an orderly exit of the leader: %.0f ms", gap)
		<-left.Done()
		r.again(left)
		r.keepUp()
		for _, n := range r.nodes {
			n.Kill()
		}
		var starting sync.WaitGroup
		for _, n := range r.nodes {
			starting.Go(func() {
				if err := n.Start(t.Context(), context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		starting.Wait()
		for _, n := range r.nodes {
			t.Cleanup(n.Process.Kill)
			r.login(n)
		}
	})
}

// keepUp waits until all nodes have applied the same. One whose disk took longer than a second has ended, as it must, and
// is started again, as a service manager does.
func (r *realSite) keepUp() {
	r.t.Helper()
	for _, n := range r.nodes {
		select {
		case <-n.Done():
			r.t.Logf("%s had ended: %s", n.id, n.Log().Tail(200))
			r.again(n)
		default:
		}
	}
	r.until(20*time.Second, "all to keep up", r.even)
}

// even tells whether all nodes have applied the same, within what is under way.
func (r *realSite) even() bool { return r.apart() < 64 }

// apart is how many entries the nodes differ by.
func (r *realSite) apart() uint64 {
	var applied []uint64
	for _, n := range r.nodes {
		applied = append(applied, r.status(n).Record.Applied)
	}
	return slices.Max(applied) - slices.Min(applied)
}

func TestStrangersDoNotJoin(t *testing.T) {
	r := newRealSite(t)
	first := r.found()
	token := r.command(first, "token")
	short := r.command(first, "token", "-valid", "1s")
	other := newRealSite(t)
	elsewhere := other.found()
	foreign, _, _ := strings.Cut(other.command(elsewhere, "token"), "@")
	expired := time.Now().Add(1100 * time.Millisecond)
	join := func(id, token, more string) string {
		n := r.prepare(id, more)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		p, err := peer.StartProcess(ctx, t.TempDir(), nil, r.binary, "serve", "-config", n.config, "-join", token)
		if err != nil {
			t.Fatal(err)
		}
		r.until(20*time.Second, "the answer", func() bool {
			_, err := os.Stat(filepath.Join(n.Data(), "keys", joinedFile))
			select {
			case <-p.Done():
				return true
			default:
				return err == nil
			}
		})
		p.Kill()
		return p.Log().String()
	}
	if said := join("node-2", token, ""); strings.Contains(said, "guantong:") {
		t.Fatalf("a good token: %s", said)
	}
	if said := join("node-3", token, ""); !strings.Contains(said, "token_used") {
		t.Errorf("a used token: %s", said)
	}
	if said := join("node-3", foreign+"@"+first.port, ""); !strings.Contains(said, "its CA is another one") {
		t.Errorf("another site's token: %s", said)
	}
	if said := join("node-3", r.command(first, "token"), "site: {number: 2}\n"); !strings.Contains(said, "the token is for site 1") {
		t.Errorf("a node of another site: %s", said)
	}
	if said := join("node-2", r.command(first, "token"), ""); !strings.Contains(said, "node_taken") {
		t.Errorf("a node ID that is taken: %s", said)
	}
	r.until(5*time.Second, "the token to end", func() bool { return time.Now().After(expired) })
	if said := join("node-3", short, ""); !strings.Contains(said, "token_expired") {
		t.Errorf("an expired token: %s", said)
	}
	for range 20 {
		if c, err := net.Dial("tcp", first.port); err == nil {
			_, _ = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_ = c.Close()
		}
	}
	r.until(10*time.Second, "the port to have counted", func() bool {
		p := r.status(first).Port
		return p != nil && p.Refused+p.Limited >= 20 && p.Open < 5
	})
	if err := first.post(t.Context(), fusion.ID{1}); err != nil {
		t.Errorf("the site is harmed: %v", err)
	}
}
