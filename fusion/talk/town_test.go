package talk_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
)

// deed is one thing that happens at a site of several nodes; numbers are taken modulo what there is.
type deed struct {
	Do   string
	A, B int
	Prec fusion.Precedence
}

func deeds() *rapid.Generator[deed] {
	return rapid.Custom(func(t *rapid.T) deed {
		return deed{
			Do: rapid.SampledFrom([]string{"join", "join", "join", "leave", "press", "press", "press", "press", "alarm", "release", "release", "lead", "island",
				"kill", "cut", "heal", "wait", "patch", "part", "clear", "speak"}).Draw(t, "do"),
			A: rapid.IntRange(0, 5).Draw(t, "a"), B: rapid.IntRange(0, 2).Draw(t, "b"),
			Prec: fusion.Precedence(rapid.IntRange(0, 4).Draw(t, "precedence")),
		}
	})
}

// resident is a unit with one leg at one node in one group.
type resident struct {
	leg   *leg
	seat  talk.Seat
	node  *townNode
	group fusion.Number
}

// life is a town with those who live in it.
type life struct {
	*town
	t      *testing.T
	names  []string
	units  [6]resident
	leads  string
	term   uint64
	patch  fusion.ID
	calls  uint32
	killed bool
}

func TestWhateverHappensToItsNodesASiteHasOneFloorForEachGroup(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := rapid.SliceOfN(deeds(), 10, 60).Draw(rt, "deeds")
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = thrive(t, list) })
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

func thrive(t *testing.T, list []deed) error {
	l := &life{town: newTown(t, "n1", "n2", "n3"), t: t, names: []string{"n1", "n2", "n3"}, term: 1, leads: "n1"}
	defer l.end()
	l.arbiter("n1", 1)
	for i, d := range list {
		l.do(d)
		if d.Do != "speak" {
			continue
		}
		if err := l.judge(); err != nil {
			return fmt.Errorf("after deed %d: %w", i, err)
		}
	}
	return l.judge()
}

func (l *life) id() fusion.ID {
	l.calls++
	return fusion.ID{0: 9, 12: byte(l.calls >> 8), 13: byte(l.calls)}
}

func (l *life) do(d deed) {
	u := &l.units[d.A%len(l.units)]
	switch d.Do {
	case "join":
		l.join(u, fusion.Number(10101+d.A%len(l.units)), l.nodes[l.names[d.B%len(l.names)]], []fusion.Number{groupA, groupB}[d.A%2])
	case "leave":
		if u.seat != nil {
			u.seat.Leave()
			*u = resident{}
		}
	case "press", "alarm":
		if u.seat != nil {
			u.seat.Request(talk.Request{ID: l.id(), Precedence: d.Prec, Emergency: d.Do == "alarm"})
		}
	case "release":
		if u.seat != nil {
			u.seat.Release()
		}
	case "clear":
		_ = l.nodes[l.leads].x.EndEmergency(fusion.GroupTalk(groupA), 0, "test")
	case "wait":
		time.Sleep(time.Duration(d.A) * 300 * time.Millisecond)
	case "patch", "part":
		l.repatch(d.Do == "patch")
	default:
		l.harm(d)
	}
	if d.A%2 == 0 {
		settle()
	}
}

func (l *life) join(u *resident, unit fusion.Number, n *townNode, group fusion.Number) {
	if u.seat == nil && !n.dead {
		*u = resident{leg: newLeg(unit), node: n, group: group}
		u.seat = n.bench.join(l.t, group, u.leg, talk.JoinOptions{MayEmergency: true, Terminal: fusion.ID{7, byte(unit)}})
	}
}

func (l *life) repatch(on bool) {
	if on == !l.patch.IsZero() {
		return
	}
	if on {
		l.patch = l.id()
	}
	for _, n := range l.nodes {
		if on && !n.dead {
			_ = n.x.Patch(l.patch, []fusion.Number{groupA, groupB})
		} else if !n.dead {
			_ = n.x.Part(l.patch)
		}
	}
	if !on {
		l.patch = fusion.ID{}
	}
}

// harm does something to a node, or to what ties nodes together.
func (l *life) harm(d deed) {
	alive := l.alive()
	n := alive[d.B%len(alive)]
	switch d.Do {
	case "lead":
		l.term++
		l.leads = n.name
		l.town.arbiter(n.name, l.term)
	case "kill":
		if len(alive) < 3 || l.killed {
			return
		}
		l.killed = true
		l.kill(n.name)
		for i := range l.units {
			if l.units[i].node == n {
				l.units[i] = resident{}
			}
		}
		l.missed(n.name)
		if n.name == l.leads {
			l.leads, l.term = l.alive()[0].name, l.term+1
			l.town.arbiter(l.leads, l.term)
		}
	case "island":
		l.part(n)
	}
}

