package state_test

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

var update = flag.Bool("update", false, "write the golden log anew")

// TestTheGoldenLogComesToTheSameState replays a log that an earlier version wrote. A change of the hash means that nodes of
// the two versions would part: it needs a new command type or version, not a new golden file.
func TestTheGoldenLogComesToTheSameState(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	data, err := os.ReadFile(filepath.Join("testdata", "golden.log"))
	if err != nil {
		t.Fatal(err)
	}
	m, mem := state.New(), state.NewMemory()
	lines := bufio.NewScanner(strings.NewReader(string(data)))
	lines.Buffer(nil, 4<<20)
	for i := uint64(1); lines.Scan(); i++ {
		if want, ok := strings.CutPrefix(lines.Text(), "sha256:"); ok {
			h, err := state.Hash(mem)
			if err != nil || hex.EncodeToString(h) != want {
				t.Fatalf("after %d commands the state is %x, was %s, %v", i-1, h, want, err)
			}
			continue
		}
		raw, err := hex.DecodeString(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		cmd, err := command.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.Apply(mem, cmd, i); err != nil {
			t.Fatal(err)
		}
	}
}

// writeGolden writes commands in hexadecimal, and after every ten the hash of the state.
func writeGolden(t *testing.T) {
	t.Helper()
	var out strings.Builder
	m, mem := state.New(), state.NewMemory()
	for i, cmd := range goldenLog(t) {
		raw, err := command.Encode(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.Apply(mem, cmd, uint64(i)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%x\n", raw)
		if i%10 == 9 {
			h, err := state.Hash(mem)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "sha256:%x\n", h)
		}
	}
	if err := os.WriteFile(filepath.Join("testdata", "golden.log"), []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// goldenLog is a day at a site, refusals and repetitions among it.
func goldenLog(t *testing.T) []command.Command {
	s := newSite(t)
	var log []command.Command
	add := func(typ command.Type, payload any) fusion.ID {
		cmd := s.command(typ, payload)
		log = append(log, cmd)
		return cmd.ID
	}
	add(command.SiteSet, state.Site{Number: 1, Name: "县指挥中心", Realm: "guantong", Incarnation: 1<<32 | 77})
	for i := range 6 {
		add(command.UnitSet, state.Unit{Number: fusion.Number(10001 + i), Name: fmt.Sprint("终端", i), Kind: state.TerminalUnit, Org: "消防"})
	}
	for i := range 4 {
		add(command.GroupSet, state.Group{Number: fusion.Number(10100 + i), Name: fmt.Sprint("组", i), Kind: state.TalkGroup, Precedence: fusion.Routine, Open: i == 3})
	}
	add(command.GroupSet, state.Group{Number: 10001, Name: "number taken", Kind: state.TalkGroup})
	add(command.UserSet, state.UserChange{User: state.User{Name: "zhang", Unit: 10001, Roles: []fusion.Role{fusion.Dispatcher}}, Secret: &state.UserSecret{Password: argon}})
	add(command.UserSet, state.UserChange{User: state.User{Name: "sec", Unit: 10002, Roles: []fusion.Role{fusion.SecurityAdmin}}, Secret: &state.UserSecret{Password: argon}})
	add(command.ExtensionSet, state.ExtensionChange{Extension: state.Extension{Unit: 10003, Username: "0003", VAD: true}, Secret: &state.ExtensionSecret{MD5: hash('1')[7:39], SHA256: hash('2')[7:]}})
	add(command.PositionSet, state.Position{Number: 10200, Name: "值班席", DutyPhone: 10003})
	add(command.PositionTake, state.HandoverChange{Position: 10200, To: "zhang", Note: "早班"})
	for i := range 4 {
		add(command.MemberSet, state.Member{Group: 10100, Unit: fusion.Number(10001 + i), Talk: i != 3, Priority: uint8(i)})
	}
	patch := add(command.PatchSet, state.Patch{Name: "联合", Groups: []fusion.Number{10101, 10100}})
	add(command.FileStored, file())
	lat, lon := 30.572815, 104.066801
	alert := add(command.AlertRaise, state.Alert{Unit: 10002, Group: 10100, Text: "塌方", Lat: &lat, Lon: &lon})
	add(command.AlertEscalate, state.AlertChange{ID: alert, Stage: 1})
	add(command.AlertAck, state.AlertChange{ID: alert, Position: 10200})
	for i := range 12 {
		id := add(command.MessagePost, state.Message{From: 10001, To: []fusion.Number{10002, 10100, 10200}, Text: fmt.Sprint("第", i, "号大坝水位上涨，请立即转移 Dam No.", i),
			Precedence: fusion.Precedence(i % 5), Sign: i%3 == 0, Attachments: []state.Attachment{file()}})
		add(command.ReceiptAdd, state.ReceiptChange{Message: id, Recipient: 10002, State: state.ReceiptState(1 + i%4)})
		add(command.ReceiptAdd, state.ReceiptChange{Message: id, Recipient: 10003, State: state.Read})
	}
	for i := range 5 {
		add(command.BurstIndex, burst(state.Millis(start+int64(i)*7000), 10100, 10101))
	}
	add(command.CallLog, state.CallRecord{FromName: "13800000000", Outside: true, Position: 10200, Start: state.Millis(start), End: state.Millis(start + 9000), Result: "missed"})
	add(command.AuditAdd, state.Audit{Action: "break_in", Target: "10100", Result: "ok", Detail: "强插"})
	add(command.PositionTake, state.HandoverChange{Position: 10200, To: "sec", Note: "中班"})
	add(command.AlertClear, state.AlertChange{ID: alert})
	add(command.PatchPart, state.IDKey{ID: patch})
	log = append(log, log[7:20]...)
	add(command.Batch, state.BatchChange{Commands: []command.Command{
		s.command(command.GroupSet, state.Group{Number: 10110, Name: "临时", Kind: state.TemporaryGroup, Ends: state.Millis(s.at + 600_000)}),
		s.command(command.MemberSet, state.Member{Group: 10110, Unit: 10005, Talk: true}),
	}})
	s.at += 200 * 24 * 3600 * 1000
	for range 3 {
		add(command.Expire, state.ExpireChange{Now: state.Millis(s.at), Messages: state.Millis(start + 60_000), Recordings: state.Millis(start + 20_000), Audit: state.Millis(start + 20_000)})
	}
	add(command.EventsTrim, state.SeqKey{Seq: 30})
	add(command.GroupDelete, state.NumberKey{Number: 10103})
	for len(log)%10 != 0 {
		add(command.AuditAdd, state.Audit{Action: "login", Target: "zhang", Result: "ok"})
	}
	return log
}
