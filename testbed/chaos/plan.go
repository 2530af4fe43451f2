package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/guantong-net/guantong/testbed/site"
)

// Kind of a fault.
type Kind uint8

// The faults. Those from Cut on need nodes that are apart, those from Hang on disks of their own.
const (
	Kill    Kind = iota // kill -9
	Stop                // SIGSTOP
	Cut                 // the link between two nodes
	Isolate             // the links to all other nodes; clients still reach it
	Unplug              // the only cable
	Hang                // the disk does not answer
	Starve              // the disk is full
)

var kindNames = [...]string{"kill -9", "SIGSTOP", "cut link", "isolate", "unplug", "hung disk", "full disk"}

func (k Kind) String() string { return kindNames[k] }

// Fault is one thing that happens to a site.
type Fault struct {
	Kind  Kind
	Node  int           // by number, from 0
	Other int           // of a cut link
	After time.Duration // of quiet
	For   time.Duration
}

func (f Fault) String() string {
	where := fmt.Sprintf("node-%d", f.Node+1)
	if f.Kind == Cut {
		where += fmt.Sprintf(" to node-%d", f.Other+1)
	}
	return fmt.Sprintf("%s at %s for %v", f.Kind, where, f.For.Round(time.Millisecond))
}

// Plan draws faults, the same ones from the same seed. It is for one goroutine.
type Plan struct {
	rand  *rand.Rand
	nodes int
	kinds []Kind
}

// NewPlan draws from what a site can be harmed by.
func NewPlan(seed uint64, nodes int, apart, disks bool) *Plan {
	p := &Plan{rand: rand.New(rand.NewPCG(seed, 3)), nodes: nodes, kinds: []Kind{Kill, Stop}}
	if apart {
		p.kinds = append(p.kinds, Cut, Isolate, Unplug)
	}
	if disks {
		p.kinds = append(p.kinds, Hang, Starve)
	}
	return p
}

// Next is the fault that comes next.
func (p *Plan) Next() Fault {
	f := Fault{Kind: p.kinds[p.rand.IntN(len(p.kinds))], Node: p.rand.IntN(p.nodes)}
	f.Other = (f.Node + 1 + p.rand.IntN(p.nodes-1)) % p.nodes
	f.After = time.Duration(500+p.rand.IntN(2000)) * time.Millisecond
	f.For = time.Duration(200+p.rand.IntN(3300)) * time.Millisecond
	return f
}

// Do carries a fault out and undoes it after its time.
func (f Fault) Do(ctx context.Context, s *site.Site) error {
	n := s.Nodes[f.Node]
	err := f.begin(ctx, s, n)
	if err == nil {
		err = pause(ctx, f.For)
	}
	return errors.Join(err, f.end(context.WithoutCancel(ctx), s, n))
}

func (f Fault) begin(ctx context.Context, s *site.Site, n *site.Node) error {
	switch f.Kind {
	case Kill:
		n.Kill()
	case Stop:
		return n.Freeze()
	case Cut:
		return s.Cut(ctx, n, s.Nodes[f.Other])
	case Isolate:
		return each(s.Others(n), func(o *site.Node) error { return s.Cut(ctx, n, o) })
	case Unplug:
		return s.Unplug(ctx, n)
	case Hang:
		return n.Hang()
	case Starve:
		return n.Starve(1 << 20)
	}
	return nil
}

func (f Fault) end(ctx context.Context, s *site.Site, n *site.Node) error {
	switch f.Kind {
	case Kill:
		return n.Up(ctx)
	case Stop:
		return n.Wake()
	case Cut:
		return s.Heal(ctx, n, s.Nodes[f.Other])
	case Isolate:
		return each(s.Others(n), func(o *site.Node) error { return s.Heal(ctx, n, o) })
	case Unplug:
		return s.Plug(ctx, n)
	case Hang:
		return n.Thaw()
	case Starve:
		return n.Feed()
	}
	return nil
}

func each(nodes []*site.Node, f func(*site.Node) error) (err error) {
	for _, n := range nodes {
		err = errors.Join(err, f(n))
	}
	return err
}

// pause waits, or ends early with ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
