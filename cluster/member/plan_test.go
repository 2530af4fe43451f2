package member_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/guantong-net/guantong/cluster/member"
	"github.com/guantong-net/guantong/fusion/state"
)

// world is a site that carries out what Next says.
type world struct {
	t *testing.T
	member.Site
}

func (w *world) voters() (out []string) {
	for _, s := range w.Servers {
		if s.Votes {
			out = append(out, s.ID)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) join(id string) {
	w.Nodes = append(w.Nodes, state.Node{ID: id, Address: id, Role: state.NodeJoining})
}

func (w *world) wish(id string, wish state.NodeWish) {
	for i := range w.Nodes {
		if w.Nodes[i].ID == id {
			w.Nodes[i].Wish = wish
		}
	}
}

// settle does step after step until there is nothing to do.
func (w *world) settle() {
	w.t.Helper()
	for range 100 {
		step := member.Next(w.Site)
		if step.Deed == member.Nothing {
			return
		}
		w.do(step)
	}
	w.t.Fatalf("it does not come to rest: %+v", w.Site)
}

func (w *world) do(step member.Step) {
	w.t.Helper()
	at := slices.IndexFunc(w.Servers, func(s member.Server) bool { return s.ID == step.Node })
	switch step.Deed {
	case member.Add:
		w.Servers = append(w.Servers, member.Server{ID: step.Node, Address: step.Node})
	case member.Promote:
		if !w.Ready[step.Node] {
			w.t.Fatalf("%s is promoted before it has caught up", step.Node)
		}
		w.Servers[at].Votes = true
	case member.Demote, member.Drop:
		if step.Node == w.Self {
			w.t.Fatal("the leader deposes itself")
		}
		if step.Deed == member.Drop {
			w.Servers = slices.Delete(w.Servers, at, at+1)
		} else {
			w.Servers[at].Votes = false
		}
		// What is left must be able to agree to it.
		answers := 0
		for _, v := range w.voters() {
			if w.Ready[v] {
				answers++
			}
		}
		if 2*answers <= len(w.voters()) {
			w.t.Fatalf("%v cannot agree: %+v", w.voters(), w.Ready)
		}
	case member.HandOver:
		w.Self = step.Node
	case member.Record:
		i := slices.IndexFunc(w.Nodes, func(n state.Node) bool { return n.ID == step.Node })
		if i < 0 {
			w.Nodes = append(w.Nodes, state.Node{ID: step.Node, Address: step.Node, Role: step.Role})
		} else {
			w.Nodes[i].Role = step.Role
		}
	}
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, Site: member.Site{Self: "n1", Servers: []member.Server{{ID: "n1", Address: "n1", Votes: true}}, Ready: map[string]bool{"n1": true}, Low: map[string]bool{}}}
	w.settle()
	return w
}

func (w *world) expect(voters ...string) {
	w.t.Helper()
	w.settle()
	if got := w.voters(); !slices.Equal(got, voters) {
		w.t.Fatalf("voters %v, want %v", got, voters)
	}
}

func TestASiteGrowsFromOneToThreeToFiveVoters(t *testing.T) {
	w := newWorld(t)
	w.expect("n1")
	for i, want := range [][]string{{"n1"}, {"n1", "n2", "n3"}, {"n1", "n2", "n3"}, {"n1", "n2", "n3", "n4", "n5"}, {"n1", "n2", "n3", "n4", "n5"}} {
		id := fmt.Sprint("n", i+2)
		w.join(id)
		w.settle()
		w.Ready[id] = true
		w.expect(want...)
	}
	if why := member.Why(w.Nodes[5], w.Nodes); why == "" {
		t.Error("the spare is not told why it does not vote")
	}
}

func TestTwoNodesNeverBothVote(t *testing.T) {
	w := newWorld(t)
	w.join("n2")
	w.Ready["n2"] = true
	w.expect("n1")
	if why := member.Why(w.Nodes[1], w.Nodes); why == "" {
		t.Error("no reason is given")
	}
	// A leader died between two promotions: two voters are there, and the second does not answer.
	w.join("n3")
	w.Ready["n3"] = true
	w.settle()
	w.Servers[2].Votes, w.Ready["n3"] = false, false
	w.expect("n1")
}

func TestADeadNodeIsRemovedBeforeALivingOneLosesItsVote(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"n2", "n3"} {
		w.join(id)
		w.Ready[id] = true
	}
	w.expect("n1", "n2", "n3")
	delete(w.Ready, "n3")
	w.expect("n1", "n2", "n3") // dead is not removed
	w.wish("n3", state.WishRemove)
	w.expect("n1")
	if n := w.Nodes[2]; n.Role != state.NodeRemoved || len(w.Servers) != 2 {
		t.Errorf("%+v %+v", n, w.Servers)
	}
}

func TestALeaderThatLeavesHandsOverFirst(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"n2", "n3", "n4"} {
		w.join(id)
		w.Ready[id] = true
	}
	w.expect("n1", "n2", "n3")
	w.wish("n1", state.WishRemove)
	w.expect("n2", "n3", "n4")
	w.wish(w.Self, state.WishDrain)
	leader := w.Self
	w.expect("n2", "n3", "n4")
	if w.Self == leader {
		t.Error("a drained node leads")
	}
}

func TestALeaderWhosePowerEndsHandsOverToOneThatHasMore(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"n2", "n3"} {
		w.join(id)
		w.Ready[id] = true
	}
	w.expect("n1", "n2", "n3")
	w.Low["n1"], w.Low["n2"] = true, true
	w.expect("n1", "n2", "n3")
	if w.Self != "n3" {
		t.Errorf("%s leads", w.Self)
	}
	w.Low["n3"] = true // now that is so of all
	w.expect("n1", "n2", "n3")
	if w.Self != "n3" {
		t.Errorf("%s leads: leadership wanders", w.Self)
	}
	w.Low["n1"] = false
	w.expect("n1", "n2", "n3")
	if w.Self != "n1" {
		t.Errorf("%s leads", w.Self)
	}
	w.wish("n1", state.WishDrain) // better one with little power than none
	w.expect("n1", "n2", "n3")
	if w.Self == "n1" {
		t.Error("a drained node leads")
	}
}

func TestWhateverHappensTheVotersAreOddAndCanAgree(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		for i := range 40 {
			switch r.IntN(5) {
			case 4:
				id := w.Nodes[r.IntN(len(w.Nodes))].ID
				w.Low[id] = !w.Low[id]
			case 0, 1:
				id := fmt.Sprint("n", i+2)
				w.join(id)
				w.settle()
				w.Ready[id] = r.IntN(4) > 0
			case 2:
				w.wish(w.Nodes[r.IntN(len(w.Nodes))].ID, []state.NodeWish{state.WishServe, state.WishDrain}[r.IntN(2)])
			case 3:
				if len(w.Servers) > 2 && r.IntN(2) == 0 {
					if s := w.Servers[r.IntN(len(w.Servers))]; w.Ready[s.ID] && s.ID != w.Self {
						w.wish(s.ID, state.WishRemove)
					}
				}
			}
			w.settle()
			if n := len(w.voters()); n%2 == 0 || n > member.MaxVoters {
				t.Fatalf("seed %d: voters %v of %+v", seed, w.voters(), w.Site)
			}
		}
	}
}
