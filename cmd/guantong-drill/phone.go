package main

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/site"
)

// phone is a telephone that knows all nodes, as one with a second proxy does: when it hears nothing for a while though somebody talks, it registers with the next
// one and calls again.
type phone struct {
	account  peer.Account
	at       int
	nodes    []*site.Node
	seed     uint64
	died     time.Time
	first    int
	mu       sync.Mutex
	p        *load.Phone
	stop     context.CancelFunc
	watching sync.WaitGroup
	last     time.Time // when it heard something
	returned time.Time // when it heard something again, after it had gone on to another node
	moved    bool
}

// patience is how long a telephone hears nothing before it looks for another server.
const patience = 1500 * time.Millisecond

func (p *phone) home() int { return p.first }

// call registers and calls the group, and watches from then on.
func (p *phone) call(ctx context.Context) error {
	p.first = p.at
	if err := p.connect(ctx); err != nil {
		return err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	p.watching.Go(func() { p.watch(life) })
	return nil
}

func (p *phone) connect(ctx context.Context) error {
	n := p.nodes[p.at]
	server, err := netip.ParseAddrPort(n.SIP)
	if err != nil {
		return err
	}
	from := load.Address(3000 + p.first)
	if !server.Addr().IsLoopback() {
		from = site.Outside(server.Addr())
	}
	fresh, err := load.NewPhone(load.PhoneConfig{Server: server, Local: from, User: p.account.User, Password: p.account.Password, Payload: load.PCMA, Seed: p.seed, Heard: p.hear})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	err = fresh.Register(ctx, time.Hour)
	if err == nil {
		err = fresh.Dial(ctx, local(1).String())
	}
	if err != nil {
		fresh.Close()
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.p, p.last = fresh, time.Now()
	return nil
}

// dies notes when a server died.
func (p *phone) dies(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.died = at
}

func (p *phone) hear(at time.Time, _ []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = at
	if p.moved && p.returned.IsZero() {
		p.returned = at
	}
}

// watch goes on to the next node when this one is silent, but not before its server may be dead.
func (p *phone) watch(ctx context.Context) {
	for pause(ctx, 100*time.Millisecond) == nil {
		p.mu.Lock()
		silent := !p.died.IsZero() && time.Since(p.last) > patience && p.returned.IsZero()
		old := p.p
		p.mu.Unlock()
		if !silent {
			continue
		}
		p.mu.Lock()
		p.moved = true
		p.mu.Unlock()
		p.at = (p.at + 1) % len(p.nodes)
		if p.connect(ctx) == nil && old != nil {
			old.Close()
		}
	}
}

// back is how long after the death it heard something again.
func (p *phone) back() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.returned.Sub(p.died), !p.returned.IsZero()
}

func (p *phone) close() {
	p.stop()
	p.watching.Wait()
	if p.p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.p.Hang(ctx) // its server may be gone
	p.p.Close()
}