// part takes a node away from the others for a while, and brings it back.
func (l *life) part(n *townNode) {
	others := slices.DeleteFunc(l.alive(), func(o *townNode) bool { return o == n })
	if len(others) == 0 {
		return
	}
	set := func(cut bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, o := range others {
			l.cut[[2]string{n.name, o.name}] = cut
		}
	}
	set(true)
	for _, o := range others {
		n.in <- func() { n.x.Down(o.name) }
		o.in <- func() { o.x.Down(n.name) }
	}
	alone := talk.Arbiter{Node: n.name, Term: l.term, Island: true}
	n.in <- func() { n.x.Arbitrate(alone) }
	if n.name == l.leads {
		l.leads, l.term = others[0].name, l.term+1
	}
	next := talk.Arbiter{Node: l.leads, Term: l.term}
	for _, o := range others {
		o.in <- func() { o.x.Arbitrate(next) }
	}
	settle()
	for i := range l.units {
		if l.units[i].seat != nil && i%2 == 0 {
			l.units[i].seat.Request(talk.Request{ID: l.id(), Precedence: fusion.Routine})
		}
	}
	time.Sleep(500 * time.Millisecond)
	set(false)
	for _, o := range others {
		n.in <- func() { n.x.Up(o.name) }
		o.in <- func() { o.x.Up(n.name) }
	}
	n.in <- func() { n.x.Arbitrate(next) }
	settle()
}

func (l *life) alive() (list []*townNode) {
	for _, name := range l.names {
		if !l.nodes[name].dead {
			list = append(list, l.nodes[name])
		}
	}
	return list
}

// judge waits until everything has settled and looks whether all nodes agree, and whether who holds the floor is heard by all, once.
func (l *life) judge() error {
	time.Sleep(1500 * time.Millisecond)
	synctest.Wait()
	floors := [][]fusion.Number{{groupA}, {groupB}}
	if !l.patch.IsZero() {
		floors = [][]fusion.Number{{groupA, groupB}}
	}
	for _, groups := range floors {
		if err := l.judgeFloor(groups); err != nil {
			return fmt.Errorf("groups %v: %w", groups, err)
		}
	}
	return nil
}

// agree gives the state of a group, if all nodes show the same.
func (l *life) agree(group fusion.Number) (talk.State, error) {
	want, _ := l.nodes[l.leads].x.State(fusion.GroupTalk(group))
	for _, n := range l.alive() {
		got, _ := n.x.State(fusion.GroupTalk(group))
		if got.Burst != want.Burst || got.Talker != want.Talker || len(got.Seats) != len(want.Seats) || len(got.Queue) != len(want.Queue) {
			return want, fmt.Errorf("%s shows %s with %d seats, %d waiting; the arbiter %s shows %s with %d, %d", n.name, got.Burst, len(got.Seats), len(got.Queue),
				l.leads, want.Burst, len(want.Seats), len(want.Queue))
		}
	}
	return want, nil
}

func (l *life) judgeFloor(groups []fusion.Number) error {
	l.speak(groups, 1) // who holds the floor must not lose it for silence meanwhile
	settle()
	want, err := l.agree(groups[0])
	if err != nil {
		settle() // a State is told a moment after it has changed
		if want, err = l.agree(groups[0]); err != nil {
			return err
		}
	}
	var before []int
	for i := range l.units {
		before = append(before, 0)
		if u := &l.units[i]; u.seat != nil {
			before[i] = u.leg.heard(want.Burst)
		}
	}
	l.speak(groups, 3)
	settle()
	for i := range l.units {
		u := &l.units[i]
		if u.seat == nil || !slices.Contains(groups, u.group) || want.Burst.IsZero() || u.leg.unit == want.Talker {
			continue
		}
		if got := u.leg.heard(want.Burst) - before[i]; got != 3 {
			return fmt.Errorf("%s at %s heard %d packets of 3 of %s's burst %s; it was told %v", u.leg.unit, u.node.name, got, want.Talker, want.Burst, u.leg.kinds())
		}
	}
	return nil
}

// speak lets everybody in the groups speak; one is heard.
func (l *life) speak(groups []fusion.Number, packets int) {
	for i := range l.units {
		if u := &l.units[i]; u.seat != nil && slices.Contains(groups, u.group) {
			speak(u.seat, packets)
		}
	}
}
