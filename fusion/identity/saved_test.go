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
	fresh.Restore(saved)
	if got, ok := fresh.Find(stays); !ok || got.User != "wang" || fresh.EpochOf(got) != 3 {
		t.Errorf("the session came back as %v, %t", got, ok)
	}
	if _, ok := fresh.Find(gone); ok || fresh.Len() != 1 {
		t.Errorf("what had ended came back, or a key that is none: %d sessions", fresh.Len())
	}
	now = now.Add(13 * time.Hour)
	late := identity.NewSessions(cfg)
	late.Restore(saved)
	if late.Len() != 0 {
		t.Error("a session came back after its time")
	}
}
