package site

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/guantong-net/guantong/testbed/peer"
)

// Config of a site.
type Config struct {
	Binary string
	Dir    string // everything lies under it
	Nodes  int    // 1, 3 or 5
	Apart  bool   // each node in a network namespace of its own
	Disk   int64  // octets of each node's own file system; 0: plain folders
	More   string // further lines of each node's configuration
}

// Site is running nodes of one site. Its verbs are for one goroutine; what asks (Status, Leader) is for any.
type Site struct {
	Nodes []*Node

	c    Config
	life context.Context
	net  *network // nil on loopback
}

// startLimit is how long a node may take until it is ready, and the site until all its nodes vote.
const startLimit = 60 * time.Second

// Start founds a site and lets the other nodes join; it returns when all vote. The processes live as long as `life` does.
func Start(ctx, life context.Context, c Config) (*Site, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s := &Site{c: c, life: life}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("site: %w", err), s.Close())
	}
	return s, nil
}

func (s *Site) start(ctx context.Context) error {
	if s.c.Apart {
		var err error
		if s.net, err = newNetwork(ctx, s.c.Nodes); err != nil {
			return err
		}
	}
	for i := range s.c.Nodes {
		n, err := s.prepare(ctx, i)
		if err != nil {
			return err
		}
		s.Nodes = append(s.Nodes, n)
		if err := s.enter(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", n.ID, err)
		}
	}
	return s.Await(ctx, fmt.Sprintf("%d voters", s.c.Nodes), func() bool { return s.Voters() == s.c.Nodes })
}

// prepare makes a node's place and configuration.
func (s *Site) prepare(ctx context.Context, i int) (*Node, error) {
	n := &Node{ID: fmt.Sprintf("node-%d", i+1), site: s, index: i}
	dir := filepath.Join(s.c.Dir, n.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	data, err := n.makeDisk(ctx, dir, s.c.Disk)
	if err != nil {
		return nil, err
	}
	c := peer.ServerConfig{Binary: s.c.Binary, Dir: dir, Data: data, Host: "127.0.0.1"}
	if s.net != nil {
		c.Host, c.Within = s.net.address(i), s.net.within(i)
	}
	ports, err := peer.FreePorts(1)
	if err != nil {
		return nil, err
	}
	n.port = fmt.Sprintf("%s:%d", c.Host, ports[0])
	c.More = fmt.Sprintf("node: %s\nnodes:\n  listen: %q\n%s", n.ID, n.port, s.c.More)
	n.Server, err = peer.NewServerAt(c)
	return n, err
}

// enter starts a node for the first time: the first one founds the site, each other one joins it by a token.
func (s *Site) enter(ctx context.Context, n *Node) error {
	if n.index == 0 {
		if err := n.Server.Start(ctx, s.life); err != nil {
			return err
		}
		api, err := n.FirstLogin(ctx)
		if err == nil {
			n.admin.Store(api)
		}
		return err
	}
	first := s.Nodes[0]
	token, err := first.Command(ctx, "token 3600")
	if err != nil {
		return err
	}
	n.User, n.Pass = first.User, first.Pass
	if err := n.Server.Start(ctx, s.life, "-join", token); err != nil {
		return err
	}
	return n.login(ctx)
}

// Trust is the site's own authority, for clients that go from node to node.
func (s *Site) Trust() (*tls.Config, error) {
	ca, err := os.ReadFile(filepath.Join(s.Nodes[0].Data(), "keys", "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("site: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("site: its authority cannot be read")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, nil
}

// Voters counts the nodes that vote, as the leader says.
func (s *Site) Voters() int {
	voters := 0
	if l := s.Leader(); l != nil {
		for _, n := range l.Status().Record.Nodes {
			if n.Role == "voter" {
				voters++
			}
		}
	}
	return voters
}

// Leader is the node that leads, nil when none says so. When two say so, one of them has not noticed yet: the later term counts.
func (s *Site) Leader() *Node {
	var found *Node
	epoch := uint64(0)
	for _, n := range s.Nodes {
		if st := n.Status().Record; st.Role == "leader" && st.Epoch >= epoch {
			found, epoch = n, st.Epoch
		}
	}
	return found
}

// Others are the nodes but one.
func (s *Site) Others(but *Node) []*Node {
	var out []*Node
	for _, n := range s.Nodes {
		if n != but {
			out = append(out, n)
		}
	}
	return out
}

// Await looks again and again until ok.
func (s *Site) Await(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("site: waiting for %s: %w%s", what, ctx.Err(), s.tails())
		}
	}
	return nil
}

func (s *Site) tails() string {
	out := ""
	for _, n := range s.Nodes {
		if n.Process != nil {
			out += fmt.Sprintf("\n%s: %s", n.ID, n.Log().Tail(600))
		}
	}
	return out
}

// Even waits until every node runs, all follow one leader, and all have applied the same, within so many entries. A node that has ended is started
// again, as a service manager does: one whose disk hung may have ended, also some time after.
func (s *Site) Even(ctx context.Context, within uint64) error {
	var failed error
	err := s.Await(ctx, "all nodes to have the same", func() bool {
		for _, n := range s.Nodes {
			if failed = errors.Join(failed, n.Up(ctx)); failed != nil {
				return true
			}
		}
		return s.apart() <= within
	})
	return errors.Join(err, failed)
}

// apart is by how many entries the nodes differ; very many while one of them follows nobody.
func (s *Site) apart() uint64 {
	low, high := ^uint64(0), uint64(0)
	for _, n := range s.Nodes {
		st := n.Status().Record
		if st.Leader == "" {
			return ^uint64(0)
		}
		low, high = min(low, st.Applied), max(high, st.Applied)
	}
	return high - low
}

// Close ends all processes and takes their disks away.
func (s *Site) Close() error {
	var mu sync.Mutex
	var errs []error
	var ending sync.WaitGroup
	for _, n := range s.Nodes {
		ending.Go(func() {
			err := n.close()
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	ending.Wait()
	return errors.Join(errs...)
}
