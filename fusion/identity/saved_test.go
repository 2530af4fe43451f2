package identity_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/identity"
)

func TestSessionsOutliveARestartUntilTheyAreOver(t *testing.T) {
	now := time.Unix(1000, 0)
	cfg := identity.SessionConfig{Now: func() time.Time { return now }, Rand: rand.Reader}
	old := identity.NewSessions(cfg)
	stays, _, err := old.Open("wang", 3, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	gone, s, err := old.Open("zhao", 1, "10.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	before := old.Changes()
	old.End(s, "logged_out")
	if old.Changes() == before {
		t.Error("an end is no change to be saved")
	}
	saved := append(old.Save(), identity.Saved{Key: []byte("short"), User: "x", Expires: now.Add(time.Hour), Seen: now})
	fresh := identity.NewSessions(cfg)
	fresh.Merge(saved)
	if got, ok := fresh.Find(stays); !ok || got.User != "wang" || fresh.EpochOf(got) != 3 {
		t.Errorf("the session came back as %v, %t", got, ok)
	}
	if _, ok := fresh.Find(gone); ok || fresh.Len() != 1 {
		t.Errorf("what had ended came back, or a key that is none: %d sessions", fresh.Len())
	}
	now = now.Add(13 * time.Hour)
	late := identity.NewSessions(cfg)
	late.Merge(saved)
	if late.Len() != 0 {
		t.Error("a session came back after its time")
	}
}

// site is nodes that tell one another what changes, at once.
func site(now *time.Time, n int) []*identity.Sessions {
	nodes := make([]*identity.Sessions, n)
	for i := range nodes {
		nodes[i] = identity.NewSessions(identity.SessionConfig{Now: func() time.Time { return *now }, Rand: rand.Reader, Total: 100})
	}
	return nodes
}

// link has a tell b from now on, beginning with all that it knows.
func link(a, b *identity.Sessions) {
	var waiting [][]identity.Saved
	busy := false
	a.Share(func(list []identity.Saved) {
		waiting = append(waiting, list)
		if busy {
			return
		}
		busy = true
		for ; len(waiting) > 0; waiting = waiting[1:] {
			b.Merge(waiting[0])
		}
		busy = false
	})
	b.Merge(a.Save())
}

func open(t *testing.T, x *identity.Sessions, user string, epoch uint64) (string, *identity.Session) {
	t.Helper()
	tok, s, err := x.Open(user, epoch, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return tok, s
}

func TestASessionIsGoodAtAnotherNodeAndEndsThereToo(t *testing.T) {
	now := time.Unix(1000, 0)
	n := site(&now, 2)
	link(n[0], n[1])
	tok, s := open(t, n[0], "wang", 2)
	there, ok := n[1].Find(tok)
	if !ok || there.User != "wang" {
		t.Fatal("the session is not known at the other node")
	}
	n[0].End(s, "logged_out")
	select {
	case <-there.Done():
		if there.Why() != "logged_out" {
			t.Errorf("ended as %q", there.Why())
		}
	default:
		t.Error("it goes on at the other node")
	}
	if _, ok := n[1].Find(tok); ok {
		t.Error("it is still found")
	}
}

func TestAnEndWinsOverOldDataThatComesBack(t *testing.T) {
	now := time.Unix(1000, 0)
	n := site(&now, 3)
	tok, s := open(t, n[0], "wang", 2)
	old := n[0].Save() // a node that is away, or a backup, still has it
	n[0].End(s, "revoked")
	n[0].Merge(old)
	if _, ok := n[0].Find(tok); ok {
		t.Error("old data brought an ended session back")
	}
	n[2].Merge(old)
	n[2].Merge(n[0].Save())
	n[1].Merge(n[0].Save())
	n[1].Merge(old)
	for i := 1; i < 3; i++ {
		if _, ok := n[i].Find(tok); ok {
			t.Errorf("order matters at node %d", i)
		}
	}
}

func TestARenewalOutlivesTheEndOfTheEpochBefore(t *testing.T) {
	now := time.Unix(1000, 0)
	n := site(&now, 2)
	tok, s := open(t, n[0], "wang", 2)
	other, _ := open(t, n[0], "wang", 2)
	n[1].Merge(n[0].Save())
	n[1].EndUser("wang", 3, "revoked") // the record was faster than the word that one was renewed
	n[0].Renew(s, 3)
	n[0].EndUser("wang", 3, "revoked")
	n[1].Merge(n[0].Save())
	n[0].Merge(n[1].Save())
	for i, x := range n {
		if _, ok := x.Find(tok); !ok {
			t.Errorf("node %d ended the session that changed its own password", i)
		}
		if _, ok := x.Find(other); ok {
			t.Errorf("node %d keeps the other one", i)
		}
	}
}

func TestAWrongClockEndsNothingElsewhere(t *testing.T) {
	now, fast := time.Unix(1000, 0), time.Unix(1000, 0).Add(48*time.Hour)
	a := site(&now, 1)[0]
	b := site(&fast, 1)[0]
	tok, _ := open(t, a, "wang", 0)
	b.Merge(a.Save())
	b.Sweep()
	a.Merge(b.Save())
	if _, ok := a.Find(tok); !ok {
		t.Error("a node whose clock is ahead ended the session of another")
	}
	far, _ := open(t, b, "zhao", 0)
	a.Merge(b.Save())
	if s, ok := a.Find(far); !ok || s.Expires.After(now.Add(13*time.Hour)) {
		t.Error("a session of a node whose clock is ahead lasts as long as that clock says")
	}
}

func TestUseIsToldNowAndThen(t *testing.T) {
	now := time.Unix(1000, 0)
	a := site(&now, 1)[0]
	tok, _ := open(t, a, "wang", 0)
	told := 0
	a.Share(func(list []identity.Saved) { told += len(list) })
	for range 300 {
		now = now.Add(time.Second)
		a.Find(tok)
	}
	if told != 5 {
		t.Errorf("told %d times in five minutes", told)
	}
	b := site(&now, 1)[0]
	b.Merge(a.Save())
	for range 4 { // used at a, b only hears of it
		now = now.Add(20 * time.Minute)
		a.Find(tok)
		b.Merge(a.Save())
	}
	if _, ok := b.Find(tok); !ok {
		t.Error("it was idle at the other node only")
	}
}

func TestFloodsOfSessionsAndEndsAreBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	a := site(&now, 1)[0]
	for i := range 1000 {
		key := make([]byte, 32)
		key[0], key[1] = byte(i), byte(i>>8)
		a.Merge([]identity.Saved{{Key: key, User: "x", Expires: now.Add(time.Hour), Seen: now}})
		key[2] = 1
		a.Merge([]identity.Saved{{Key: key, User: "x", Epoch: 9, Expires: now.Add(time.Duration(i) * time.Second), Ended: "logged_out"}})
	}
	if n := len(a.Save()); n > 300 || a.Len() > 100 {
		t.Errorf("%d kept, %d sessions", n, a.Len())
	}
}
