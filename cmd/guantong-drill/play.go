package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/testbed/linear"
	"github.com/guantong-net/guantong/testbed/site"
)

// scene is who is where when a server dies.
type scene struct {
	victim, at *site.Node // at: where the talker is
	talker     *console
	rival      *console // wants the floor too, at a node that lives
	listeners  []*console
	phones     []*phone
}

const (
	listenersEach = 2               // at every node
	dieAfter      = 2 * time.Second // of talk
)

// play lets one server die while somebody talks.
func (t *theatre) play(ctx context.Context, x death) error {
	leader, err := t.whole(ctx)
	if err != nil {
		return err
	}
	sc := t.cast(x, leader)
	defer sc.close()
	if err := t.seat(ctx, sc); err != nil {
		return err
	}
	t.d.say("%s: %s; the talker is at %s", x.what, sc.victim.ID, sc.at.ID)
	hold, request, err := t.press(ctx, sc.talker)
	if err != nil {
		return fmt.Errorf("the talker: %w", err)
	}
	var died time.Time
	var undo func(context.Context) error
	var failed error
	commit := make(chan time.Duration, 1)
	spoken := t.speak(sc.talker, func() {
		died = time.Now()
		if x.commits {
			go t.firstCommit(ctx, sc.victim, died, commit)
		}
		if undo, failed = t.begin(ctx, x, sc.victim, sc.at); failed == nil {
			for _, p := range sc.phones {
				p.dies(died)
			}
		}
	})
	ended := time.Now()
	if failed != nil {
		return failed
	}
	t.endHold(ctx, x, sc, hold, request)
	_ = pause(ctx, 300*time.Millisecond) // the tail
	t.measure(x, sc, died, ended, spoken)
	if x.commits {
		select {
		case took := <-commit:
			t.gaps.commit = append(t.gaps.commit, took.Seconds()*1000)
			t.d.say("  first commit after %.0f ms", took.Seconds()*1000)
		case <-time.After(together):
			return errors.New("nothing was accepted any more")
		}
	}
	return undo(context.WithoutCancel(ctx))
}

// cast chooses who dies and where the talker is. The talker of a cut link is at the leader's: then speech and floor lose their straight way.
func (t *theatre) cast(x death, leader *site.Node) *scene {
	others := t.s.Others(leader)
	sc := &scene{victim: others[0], at: leader}
	if x.leader {
		sc.victim, sc.at = leader, others[0]
	}
	if x.talker {
		sc.at = sc.victim
	}
	return sc
}

// seat brings everybody to their places, at once.
func (t *theatre) seat(ctx context.Context, sc *scene) error {
	var mu sync.Mutex
	var failed error
	var coming sync.WaitGroup
	come := func(n *site.Node, who string, into func(*console)) {
		coming.Go(func() {
			c, err := sitAt(ctx, t.d.life, n, local(1), t.users[who], t.media, t.trust)
			mu.Lock()
			defer mu.Unlock()
			if failed = errors.Join(failed, err); err == nil {
				c.listenFor(t.known)
				into(c)
			}
		})
	}
	rival := false
	come(sc.at, "talker", func(c *console) { sc.talker = c })
	for _, n := range t.s.Nodes {
		if n != sc.victim && n != sc.at && !rival {
			rival = true
			come(n, "rival", func(c *console) { sc.rival = c })
		}
		for range listenersEach {
			come(n, "listener", func(c *console) { sc.listeners = append(sc.listeners, c) })
		}
	}
	coming.Wait()
	if failed != nil {
		return failed
	}
	for i := range t.s.Nodes {
		p := &phone{account: t.phones[i], at: i, nodes: t.s.Nodes, seed: t.d.seed + uint64(i)}
		if err := p.call(ctx); err != nil {
			t.d.say("  no telephone at %s: %v", t.s.Nodes[i].ID, err)
			continue
		}
		sc.phones = append(sc.phones, p)
	}
	return nil
}

func (sc *scene) close() {
	for _, c := range append(sc.listeners, sc.talker, sc.rival) {
		if c != nil {
			c.close()
		}
	}
	for _, p := range sc.phones {
		p.close()
	}
}

// press takes the floor.
func (t *theatre) press(ctx context.Context, c *console) (*linear.Hold, fusion.ID, error) {
	request := sdk.NewID()
	granted := t.floor.Take(0, local(1).String(), request.String())
	if _, err := c.roamer.Press(ctx, sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(local(1))}, Request: request}); err != nil {
		return nil, request, err
	}
	if _, err := c.await(ctx, 3*time.Second, talk.Granted); err != nil {
		return nil, request, err
	}
	t.holds++
	return granted(), request, nil
}

