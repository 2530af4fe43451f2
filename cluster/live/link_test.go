package live_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/cluster/live"
)

// settle lets the nodes of a test find one another.
func settle() {
	time.Sleep(600 * time.Millisecond)
	synctest.Wait()
}

func three(t *testing.T) (*network, []*node) {
	net := newNetwork(t, 1)
	return net, []*node{net.start("n1", 3), net.start("n2", 3), net.start("n3", 3)}
}

func stopAll(nodes []*node) {
	for _, n := range nodes {
		n.stop()
		<-n.done
	}
}

func said(events []string, by string) []string {
	var out []string
	for _, e := range events {
		if len(e) > len(by) && e[:len(by)+1] == by+":" {
			out = append(out, e[len(by)+1:])
		}
	}
	return out
}

func TestNodesFindOneAnotherAndSpeakInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, nodes := three(t)
		defer stopAll(nodes)
		settle()
		for _, n := range nodes {
			if got := n.take(); len(got) != 2 {
				t.Errorf("%s was told %v", n.id, got)
			}
		}
		for i := range 100 {
			nodes[0].say.Broadcast(fmt.Append(nil, i))
			nodes[0].link.SendFrame("n2", []byte("speech"))
		}
		settle()
		for _, n := range nodes[1:] {
			if got := said(n.take(), "n1"); len(got) != 100 || got[0] != "0" || got[99] != "99" {
				t.Errorf("%s heard %v", n.id, got)
			}
		}
		if got := nodes[1].heard("n1"); got != 100 {
			t.Errorf("%d frames of 100", got)
		}
	})
}

func TestACutPathGoesByTheThirdNodeAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, nodes := three(t)
		defer stopAll(nodes)
		settle()
		for _, n := range nodes {
			n.take()
		}
		sent, gap, last := 0, 0, 0
		talk := func(d time.Duration) {
			for range d / (20 * time.Millisecond) {
				nodes[0].say.Send("n2", fmt.Append(nil, sent))
				sent++
				nodes[0].link.SendFrame("n2", []byte("speech"))
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
				if now := nodes[1].heard("n1"); now == last {
					gap++
				} else {
					last = now
				}
			}
		}
		talk(time.Second)
		net.set("n1", "n2", true)
		talk(3 * time.Second)
		if peers := nodes[0].link.Peers(); peers[0].Direct || peers[0].Via != "n3" || !peers[0].Up {
			t.Errorf("%+v", peers)
		}
		net.set("n1", "n2", false)
		talk(3 * time.Second)
		if peers := nodes[0].link.Peers(); !peers[0].Direct {
			t.Errorf("%+v", peers)
		}
		settle()
		got := nodes[1].take()
		if slices.Contains(got, "-n1") {
			t.Error("n1 counted as gone")
		}
		heard := said(got, "n1")
		for i, s := range heard {
			if s != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, s)
			}
		}
		if len(heard) != sent {
			t.Errorf("%d messages of %d", len(heard), sent)
		}
		if gap > 25 {
			t.Errorf("%d ms without speech", gap*20)
		}
		t.Logf("speech was gone for %d ms", gap*20)
	})
}

func TestADeadNodeIsDownAndComesBackAsANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, nodes := three(t)
		defer func() { stopAll(nodes) }()
		settle()
		for _, n := range nodes {
			n.take()
		}
		net.kill(nodes[2])
		nodes[0].say.Send("n3", []byte("into the void"))
		time.Sleep(1200 * time.Millisecond)
		synctest.Wait()
		if got := nodes[0].take(); !slices.Equal(got, []string{"-n3"}) {
			t.Errorf("told %v", got)
		}
		nodes[2] = net.start("n3", 3)
		settle()
		nodes[0].say.Send("n3", []byte("again"))
		settle()
		if got := nodes[2].take(); !slices.Equal(said(got, "n1"), []string{"again"}) {
			t.Errorf("n3 heard %v", got)
		}
		if got := nodes[0].take(); !slices.Equal(got, []string{"+n3"}) {
			t.Errorf("told %v", got)
		}
	})
}

func TestANodeThatWasAwayTooLongIsAsNewOnBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, nodes := three(t)
		defer stopAll(nodes)
		settle()
		for _, n := range nodes {
			n.take()
		}
		net.set("n1", "n3", true)
		net.set("n2", "n3", true)
		nodes[0].say.Send("n3", []byte("old"))
		time.Sleep(3 * time.Second)
		net.set("n1", "n3", false)
		net.set("n2", "n3", false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, n := range []*node{nodes[0], nodes[2]} {
			other := map[string]string{"n1": "n3", "n3": "n1"}[n.id]
			got := n.take()
			if !slices.Contains(got, "-"+other) || !slices.Contains(got, "+"+other) || len(said(got, other)) > 0 {
				t.Errorf("%s was told %v", n.id, got)
			}
		}
	})
}

func TestWithATenthOfTheDatagramsLostNothingIsDoubledOrMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, nodes := three(t)
		defer stopAll(nodes)
		settle()
		nodes[1].take()
		net.mu.Lock()
		net.loss = 0.1
		net.mu.Unlock()
		for i := range 200 {
			nodes[0].say.Send("n2", fmt.Append(nil, i))
			time.Sleep(30 * time.Millisecond)
			if i%40 == 0 {
				net.set("n1", "n2", i%80 == 0)
			}
		}
		net.set("n1", "n2", false)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		heard := said(nodes[1].take(), "n1")
		for i, s := range heard {
			if s != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, s)
			}
		}
		if len(heard) != 200 {
			t.Errorf("%d messages of 200", len(heard))
		}
	})
}

func TestWhoLeadsArbitratesAndWithoutALeaderTheLowestNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, nodes := three(t)
		defer func() { stopAll(nodes) }()
		want := func(when string, a live.Arbiter, who ...*node) {
			t.Helper()
			for _, n := range who {
				if got := n.arbitrates(); got != a {
					t.Errorf("%s: %s is arbitrated by %+v, want %+v", when, n.id, got, a)
				}
			}
		}
		nodes[2].stand(5, true)
		settle()
		want("n3 leads", live.Arbiter{Node: "n3", Term: 5}, nodes...)
		nodes[1].stand(6, true) // elected while n3 does not know yet
		time.Sleep(150 * time.Millisecond)
		synctest.Wait()
		want("the higher term counts", live.Arbiter{Node: "n2", Term: 6}, nodes...)
		nodes[2].stand(6, false)
		net.set("n1", "n2", true)
		settle()
		want("n1 hears the leader by n3", live.Arbiter{Node: "n2", Term: 6}, nodes...)
		net.set("n3", "n2", true)
		time.Sleep(time.Second)
		synctest.Wait()
		want("cut off", live.Arbiter{Node: "n1", Term: 6, Island: true}, nodes[0], nodes[2])
		want("cut off", live.Arbiter{Node: "n2", Term: 6}, nodes[1])
		nodes[1].stand(6, false) // its lease is over
		time.Sleep(time.Second)
		synctest.Wait()
		want("alone", live.Arbiter{Node: "n2", Term: 6, Island: true}, nodes[1])
		nodes[0].stand(7, true)
		net.set("n1", "n2", false)
		net.set("n3", "n2", false)
		time.Sleep(time.Second)
		synctest.Wait()
		want("together", live.Arbiter{Node: "n1", Term: 7}, nodes...)
	})
}
