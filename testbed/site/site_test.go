package site_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/site"
)

// TestMain runs the tests in namespaces of their own, where root may make some.
func TestMain(m *testing.M) {
	if status, done := site.Rerun(); done {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// post sends one message by a node.
func post(ctx context.Context, n *site.Node) error {
	var id fusion.ID
	_, _ = rand.Read(id[:])
	m := wire.MessageRequest{To: []fusion.Number{10001}, Text: "演练 " + id.String(), Precedence: fusion.Routine}
	return n.Admin().CallAs(ctx, id, http.MethodPost, "/messages", m, nil)
}

func TestEachHarmIsDoneAndUndone(t *testing.T) {
	if !site.Unshared() {
		t.Skip("namespaces and disks of our own are root's")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	binary, err := peer.BuildServer(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := site.Start(ctx, ctx, site.Config{Binary: binary, Dir: t.TempDir(), Nodes: 3, Apart: true, Disk: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	anew := func(what string, not *site.Node) *site.Node {
		t.Helper()
		var leader *site.Node
		posted := make(chan error, 1) // a disk that hangs harms nobody until something is written
		go func() { posted <- post(ctx, s.Others(not)[0]) }()
		if err := s.Await(ctx, "another leader "+what, func() bool { leader = s.Leader(); return leader != nil && leader != not }); err != nil {
			t.Fatal(err)
		}
		if err := <-posted; err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return leader
	}
	whole := func(what string, err error) {
		t.Helper()
		if err = errors.Join(err, s.Even(ctx, 8)); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}

	leader := anew("at all", nil)
	leader.Kill()
	anew("after kill -9", leader)
	whole("after kill -9", nil)

	leader = anew("at all", nil)
	err = leader.Freeze()
	anew("after SIGSTOP", leader)
	whole("after SIGCONT", err)

	leader = anew("at all", nil)
	err = leader.Hang()
	anew("while the disk hangs", leader)
	whole("after the thaw", errors.Join(err, leader.Thaw()))

	leader = anew("at all", nil)
	follower := s.Others(leader)[0]
	if err := s.Cut(ctx, leader, follower); err != nil {
		t.Fatal(err)
	}
	if err := post(ctx, s.Others(follower)[0]); err != nil {
		t.Errorf("a cut link beside: %v", err)
	}
	whole("after the link was mended", s.Heal(ctx, leader, follower))

	leader = anew("at all", nil)
	err = s.Unplug(ctx, leader)
	anew("while its cable is out", leader)
	whole("after the cable was put back", errors.Join(err, s.Plug(ctx, leader)))

	leader = anew("at all", nil)
	if err := leader.Starve(4 << 20); err != nil {
		t.Fatal(err)
	}
	full := func() bool {
		var refusal *peer.Refusal
		return errors.As(post(ctx, leader), &refusal) && refusal.Reason == "disk_reserve"
	}
	if err := s.Await(ctx, "a full disk to be noticed", full); err != nil {
		t.Fatal(err)
	}
	whole("after the disk has room", leader.Feed())
	if err := s.Await(ctx, "room to be noticed", func() bool { return post(ctx, leader) == nil }); err != nil {
		t.Fatal(err)
	}
}