// speak sends the speech, and does something in the midst of it. It gives how many packets were sent up to then, for sure.
func (t *theatre) speak(c *console, die func()) (before int) {
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	var dying sync.WaitGroup
	for i, f := range t.frames {
		if i == int(dieAfter/frameTime) {
			before = i
			dying.Go(die)
		}
		_ = c.line.Send(f, 960, i == 0) // what cannot be sent is lost, and is missed by those who listen
		<-tick.C
	}
	dying.Wait()
	return before
}

// firstCommit looks how long it takes until a node that lives has a new message accepted.
func (t *theatre) firstCommit(ctx context.Context, victim *site.Node, died time.Time, took chan<- time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, together)
	defer cancel()
	for _, n := range t.s.Others(victim) {
		go func() {
			for ctx.Err() == nil {
				if post(ctx, n, sdk.NewID(), local(1)) == nil {
					select {
					case took <- time.Since(died):
					default: // another one was first
					}
					return
				}
			}
		}()
	}
	<-ctx.Done()
}

// endHold lets the rival ask while the talker has the floor, then the talker release it: the rival must get it then, and not before. A talker whose node died
// may have lost it.
func (t *theatre) endHold(ctx context.Context, x death, sc *scene, hold *linear.Hold, request fusion.ID) {
	own := sc.at == sc.victim && !x.disk
	goesOn := !own
	if own {
		t.gaps.died++
		for goesOn = false; ; {
			i, err := sc.talker.await(ctx, 100*time.Millisecond, talk.Granted)
			if err != nil {
				break
			}
			goesOn = goesOn || i.Request == request
		}
		if goesOn {
			t.gaps.extended++
		}
	}
	rivalID := sdk.NewID()
	granted := t.floor.Take(1, local(1).String(), rivalID.String())
	if _, err := sc.rival.roamer.Press(ctx, sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(local(1))}, Request: rivalID}); err != nil {
		t.d.say("  the rival: %v", err)
	}
	if goesOn {
		_ = pause(ctx, 400*time.Millisecond) // time to be granted what it must not be
		hold.Releasing()
	}
	err := sc.talker.roamer.Release(ctx)
	if goesOn && err == nil {
		hold.Ended()
	} else {
		hold.Lost()
	}
	if _, err := sc.rival.await(ctx, 3*time.Second, talk.Granted); err == nil {
		t.holds++
		h := granted()
		h.Releasing()
		if sc.rival.roamer.Release(ctx) == nil {
			h.Ended()
		} else {
			h.Lost()
		}
	} else {
		t.d.say("  the rival was not granted the floor: %v", err)
	}
}

// measure looks at what each one heard.
func (t *theatre) measure(x death, sc *scene, died, ended time.Time, before int) {
	ms := func(d time.Duration) float64 { return max(0, d.Seconds()*1000) }
	line := ""
	for _, c := range sc.listeners {
		silence, missing := ms(c.silence(died.Add(-100*time.Millisecond), ended)), c.missing(len(t.frames))
		line += fmt.Sprintf(" %s:%.0f/%d", c.home.ID, silence, missing)
		g := &t.gaps
		switch {
		case x.link:
			g.link = append(g.link, silence)
		case x.disk:
			g.disk = append(g.disk, silence)
		case x.silent && (sc.at == sc.victim || c.home == sc.victim):
			g.silent = append(g.silent, silence)
		case x.silent:
			g.other = append(g.other, float64(missing)*ms(frameTime))
		case sc.at == sc.victim:
			g.ownTalker = append(g.ownTalker, silence)
		case c.home == sc.victim:
			g.own = append(g.own, silence)
		default:
			g.other = append(g.other, float64(missing)*ms(frameTime))
		}
	}
	t.d.say("  %s died; the talker: %s", died.Format("05.000"), sc.talker.tale())
	t.d.say("  longest silence in ms / packets missing:%s (%d packets before)", line, before)
	if x.link || x.disk {
		return
	}
	for _, p := range sc.phones {
		if t.s.Nodes[p.home()] == sc.victim {
			if back, ok := p.back(); ok {
				t.gaps.phone = append(t.gaps.phone, back.Seconds())
				t.d.say("  its telephone is back after %.1f s", back.Seconds())
			} else {
				t.d.check("a telephone comes back", "at another node", "not", false)
			}
		}
	}
}
