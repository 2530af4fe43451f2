package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/hearing"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/rival"
	"github.com/guantong-net/guantong/testbed/site"
)

// payload is how long a message, or a value, is.
const payload = 256

// writeLimit is how long one write may take; a longer one ends the bench.
const writeLimit = 10 * time.Second

// contender is one program that keeps a record on several nodes.
type contender struct {
	name  string
	nodes func() []*peer.Process
	write func(ctx context.Context, writer int, value []byte) error
	close func()
	site  *site.Site     // ours
	taken map[int][]take // by writers
}

// take is one measurement.
type take struct{ opsPerSecond, p50, p99, cpu, client float64 }

// benchRecord writes through the client API of our site, and of others that keep a record on as many nodes, in turns.
func benchRecord(ctx context.Context, d *drill) error {
	counts, err := numbers(d.writers)
	if err != nil {
		return fmt.Errorf("bench record: -writers: %w", err)
	}
	all, err := d.contenders(ctx, counts[len(counts)-1])
	for _, c := range all {
		defer c.close()
	}
	if err != nil {
		return err
	}
	for round := range d.rounds {
		for _, writers := range counts {
			for _, c := range all {
				t, err := d.measure(ctx, c, writers)
				if err != nil {
					return fmt.Errorf("%s, %d writers: %w", c.name, writers, err)
				}
				d.say("round %d: %s, %d writers: %.0f ops/s, p50 %.2f ms, p99 %.2f ms", round+1, c.name, writers, t.opsPerSecond, t.p50, t.p99)
				c.taken[writers] = append(c.taken[writers], t)
			}
		}
	}
	return d.compare(all, counts)
}

// numbers reads "1,16,128", the least first.
func numbers(list string) ([]int, error) {
	var out []int
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 4096 || len(out) > 0 && n <= out[len(out)-1] {
			return nil, fmt.Errorf("%q is no list of growing numbers", list)
		}
		out = append(out, n)
	}
	return out, nil
}

// contenders starts everybody.
func (d *drill) contenders(ctx context.Context, most int) (all []*contender, err error) {
	ours, err := d.ourRecord(ctx, most)
	if err != nil {
		return nil, err
	}
	all = append(all, ours)
	for _, r := range []struct {
		name  string
		start func(p rival.Places) (rival.Record, error)
	}{
		{"etcd", func(p rival.Places) (rival.Record, error) { return rival.StartEtcd(ctx, d.life, d.etcd, p) }},
		{"nats", func(p rival.Places) (rival.Record, error) { return rival.StartNATS(ctx, d.life, d.nats, p) }},
	} {
		p, err := d.places(r.name)
		if err != nil {
			return all, err
		}
		start, cancel := context.WithTimeout(ctx, time.Minute)
		record, err := r.start(p)
		cancel()
		if errors.Is(err, rival.ErrNotInstalled) {
			d.say("%s is not compared: %v", r.name, err)
			continue
		}
		if err != nil {
			return all, errors.Join(err, start.Err())
		}
		d.say("%s: %s", r.name, record.Version())
		all = append(all, &contender{name: r.name, nodes: record.Nodes, write: record.Write, taken: map[int][]take{}, close: record.Close})
	}
	return all, nil
}

// places makes a folder for each node of a rival, on the disk that ours is on.
func (d *drill) places(name string) (rival.Places, error) {
	p := rival.Places{Dir: filepath.Join(d.dir, name)}
	for i := range d.nodes {
		data := filepath.Join(p.Dir, strconv.Itoa(i))
		if err := os.MkdirAll(data, 0o700); err != nil {
			return p, fmt.Errorf("places: %w", err)
		}
		p.Data = append(p.Data, data)
	}
	return p, nil
}

// ourRecord starts our site. Each writer is a client of its own at an address of its own; the first one is at the leader, the others are spread over the nodes.
func (d *drill) ourRecord(ctx context.Context, most int) (*contender, error) {
	s, err := d.startSite(ctx, site.Config{})
	if err != nil {
		return nil, err
	}
	c := &contender{name: "guantong", site: s, taken: map[int][]take{}, close: func() { _ = s.Close() }}
	c.nodes = func() (out []*peer.Process) {
		for _, n := range s.Nodes {
			out = append(out, n.Process)
		}
		return out
	}
	leader := s.Leader()
	if leader == nil {
		c.close()
		return nil, errors.New("the site has no leader")
	}
	order := append([]*site.Node{leader}, s.Others(leader)...)
	var clients []*sdk.Client
	for i := range most {
		n := order[i%len(order)]
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: load.Address(1000 + i).AsSlice()}}
		t := &http.Transport{TLSClientConfig: peer.Pinned(n.Trust), DialContext: dialer.DialContext, ForceAttemptHTTP2: true}
		client := sdk.New("https://"+n.HTTP, sdk.Options{HTTP: &http.Client{Transport: t}})
		client.SetToken(n.Admin().Token())
		clients = append(clients, client)
	}
	to := []fusion.Number{local(1)}
	c.write = func(ctx context.Context, writer int, value []byte) error {
		id := sdk.NewID()
		m, err := clients[writer].Post(ctx, id, wire.MessageRequest{To: to, Text: string(value), Precedence: fusion.Routine})
		if err == nil && m.ID != id {
			err = fmt.Errorf("message %s was answered with %s", id, m.ID)
		}
		return err
	}
	return c, nil
}

