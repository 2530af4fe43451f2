package live

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Link ties this node to the others of its site. Safe for concurrent use.
type Link struct {
	cfg    Config
	topics map[string]Handler // complete before Run
	order  []Handler          // as they were added
	routes atomic.Pointer[map[string]route]

	mu      sync.Mutex
	peers   map[string]*peer
	arbiter Arbiter
	orphan  time.Time // since when there has been no leader; zero while there is
	term    uint64    // ours, when it was last looked at
	leads   bool

	inbox   inbox
	strayed atomic.Uint64 // frames that could not be read or brought on
}

// New makes a Link; topics are added before it runs.
func New(cfg Config) *Link {
	cfg.defaults()
	l := &Link{cfg: cfg, topics: make(map[string]Handler), peers: make(map[string]*peer), inbox: inbox{wake: make(chan struct{}, 1)}}
	l.routes.Store(&map[string]route{})
	l.orphan = cfg.Now()
	return l
}

// Topic registers what uses a topic, before Run.
func (l *Link) Topic(name string, h Handler) *Topic {
	l.topics[name] = h
	l.order = append(l.order, h)
	return &Topic{l: l, name: name}
}

// Topic sends to the same topic of other nodes.
type Topic struct {
	l    *Link
	name string
}

// Send brings a message to a node that is up, in order; to one that is not it is void. It does not block.
func (t *Topic) Send(node string, body []byte) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if p := t.l.peers[node]; p != nil && p.up {
		t.l.post(p, t.name, body)
	}
}

// Broadcast sends to every node that is up.
func (t *Topic) Broadcast(body []byte) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	for _, p := range t.l.peers {
		if p.up {
			t.l.post(p, t.name, body)
		}
	}
}

// Run keeps the link until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running.Go(func() { l.dispatch(ctx) })
	running.Go(func() { l.accept(ctx, &running) })
	ticker := time.NewTicker(l.cfg.Beat / 2)
	defer ticker.Stop()
	for odd := false; ; odd = !odd {
		l.tick(ctx, &running, odd)
		select {
		case <-ctx.Done():
			l.shut()
			return nil
		case <-ticker.C:
		}
	}
}

// shut closes every path, so that its goroutines end.
func (l *Link) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.peers {
		if p.path != nil {
			p.path.close("the node stops")
		}
	}
}

func (l *Link) accept(ctx context.Context, running *sync.WaitGroup) {
	for {
		path, err := l.cfg.Port.Accept(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.cfg.Log.Error("no more paths are accepted", "error", err)
			}
			return
		}
		l.mu.Lock()
		l.take(ctx, running, l.peer(path.Node()), path)
		l.mu.Unlock()
	}
}

// tick dials who is not reached, beats, sends again what was not acknowledged, and looks who is there. Every second tick beats.
func (l *Link) tick(ctx context.Context, running *sync.WaitGroup, beats bool) {
	term, leads := l.cfg.Standing()
	nodes := l.cfg.Nodes()
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if term != l.term || leads != l.leads {
		l.term, l.leads, beats = term, leads, true
	}
	for id, address := range nodes {
		if id != l.cfg.Self {
			l.peer(id).address = address
		}
	}
	for id, p := range l.peers {
		_, known := nodes[id]
		l.watch(p, now)
		if !known && !p.up && p.path == nil {
			delete(l.peers, id)
			continue
		}
		// One of the two dials, the lower name, so that there are not two paths.
		if p.path == nil && !p.dialing && known && l.cfg.Self < id && !now.Before(p.retry) && ctx.Err() == nil {
			p.dialing = true
			running.Go(func() { l.dial(ctx, running, p, p.address) })
		}
	}
	l.reroute(now)
	for _, p := range l.peers {
		l.resend(p, now)
		if beats {
			l.beat(p, now)
		}
	}
	l.judge(now)
}

const redial = 200 * time.Millisecond

func (l *Link) dial(ctx context.Context, running *sync.WaitGroup, p *peer, address string) {
	limit, cancel := context.WithTimeout(ctx, 2*time.Second)
	path, err := l.cfg.Port.Dial(limit, address, p.id)
	cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	p.dialing = false
	if err != nil {
		p.retry = l.cfg.Now().Add(redial)
		l.cfg.Log.Debug("a node is not reached", "node", p.id, "error", err)
		return
	}
	l.take(ctx, running, p, path)
}

// take makes path the one to p, and serves it. A later path replaces an earlier one: the other end would not have opened it otherwise. l.mu is held.
func (l *Link) take(ctx context.Context, running *sync.WaitGroup, p *peer, path Path) {
	if ctx.Err() != nil || p.id == l.cfg.Self {
		_ = path.Close("not wanted")
		return
	}
	if p.path != nil {
		p.path.close("replaced")
	}
	r := newRail(ctx, path)
	p.path, p.heard, p.hearsUs = r, time.Time{}, false
	running.Go(func() {
		r.serve(l)
		l.mu.Lock()
		defer l.mu.Unlock()
		if p.path == r {
			p.path, p.retry = nil, l.cfg.Now().Add(redial)
			l.reroute(l.cfg.Now())
		}
	})
	l.beat(p, l.cfg.Now())
}

// peer finds or makes what is known of a node. l.mu is held.
func (l *Link) peer(id string) *peer {
	p := l.peers[id]
	if p == nil {
		p = &peer{id: id, mine: l.number()}
		l.peers[id] = p
	}
	return p
}

// number draws the number of an association; it is never 0.
func (l *Link) number() uint64 {
	var b [8]byte
	if _, err := l.cfg.Rand.Read(b[:]); err != nil {
		l.cfg.Log.Error("no random numbers", "error", err)
	}
	return max(1, binary.BigEndian.Uint64(b[:]))
}

// stray counts a frame that is not used.
func (l *Link) stray(err error) {
	l.strayed.Add(1)
	if err != nil && !errors.Is(err, context.Canceled) {
		l.cfg.Log.Debug("a frame was dropped", "error", err)
	}
}
