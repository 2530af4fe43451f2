package cluster_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// A release's golden log is made once, when it is released, and kept for ever: go test ./cluster -run Golden -update=v2
var update = flag.String("update", "", "write the golden log of this release under a name")

// TestTheGoldenLogsOfAllReleasesComeToTheSameState replays the logs that nodes of each release wrote, through the same path as a
// node's own log. Another hash means that an upgraded node would part from one that is not yet: it takes a new command or a new version.
func TestTheGoldenLogsOfAllReleasesComeToTheSameState(t *testing.T) {
	if *update != "" {
		writeGolden(t, filepath.Join("testdata", *update+".log"))
	}
	logs, err := filepath.Glob(filepath.Join("testdata", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal("no golden logs: ", err)
	}
	for _, name := range logs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			entries, want := readGolden(t, name)
			for _, together := range []int{1, 7, len(entries)} { // however Raft batches them
				got, err := cluster.Replay(t.TempDir(), entries, together)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d at once: the state's hash is %x, was %x, %v", together, got, want, err)
				}
			}
		})
	}
}

// readGolden reads lines of index, term, type and data, and the hash behind them.
func readGolden(t *testing.T, name string) (entries []*raft.Log, want []byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if sum, ok := strings.CutPrefix(lines.Text(), "sha256:"); ok {
			if want, err = hex.DecodeString(sum); err != nil {
				t.Fatal(err)
			}
			continue
		}
		f := strings.Fields(lines.Text())
		if len(f) != 4 {
			t.Fatalf("%q", lines.Text())
		}
		index, err1 := strconv.ParseUint(f[0], 10, 64)
		term, err2 := strconv.ParseUint(f[1], 10, 64)
		kind, err3 := strconv.ParseUint(f[2], 10, 8)
		data, err4 := hex.DecodeString(strings.TrimPrefix(f[3], "x"))
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Fatal(name, err1, err2, err3, err4)
		}
		entries = append(entries, &raft.Log{Index: index, Term: term, Type: raft.LogType(kind), Data: data})
	}
	return entries, want
}

// writeGolden has a node of this release live through a day, and writes its log down.
func writeGolden(t *testing.T, name string) {
	t.Helper()
	n := open(t, t.TempDir())
	live(t, n)
	var out strings.Builder
	entries, err := n.Log()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintf(&out, "%d %d %d x%x\n", e.Index, e.Term, e.Type, e.Data)
	}
	r, err := n.Reading()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum, err := r.Hash()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "sha256:%x\n", sum)
	if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// live has a node go through what a site of several nodes goes through: members, messages, refusals, repeats, a recovery, a raise.
func live(t *testing.T, n *cluster.Node) {
	t.Helper()
	furnish(t, n)
	maybe := func(typ command.Type, payload any) fusion.ID { // refusals belong into the log too
		cmd, err := n.Command(typ, fusion.ID{}, "system", payload)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := n.Propose(t.Context(), cmd); err != nil {
				t.Fatal(err)
			}
		}
		return cmd.ID
	}
	_, at := n.Stamp()
	later := state.Millis(at + 3600_000)
	for i, id := range []string{"node-1", "node-2", "node-3"} {
		hash := bytes.Repeat([]byte{byte(i + 1)}, 32)
		maybe(command.TokenAdd, state.JoinToken{Hash: hash, Expires: later})
		maybe(command.TokenUse, state.TokenUse{Hash: hash, Node: id, Address: id + ":7400", Key: fmt.Sprint("pin", i)})
		maybe(command.TokenUse, state.TokenUse{Hash: hash, Node: id + "b", Address: id + "b:7400"})
	}
	for i := range 20 {
		id := maybe(command.MessagePost, message(fmt.Sprint("第", i, "号大坝水位上涨")))
		maybe(command.ReceiptAdd, state.ReceiptChange{Message: id, Recipient: 10002, State: state.Read})
	}
	alert := maybe(command.AlertRaise, state.Alert{Unit: 10002, Group: 10100, Text: "塌方"})
	maybe(command.AlertAck, state.AlertChange{ID: alert})
	maybe(command.NodeWish, state.NodeWishChange{Node: "node-2", Wish: state.WishDrain})
	maybe(command.Batch, state.BatchChange{Commands: []command.Command{}})
	maybe(command.SiteRecover, state.Recovery{Incarnation: state.NextIncarnation(1, 0xfeed), Before: 1, Kind: state.Recovered, Node: "node-3", Index: 40, Term: 2})
	maybe(command.VersionRaise, state.VersionChange{Version: 1})
	maybe(command.AuditAdd, state.Audit{Action: "login", Target: "zhang", Result: "ok"})
	maybe(command.Expire, state.ExpireChange{Now: later, Messages: state.Millis(at), Recordings: state.Millis(at), Audit: state.Millis(at)})
}