// startSite starts a site of as many nodes as the drill is told, in its folder.
func (d *drill) startSite(ctx context.Context, c site.Config) (*site.Site, error) {
	var err error
	if c.Binary, err = d.binary(ctx); err != nil {
		return nil, err
	}
	if c.Nodes == 0 {
		c.Nodes = d.nodes
	}
	c.Dir = filepath.Join(d.dir, "site")
	s, err := site.Start(ctx, d.life, c)
	if err == nil {
		d.say("a site of %d nodes; %s leads", len(s.Nodes), s.Leader().ID)
	}
	return s, err
}

// measure lets so many write for a while, and looks at what it took, after a short while that does not count.
func (d *drill) measure(ctx context.Context, c *contender, writers int) (take, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var counting atomic.Bool
	var mu sync.Mutex
	var took []float64
	var failed error
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			mine, err := writeOn(ctx, c, i, &counting)
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, mine...), errors.Join(failed, err)
		})
	}
	err := pause(ctx, time.Second)
	profiles := d.profiles(ctx, c, writers)
	before, err2 := c.cpu()
	own, err3 := ownCPU()
	begun := time.Now()
	counting.Store(true)
	err = errors.Join(err, err2, err3, pause(ctx, time.Duration(d.seconds)*time.Second))
	counting.Store(false)
	lasted := time.Since(begun).Seconds()
	after, err2 := c.cpu()
	ownAfter, err3 := ownCPU()
	err = errors.Join(err, profiles())
	stop()
	writing.Wait()
	if err = errors.Join(err, err2, err3, failed); err != nil {
		return take{}, err
	}
	n := float64(len(took))
	return take{n / lasted, hearing.Percentile(took, 50), hearing.Percentile(took, 99), (after - before).Seconds() / n * 10000, (ownAfter - own).Seconds() / n * 10000}, nil
}

// profiles takes a CPU profile of each of our nodes, if it is wanted; the function that it gives waits for them.
func (d *drill) profiles(ctx context.Context, c *contender, writers int) func() error {
	if d.profile == "" || c.site == nil {
		return func() error { return nil }
	}
	var all []<-chan error
	for _, n := range c.site.Nodes {
		all = append(all, profileOf(ctx, n.Server, fmt.Sprintf("%s-%s-%d.pprof", d.profile, n.ID, writers), d.seconds))
	}
	return func() (err error) {
		for _, one := range all {
			err = errors.Join(err, <-one)
		}
		return err
	}
}

// writeOn writes one value after the other until ctx ends, and gives how long each took, in ms, that ended while it counted.
func writeOn(ctx context.Context, c *contender, writer int, counting *atomic.Bool) ([]float64, error) {
	var took []float64
	value := []byte(strings.Repeat("水位 0123456789 ", payload))[:payload-10]
	for n := writer << 32; ctx.Err() == nil; n++ {
		text := fmt.Appendf(nil, "%010d", n%10_000_000_000)
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
		begun := time.Now()
		err := c.write(one, writer, append(text, value...))
		cancel()
		if err != nil {
			return took, err
		}
		if counting.Load() {
			took = append(took, time.Since(begun).Seconds()*1000)
		}
	}
	return took, nil
}

// cpu is what all of a contender's nodes have used.
func (c *contender) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, p := range c.nodes() {
		u, err := p.Usage()
		if err != nil {
			return 0, err
		}
		sum += u.CPU
	}
	return sum, nil
}

// median of what was measured.
func median(all []take, of func(take) float64) float64 {
	var v []float64
	for _, t := range all {
		v = append(v, of(t))
	}
	return hearing.Percentile(v, 50)
}

// atLeastNATS is what our rate must be, as a share of nats-server's.
var atLeastNATS = map[int]float64{1: 1, 16: 1, 128: 0.7}

// compare reports the medians of all rounds.
func (d *drill) compare(all []*contender, counts []int) error {
	for _, c := range all {
		for _, w := range counts {
			name, t := fmt.Sprintf("%s_%d_", c.name, w), c.taken[w]
			d.figure(name+"ops_s", median(t, func(t take) float64 { return t.opsPerSecond }))
			d.figure(name+"p50_ms", median(t, func(t take) float64 { return t.p50 }))
			d.figure(name+"p99_ms", median(t, func(t take) float64 { return t.p99 }))
			d.figure(name+"cpu_s_per_10000", median(t, func(t take) float64 { return t.cpu }))
			d.figure(name+"client_cpu_s_per_10000", median(t, func(t take) float64 { return t.client }))
		}
	}
	rate := func(t take) float64 { return t.opsPerSecond }
	for _, c := range all[1:] {
		for _, w := range counts {
			ratio := median(all[0].taken[w], rate) / median(c.taken[w], rate)
			name := fmt.Sprintf("ratio_to_%s_%d", c.name, w)
			if want, ok := atLeastNATS[w]; ok && c.name == "nats" {
				d.atLeast(name, ratio, want)
				continue
			}
			d.figure(name, ratio)
		}
	}
	d.check("everybody wrote", "at least one contender", fmt.Sprint(len(all)), len(all) > 0)
	return nil
}
