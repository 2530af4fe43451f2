package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/site"
)

// console is one at a site by the Go client, which goes on at another node when its own dies. It keeps when it heard which packet.
type console struct {
	home   *site.Node
	roamer *sdk.Roamer
	line   *media.Line
	floor  chan talk.Indication
	moves  chan sdk.Move
	stop   context.CancelFunc
	over   chan struct{}

	mu    sync.Mutex
	story []string       // what the floor said and where it went, for a person who looks into a failure
	known map[string]int // packets of the talker by what they hold
	heard []arrival
}

// arrival is a packet that was heard.
type arrival struct {
	n  int // which of the talker's, from 0; negative: none of them
	at time.Time
}

// sitAt opens a console at a node and joins a group. It returns when it has media. A console goes to whichever node welcomes it first, so one that went
// elsewhere as this node was slow is opened again.
func sitAt(ctx, life context.Context, n *site.Node, group fusion.Number, a peer.Account, cfg media.Config, trust *tls.Config) (*console, error) {
	for range 10 {
		c, at, err := sit(ctx, life, n, group, a, cfg, trust)
		if err != nil || at == "https://"+n.HTTP {
			return c, err
		}
		c.close()
	}
	return nil, fmt.Errorf("console at %s: other nodes are faster each time", n.ID)
}

// sit opens a console, and tells where it is.
func sit(ctx, life context.Context, n *site.Node, group fusion.Number, a peer.Account, cfg media.Config, trust *tls.Config) (c *console, at string, err error) {
	c = &console{home: n, floor: make(chan talk.Indication, 256), moves: make(chan sdk.Move, 16), over: make(chan struct{})}
	cfg.Receive = c.hear
	if c.line, err = media.NewLine(cfg); err != nil {
		return nil, "", err
	}
	client := sdk.New("https://"+n.HTTP, sdk.Options{TLS: trust})
	if _, err := client.Login(ctx, a.User, a.Password, ""); err != nil {
		return nil, "", fmt.Errorf("console at %s: %w", n.ID, err)
	}
	up := make(chan bool, 16)
	c.roamer = client.Roam(sdk.RoamConfig{After: -1,
		Moved: func(m sdk.Move) {
			c.note("at %s after %v (%v)", m.Node, m.Took.Round(time.Millisecond), m.Why)
			offer(c.moves, m)
		},
		Attach: func(ctx context.Context, s *sdk.Session) error { return c.line.Attach(ctx, s.Offer) },
		Handler: sdk.Handler{Media: func(connected bool) { offer(up, connected) }, Floor: func(i talk.Indication) {
			c.note("%s %s %.8s", i.Kind, i.Cause, i.Request.String())
			offer(c.floor, i)
		}},
	})
	life, c.stop = context.WithCancel(life)
	go func() {
		defer close(c.over)
		_ = c.roamer.Run(life) // it ends with life; a console that no node lets in hears nothing, which is what is measured
	}()
	if err := c.settle(ctx, client, group, up); err != nil {
		c.close()
		return nil, "", fmt.Errorf("console at %s: %w", n.ID, err)
	}
	return c, client.Node(), nil
}

func (c *console) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.story = append(c.story, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// tale is what has happened to a console.
func (c *console) tale() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.story, "; ")
}

// offer puts a value into a channel that has room for more than anybody needs.
func offer[T any](ch chan T, v T) {
	select {
	case ch <- v:
	default:
	}
}

// settle waits until the console is there, in its group, with media, and knows all nodes.
func (c *console) settle(ctx context.Context, client *sdk.Client, group fusion.Number, up <-chan bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	select {
	case <-c.moves:
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := c.roamer.Join(ctx, fusion.GroupTalk(group), false); err != nil {
		return err
	}
	for connected := false; !connected; {
		select {
		case connected = <-up:
		case <-ctx.Done():
			return errors.Join(errors.New("no media"), ctx.Err())
		}
	}
	for len(client.KnownNodes()) < 3 {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("it knows only %v: %w", client.KnownNodes(), err)
		}
	}
	return nil
}

func (c *console) hear(p media.Packet) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.known[string(p.Payload)]
	if !ok {
		n = -1
	}
	c.heard = append(c.heard, arrival{n, now})
}

// listenFor begins to keep what is heard, of a talker's packets.
func (c *console) listenFor(known map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.heard = known, nil
}

// silence is the longest time between two packets that were heard between from and to, less the 20 ms that are always between two.
func (c *console) silence(from, to time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	longest, last := time.Duration(0), from
	for _, a := range c.heard {
		if a.at.After(from) && a.at.Before(to) {
			longest, last = max(longest, a.at.Sub(last)), a.at
		}
	}
	return max(longest, to.Sub(last)) - 20*time.Millisecond
}

// missing counts which of the first n packets were not heard.
func (c *console) missing(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := map[int]bool{}
	for _, a := range c.heard {
		if a.n >= 0 && a.n < n {
			got[a.n] = true
		}
	}
	return n - len(got)
}

// await waits for a word of the floor.
func (c *console) await(ctx context.Context, limit time.Duration, want ...talk.Kind) (talk.Indication, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		select {
		case i := <-c.floor:
			for _, k := range want {
				if i.Kind == k {
					return i, nil
				}
			}
		case <-ctx.Done():
			return talk.Indication{}, fmt.Errorf("the floor said none of %v: %w", want, ctx.Err())
		}
	}
}

func (c *console) close() {
	c.stop()
	<-c.over
	_ = c.line.Close() // its node may be gone
}
