package shelf

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/files"
)

// Store keeps contents on this node's disk. Package files implements it.
type Store interface {
	Has(name string) (size int64, ok bool)
	Touch(name string) (size int64, ok bool)
	OpenFile(name string) (*os.File, error)
	Receive(name string, size int64) (*files.Part, error)
	Walk(visit func(name string, size int64, at time.Time) bool) error
}

// Worth says in which order what is lacking is fetched: what is flagged first, then the newest.
type Worth struct {
	Keep bool
	At   int64 // ms
}

// Catalogue tells what the record names.
type Catalogue interface {
	// EachFile visits every content that the record knows, in any order, until visit fails.
	EachFile(visit func(name string) error) error
	// Worth tells how dear a content is; false when the record does not name it any more.
	Worth(name string) (Worth, bool, error)
}

// Config of a Keeper. Zero members take the default in brackets.
type Config struct {
	Node   string // this node
	Store  Store
	Record Catalogue
	Peers  func() []Peer // the other nodes of the site, voters or not
	Dial   Dial
	Bursts Bursts // may be nil
	Rate   int    // octets a second that are sent to others [DefaultRate]
	Now    func() time.Time
	Log    *slog.Logger
}

// Keeper keeps this node's part of the site's files. Safe for concurrent use.
type Keeper struct {
	cfg    Config
	store  Store
	client *client
	server *Server

	wake chan struct{} // the list has changed
	anew chan struct{} // a survey is due
	mu   sync.Mutex
	want wants
	seen map[string]time.Time // when a node answered last
}

// New makes a Keeper.
func New(cfg Config) *Keeper {
	if cfg.Rate <= 0 {
		cfg.Rate = DefaultRate
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := newPace(cfg.Rate)
	return &Keeper{
		cfg: cfg, store: cfg.Store, client: &client{dial: cfg.Dial, pace: p}, wake: make(chan struct{}, 1), anew: make(chan struct{}, 1), seen: make(map[string]time.Time),
		server: &Server{store: cfg.Store, bursts: cfg.Bursts, pace: p, log: cfg.Log},
	}
}

// Serve answers other nodes until ctx ends.
func (k *Keeper) Serve(ctx context.Context, l net.Listener) error { return k.server.Serve(ctx, l) }

// Run fetches what this node lacks, and keeps an eye on who answers, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { k.watchPeers(ctx) })
	all.Go(func() { k.survey(ctx) })
	for range workers {
		all.Go(func() { k.work(ctx) })
	}
	all.Wait()
	k.client.close()
	return nil
}

const (
	pingEvery = time.Second
	aliveFor  = 3 * time.Second // since its last answer
)

// watchPeers asks every node whether it is there.
func (k *Keeper) watchPeers(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		var asking sync.WaitGroup
		for _, p := range k.cfg.Peers() {
			asking.Go(func() {
				if k.client.ping(ctx, p) == nil {
					k.saw(p.Node)
				}
			})
		}
		asking.Wait()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (k *Keeper) saw(node string) {
	k.mu.Lock()
	_, before := k.seen[node]
	alive := before && k.cfg.Now().Sub(k.seen[node]) < aliveFor
	k.seen[node] = k.cfg.Now()
	k.mu.Unlock()
	if !alive { // it may have what was not to be had
		k.retryNow()
	}
}

// Alive reports whether a node has answered lately. This node is.
func (k *Keeper) Alive(node string) bool {
	if node == k.cfg.Node {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	last, ok := k.seen[node]
	return ok && k.cfg.Now().Sub(last) < aliveFor
}

// alive lists the other nodes that answer.
func (k *Keeper) alive() (list []Peer) {
	for _, p := range k.cfg.Peers() {
		if k.Alive(p.Node) {
			list = append(list, p)
		}
	}
	return list
}

// locate finds who of the nodes that answer has a content.
func (k *Keeper) locate(ctx context.Context, names []string) map[string][]Peer {
	found := make(map[string][]Peer)
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, p := range k.alive() {
		asking.Go(func() {
			sizes, err := k.client.have(ctx, p, names, false)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for i, size := range sizes {
				if size >= 0 {
					found[names[i]] = append(found[names[i]], p)
				}
			}
		})
	}
	asking.Wait()
	return found
}

// Located reports whether a content is here, or can be had from another node.
func (k *Keeper) Located(ctx context.Context, name string) bool {
	if _, here := k.store.Has(name); here {
		return true
	}
	return len(k.locate(ctx, []string{name})[name]) > 0
}

// get fetches a whole content from a node, from where it stopped the last time.
func (k *Keeper) get(ctx context.Context, from Peer, name string, background bool) error {
	sizes, err := k.client.have(ctx, from, []string{name}, false)
	if err != nil {
		return err
	}
	if sizes[0] < 0 {
		return fusion.E(fusion.NotFound, "file_unknown", "node %s has no %s", from.Node, name)
	}
	part, err := k.store.Receive(name, sizes[0])
	if err != nil {
		return err
	}
	err = k.fill(ctx, from, part, name, sizes[0], background)
	return errors.Join(err, part.Close())
}

func (k *Keeper) fill(ctx context.Context, from Peer, part *files.Part, name string, size int64, background bool) error {
	for part.Offset() < size {
		said, err := k.client.fetch(ctx, from, name, part.Offset(), MaxRange, background, part)
		if err != nil {
			return err
		}
		if said != size {
			return fusion.E(fusion.Broken, "other_size", "node %s says that %s has %d octets, and now %d", from.Node, name, size, said)
		}
	}
	return part.Commit()
}

// Copies asks every node that answers what it has of a burst: by node, this one not among them.
func (k *Keeper) Copies(ctx context.Context, id fusion.ID) map[string]Copy {
	out := make(map[string]Copy)
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, p := range k.alive() {
		asking.Go(func() {
			got, err := k.client.copies(ctx, p, []fusion.ID{id})
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[p.Node] = got[0]
		})
	}
	asking.Wait()
	return out
}
