package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/hearing"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/powercut"
	"github.com/guantong-net/guantong/testbed/speech"
)

// writers is how many write messages and files at once, beside one telephone that talks.
const writers = 6

// crash is a server under load, and the books.
type crash struct {
	d       *drill
	s       *peer.Server
	session *load.Session
	ledger  *load.Ledger
	group   fusion.Number
	phone   peer.Account
	writers []*load.Writer
	seen    map[string]bool
	starts  []float64
	audit   load.Audit
}

// powerCut kills the server at random moments under load, then, as root, cuts the power of its disk.
func powerCut(ctx context.Context, d *drill) error {
	if err := d.kills(ctx); err != nil {
		return err
	}
	if d.diskRounds == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		d.check("power cuts of the disk", "run as root", "not root: not run", false)
		return nil
	}
	return d.cuts(ctx)
}

// kills runs the kill -9 rounds, all on the same data.
func (d *drill) kills(ctx context.Context) error {
	c, err := d.newCrash(ctx, "kill", filepath.Join(d.dir, "kill", "data"))
	if err != nil {
		return err
	}
	defer c.close()
	for round := range d.rounds {
		err := c.round(ctx, func() error { c.s.Kill(); return nil }, func() error { return nil })
		if err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		if (round+1)%10 == 0 {
			d.say("%d kills: %d messages, %d files, %d bursts acknowledged; last start %.0f ms", round+1, c.ledger.Count("message"), c.ledger.Count("file"), c.ledger.Count("burst"), c.s.StartMS)
		}
	}
	return c.report(ctx, "", d.rounds)
}

// cuts runs the rounds on a disk that loses what was not synced. The disk is in a folder that is not the ledger's.
func (d *drill) cuts(ctx context.Context) error {
	place := filepath.Join(d.dir, "cut")
	if err := os.MkdirAll(place, 0o700); err != nil {
		return fmt.Errorf("power cut: %w", err)
	}
	disk, err := powercut.New(ctx, place, 1<<30)
	if err != nil {
		return err
	}
	defer func() { _ = disk.Close() }() // what it holds goes with the run's folder
	c, err := d.newCrash(ctx, "cut", filepath.Join(disk.Path(), "data"))
	if err != nil {
		return err
	}
	defer c.close()
	for round := range d.diskRounds {
		cut := func() error {
			err := disk.Cut()
			c.s.Kill()
			return err
		}
		restore := func() error {
			wait, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			return errors.Join(disk.Unmount(wait), disk.Mount())
		}
		if err := c.round(ctx, cut, restore); err != nil {
			return fmt.Errorf("power cut %d: %w", round+1, err)
		}
	}
	d.say("%d power cuts: %d messages, %d files, %d bursts acknowledged", d.diskRounds, c.ledger.Count("message"), c.ledger.Count("file"), c.ledger.Count("burst"))
	return errors.Join(c.report(ctx, "cut_", d.diskRounds), c.s.Stop(10*time.Second))
}

// newCrash starts a server and makes what the load needs.
func (d *drill) newCrash(ctx context.Context, name, data string) (*crash, error) {
	s, admin, err := d.startServer(ctx, filepath.Join(d.dir, name), data)
	if err != nil {
		return nil, err
	}
	c := &crash{d: d, s: s, group: local(1), seen: map[string]bool{}}
	if len(s.Phones) == 0 {
		return nil, errors.New("the first start printed no telephone")
	}
	c.phone = s.Phones[0]
	a, err := addUser(ctx, s, admin, "writer", local(110), fusion.Dispatcher)
	if err != nil {
		return nil, err
	}
	c.session = &load.Session{API: s.API().From(load.Address(500)), User: a.User, Pass: a.Password}
	if c.ledger, err = load.OpenLedger(filepath.Join(d.dir, name+".ledger")); err != nil {
		return nil, err
	}
	for i := range writers {
		own := &load.Session{API: s.API().From(load.Address(501 + i)), User: a.User, Pass: a.Password}
		c.writers = append(c.writers, &load.Writer{Session: own, Ledger: c.ledger, To: c.group, Rand: rand.New(rand.NewPCG(d.seed, uint64(100+i))), Sleep: load.Pause, Pace: 150 * time.Millisecond})
	}
	return c, nil
}

func (c *crash) close() {
	c.s.Kill()
	_ = c.ledger.Close() // each entry was synced
}

// round puts load on the server, ends it at a random moment, and starts it again unattended while the writers go on asking.
func (c *crash) round(ctx context.Context, end, restore func() error) error {
	loaded, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	errs := make(chan error, len(c.writers)+2)
	run := func(f func(context.Context) error) {
		wait.Go(func() {
			if err := f(loaded); err != nil && loaded.Err() == nil {
				errs <- err
			}
		})
	}
	for _, w := range c.writers {
		run(w.Run)
	}
	run(c.bursts)
	run(c.watchBursts)
	err := pause(ctx, time.Duration(300+c.d.rand.IntN(2200))*time.Millisecond)
	err = errors.Join(err, end(), restore())
	if err == nil {
		ready, cancel := context.WithTimeout(ctx, 30*time.Second)
		err = c.s.Start(ready, c.d.life)
		cancel()
		c.starts = append(c.starts, c.s.StartMS)
	}
	if err == nil {
		// The writers finish what they had asked before the crash, under the same request IDs.
		err = pause(ctx, 400*time.Millisecond)
	}
	stop()
	wait.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	if err != nil {
		return err
	}
	return c.verify(ctx)
}

