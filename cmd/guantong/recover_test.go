package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

func TestASiteThatLostItsQuorumGoesOnAndTheOthersComeBackWithWhatOnlyTheyHad(t *testing.T) {
	r := three(t)
	acked := r.posted(r.nodes[0], 5)
	r.until(20*time.Second, "all to have it", func() bool { return r.apart() == 0 })
	survivor := r.nodes[2]
	r.until(20*time.Second, "another to lead", func() bool {
		l := r.leader()
		if l == survivor {
			_ = run(t.Context(), []string{"handover", "-config", survivor.config}, &bytes.Buffer{}, &bytes.Buffer{})
		}
		return l != nil && l != survivor
	})
	survivor.Kill()
	acked = append(acked, r.posted(r.nodes[0], 7)...) // acknowledged, and the one that is left has none of it
	var group state.Group
	made := state.Group{Number: fusion.NewNumber(1, 77), Name: "抢通组", Kind: state.TalkGroup, Precedence: fusion.Routine}
	if err := r.nodes[0].session.Load().CallAs(t.Context(), fusion.ID{7, 7}, http.MethodPut, "/groups/"+made.Number.String(), made, &group); err != nil {
		t.Logf("the group was not made: %v", err) // tried again below by its audit entry
	}
	r.nodes[0].Kill()
	r.nodes[1].Kill()
	if said := r.refuses(survivor, "recover"); !strings.Contains(said, "-force") {
		t.Errorf("without -force: %s", said)
	}
	if said := r.command(survivor, "recover", "-force"); !strings.Contains(said, "incarnation 2-") {
		t.Fatal(said)
	}
	lost := r.nodes[:2]
	r.nodes = []*siteNode{survivor}
	r.again(survivor)
	acked = append(acked, r.posted(survivor, 3)...)
	// One of the old ones comes back by itself: it is kept out, is told why, and the site is not harmed.
	fenced, err := peer.StartProcess(t.Context(), t.TempDir(), nil, r.binary, "serve", "-config", lost[0].config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fenced.Kill)
	r.until(30*time.Second, "the fenced one to be told", func() bool { return strings.Contains(r.status(lost[0]).Record.Fault, "fenced") })
	if said := r.refuses(lost[0], "rejoin", "-join", r.command(survivor, "token")); !strings.Contains(said, "in use") {
		t.Errorf("while it serves: %s", said)
	}
	fenced.Kill()
	acked = append(acked, r.posted(survivor, 1)...)
	for i, n := range lost {
		said := r.command(n, "rejoin", "-join", r.command(survivor, "token"))
		t.Log(said)
		if i == 0 && !strings.Contains(said, "proposed again") {
			t.Error(said)
		}
		r.nodes = append(r.nodes, n)
		r.again(n)
	}
	r.until(30*time.Second, "three voters", func() bool { return r.voters(survivor) == 3 })
	r.until(30*time.Second, "all to have the same", func() bool { return r.apart() == 0 })
	for _, n := range r.nodes {
		have := r.messages(n)
		for _, id := range acked {
			if have[id.String()] != 1 {
				t.Errorf("%s has message %s %d times", n.id, id, have[id.String()])
			}
		}
	}
	if said := r.refuses(lost[0], "rejoin", "-join", r.command(survivor, "token")); !strings.Contains(said, "in use") {
		t.Error(said)
	}
	if _, err := os.Stat(filepath.Join(lost[0].Data(), mendingFile)); err == nil {
		t.Error("it is still said to be half way")
	}
}
