package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/hearing"
	"github.com/guantong-net/guantong/testbed/linear"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/site"
	"github.com/guantong-net/guantong/testbed/speech"
)

// death is one way in which a server goes, or seems to go.
type death struct {
	what    string
	leader  bool // the victim is the leader, else a follower
	talker  bool // the one who talks is at the victim
	silent  bool // nobody is told by a reset
	link    bool // only the link from the talker's node to the victim
	disk    bool // the victim's disk hangs
	apart   bool // needs namespaces
	commits bool // the site needs another leader before it accepts anything
}

func deaths() []death {
	return []death{
		{what: "kill -9 of the leader", leader: true, commits: true},
		{what: "kill -9 of a follower"},
		{what: "kill -9 of the talker's node", talker: true},
		{what: "kill -9 of the leader, where the talker is", leader: true, talker: true, commits: true},
		{what: "SIGSTOP of the leader", leader: true, silent: true, commits: true},
		{what: "SIGSTOP of the talker's node", talker: true, silent: true},
		{what: "a cut link", link: true, apart: true},
		{what: "a hung disk of the leader", leader: true, disk: true, apart: true, commits: true},
	}
}

// gaps are what a dead server costs, in ms.
type gaps struct {
	other, own, ownTalker, silent, link, disk, commit []float64
	phone                                             []float64 // s
	extended                                          int       // bursts that went on after their node died
	died                                              int       // of those
}

// deadServer lets servers die while people talk and write.
func deadServer(ctx context.Context, d *drill) error {
	s, err := d.startSite(ctx, place())
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	t, err := d.newTheatre(ctx, s)
	if err != nil {
		return err
	}
	w := d.write(ctx, s, 6)
	defer w.rest()
	for round := range d.rounds {
		for _, x := range deaths() {
			if x.apart && !site.Unshared() {
				d.say("%s: not root, not done", x.what)
				continue
			}
			if err := t.play(ctx, x); err != nil {
				d.logs(s)
				return fmt.Errorf("round %d: %s: %w", round+1, x.what, err)
			}
		}
	}
	w.rest()
	t.report()
	return d.account(ctx, w)
}

// theatre is a site with what is needed to see servers die.
type theatre struct {
	d      *drill
	s      *site.Site
	frames [][]byte
	known  map[string]int
	trust  *tls.Config
	media  media.Config            // with the certificate that all consoles share
	users  map[string]peer.Account // talker, rival, listener
	phones []peer.Account
	floor  linear.Lock
	holds  int
	gaps   gaps
}

// speechTime is how long one talks in each death.
const speechTime = 6.0 // s

func (d *drill) newTheatre(ctx context.Context, s *site.Site) (*theatre, error) {
	t := &theatre{d: d, s: s, known: map[string]int{}, users: map[string]peer.Account{}, floor: linear.NewLock()}
	said, err := speech.Load("dispatcher")
	if err != nil {
		return nil, err
	}
	said = said.Loop(0.1, speechTime).Cut(0, speechTime)
	for i := range said.Samples {
		said.Samples[i] += (d.rand.Float64() - 0.5) * 0.01 // a room: else two packets of silence could not be told apart
	}
	if t.frames, err = load.OpusFrames(said); err != nil {
		return nil, err
	}
	for i, f := range t.frames {
		if _, twice := t.known[string(f)]; twice {
			return nil, fmt.Errorf("packets %d and %d of the speech are the same", t.known[string(f)], i)
		}
		t.known[string(f)] = i
	}
	if t.trust, err = s.Trust(); err != nil {
		return nil, err
	}
	if t.media.Certificate, err = media.NewCertificate(); err != nil {
		return nil, err
	}
	for i, name := range []string{"talker", "rival", "listener"} {
		if t.users[name], err = addUser(ctx, s.Nodes[0].Server, s.Nodes[0].Admin(), name, local(uint16(121+i)), fusion.UnitRole); err != nil {
			return nil, err
		}
	}
	for i := range s.Nodes {
		a, err := addPhone(ctx, s.Nodes[0].Admin(), fmt.Sprintf("phone %d", i+1), local(uint16(811+i)))
		if err != nil {
			return nil, err
		}
		t.phones = append(t.phones, a)
	}
	return t, nil
}

// report holds everything against the limits.
func (t *theatre) report() {
	d, g := t.d, t.gaps
	worst := func(v []float64) float64 { return hearing.Percentile(v, 100) }
	for _, f := range []struct {
		name  string
		from  []float64
		of    func([]float64) float64
		limit float64
	}{
		{"gap_ms_other_node", g.other, worst, 0},
		{"gap_ms_own_node_p95", append(g.own, g.ownTalker...), p95, 500},
		{"gap_ms_silent_death_p95", g.silent, p95, 1500},
		{"gap_ms_cut_link", g.link, worst, 500},
		{"first_commit_ms_p50", g.commit, p50, 1000},
		{"first_commit_ms_max", g.commit, worst, 2000},
	} {
		if len(f.from) > 0 {
			d.atMost(f.name, f.of(f.from), f.limit)
		}
	}
	for _, f := range []struct {
		name string
		from []float64
	}{{"gap_ms_own_node_listener_p95", g.own}, {"gap_ms_own_node_talker_p95", g.ownTalker}, {"gap_ms_hung_disk_p95", g.disk}, {"phone_back_s", g.phone}} {
		if len(f.from) > 0 {
			d.figure(f.name, p95(f.from))
		}
	}
	d.figure("bursts_that_went_on", float64(g.extended))
	d.figure("bursts_whose_node_died", float64(g.died))
	doubles := t.floor.Doubles()
	for _, x := range doubles {
		d.say("two had the floor: %v", x)
	}
	d.figure("floor_grants", float64(t.holds))
	d.atMost("floor_double_grants", float64(len(doubles)), 0)
}

func p50(v []float64) float64 { return hearing.Percentile(v, 50) }
func p95(v []float64) float64 { return hearing.Percentile(v, 95) }

// begin lets the victim die; the function that it gives undoes it.
func (t *theatre) begin(ctx context.Context, x death, victim, from *site.Node) (undo func(context.Context) error, err error) {
	nothing := func(context.Context) error { return nil }
	switch {
	case x.link:
		return func(ctx context.Context) error { return t.s.Heal(ctx, from, victim) }, t.s.Cut(ctx, from, victim)
	case x.disk:
		return func(context.Context) error { return victim.Thaw() }, victim.Hang()
	case x.silent:
		return func(context.Context) error { return victim.Wake() }, victim.Freeze()
	}
	victim.Kill()
	return nothing, nil
}

// whole waits for the site to be itself again, and for a leader.
func (t *theatre) whole(ctx context.Context) (*site.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, together)
	defer cancel()
	if err := t.s.Even(ctx, 64); err != nil {
		return nil, err
	}
	if l := t.s.Leader(); l != nil {
		return l, nil
	}
	return nil, errors.New("no leader")
}

// frameTime is between two packets.
const frameTime = 20 * time.Millisecond