// verify compares the server with the ledger. What was found whole before is looked at again at the end only.
func (c *crash) verify(ctx context.Context) error {
	return c.session.Do(ctx, func(a *peer.API) error {
		got, err := load.Verify(ctx, a, c.ledger, c.group, c.seen)
		if err != nil {
			return err
		}
		if n := len(got.Lost) + len(got.Twice) + len(got.Disorder); n > 0 {
			c.d.say("lost %v, twice %v, disorder %v", got.Lost, got.Twice, got.Disorder)
		}
		c.audit.Messages, c.audit.Files, c.audit.Bursts = got.Messages, got.Files, got.Bursts
		c.audit.Lost = merge(c.audit.Lost, got.Lost)
		c.audit.Twice = merge(c.audit.Twice, got.Twice)
		c.audit.Disorder = merge(c.audit.Disorder, got.Disorder)
		return nil
	})
}

// merge keeps each loss once, however many rounds see it again.
func merge(a, b []string) []string {
	known := map[string]bool{}
	for _, s := range a {
		known[s] = true
	}
	for _, s := range b {
		if !known[s] {
			a = append(a, s)
		}
	}
	return a
}

func (c *crash) report(ctx context.Context, prefix string, rounds int) error {
	d := c.d
	clear(c.seen)
	if err := c.verify(ctx); err != nil {
		return err
	}
	d.atMost(prefix+"acknowledged_lost", float64(len(c.audit.Lost)), 0)
	d.atMost(prefix+"applied_twice", float64(len(c.audit.Twice)), 0)
	d.check(prefix+"events are dense", "no gap, no repeat", fmt.Sprint(c.audit.Disorder), len(c.audit.Disorder) == 0)
	d.check(prefix+"starts were unattended", fmt.Sprint(rounds), fmt.Sprint(len(c.starts)), len(c.starts) == rounds)
	d.atMost(prefix+"start_ms_p95", hearing.Percentile(c.starts, 95), 3000)
	d.figure(prefix+"start_ms_p50", hearing.Percentile(c.starts, 50))
	d.figure(prefix+"messages", float64(c.audit.Messages))
	d.figure(prefix+"files", float64(c.audit.Files))
	d.figure(prefix+"bursts", float64(c.audit.Bursts))
	repeats := int64(0)
	for _, w := range c.writers {
		repeats += w.Repeats.Load()
	}
	d.figure(prefix+"repeated_requests", float64(repeats))
	d.check(prefix+"there was load", fmt.Sprintf("≥ %d messages, %d files, %d bursts", 5*rounds, rounds/2, rounds/4), fmt.Sprintf("%d, %d, %d", c.audit.Messages, c.audit.Files, c.audit.Bursts),
		c.audit.Messages >= 5*rounds && c.audit.Files >= rounds/2 && c.audit.Bursts >= rounds/4)
	return nil
}

// bursts registers a telephone, talks in short bursts, and enters each burst when the server shows it as recorded.
func (c *crash) bursts(ctx context.Context) error {
	said, err := speech.Load("pilot")
	if err != nil {
		return err
	}
	frames := load.Frames(said.Cut(0, 0.2))
	server, err := netip.ParseAddrPort(c.s.SIP)
	if err != nil {
		return fmt.Errorf("bursts: %w", err)
	}
	p, err := load.NewPhone(load.PhoneConfig{Server: server, Local: load.Address(1), User: c.phone.User, Password: c.phone.Password, Payload: load.PCMA, Seed: c.d.seed + uint64(len(c.starts))})
	if err != nil {
		return err
	}
	defer p.Close()
	for ctx.Err() == nil {
		if err := c.talk(ctx, p, frames); err != nil {
			// The server is down, or coming up: its registrations are in memory, so begin again.
			if load.Pause(ctx, 100*time.Millisecond) != nil {
				return nil
			}
		}
	}
	return nil
}

func (c *crash) talk(ctx context.Context, p *load.Phone, frames [][]byte) error {
	short, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := p.Register(short, time.Hour); err != nil {
		return err
	}
	if err := p.Dial(short, c.group.String()); err != nil {
		return err
	}
	for ctx.Err() == nil && !p.Ended.Load() {
		if err := p.Key(ctx, '*'); err != nil {
			return err
		}
		if _, _, err := p.Talk(ctx, frames); err != nil {
			return err
		}
		if err := p.Key(ctx, '#'); err != nil {
			return err
		}
	}
	return nil
}

// watchBursts asks ten times a second which bursts there are; a server that is down is asked again.
func (c *crash) watchBursts(ctx context.Context) error {
	for load.Pause(ctx, 100*time.Millisecond) == nil {
		if err := c.enterBursts(ctx); err != nil && errors.Is(err, load.ErrLedger) {
			return err
		}
	}
	return nil
}

// enterBursts asks for the newest bursts: one that is listed has been committed, and its recording is named.
func (c *crash) enterBursts(ctx context.Context) error {
	return c.session.Do(ctx, func(a *peer.API) error {
		var page struct {
			Items []state.Burst `json:"items"`
		}
		if err := a.Call(ctx, http.MethodGet, fmt.Sprintf("/bursts?group=%d&limit=20", c.group), nil, &page); err != nil {
			return err
		}
		for _, b := range page.Items {
			if err := c.ledger.Acknowledged(load.Entry{Kind: "burst", ID: b.ID.String(), Sum: b.File}); err != nil {
				return err
			}
		}
		return nil
	})
}
