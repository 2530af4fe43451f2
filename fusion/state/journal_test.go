package state_test

import (
	"fmt"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

func TestAMessageIsAcceptedForThoseItNames(t *testing.T) {
	s := furnished(t)
	m := post(10002, 10100, 10200)
	m.Attachments, m.Sign = []state.Attachment{file()}, true
	id := s.do(command.MessagePost, m)
	got := must[state.Message](t)(s.view().Message(id))
	if got.Seq != 1 || got.HLC == 0 || got.By != "zhang" || got.At == 0 {
		t.Fatalf("%+v", got)
	}
	rs := must[[]state.Receipt](t)(s.view().Receipts(id))
	if len(rs) != 2 || rs[0].Recipient != 10002 || rs[1].Recipient != 10200 || rs[0].State != state.Accepted {
		t.Fatalf("%+v", rs)
	}
	if in := must[bool](t)(s.view().FileReferenced(file().Hash)); !in {
		t.Fatal("its file is not referenced")
	}
}

func TestMessagesAreChecked(t *testing.T) {
	s := furnished(t)
	with := func(f func(*state.Message)) state.Message {
		m := post(10002)
		f(&m)
		return m
	}
	s.refused("recipient_unknown", command.MessagePost, post(10999))
	s.refused("bad_recipients", command.MessagePost, post())
	s.refused("unit_unknown", command.MessagePost, with(func(m *state.Message) { m.From = 10999 }))
	s.refused("empty_message", command.MessagePost, with(func(m *state.Message) { m.Text = "" }))
	s.refused("bad_text", command.MessagePost, with(func(m *state.Message) { m.Text = string(make([]byte, 9000)) }))
	s.refused("bad_text", command.MessagePost, with(func(m *state.Message) { m.Text = "a\x00b" }))
	s.refused("bad_id", command.MessagePost, with(func(m *state.Message) { m.ID = fusion.ID{1} }))
	s.refused("bad_precedence", command.MessagePost, with(func(m *state.Message) { m.Precedence = 9 }))
	s.refused("bad_lifetime", command.MessagePost, with(func(m *state.Message) { m.Lifetime = -1 }))
	s.refused("bad_lifetime", command.MessagePost, with(func(m *state.Message) { m.Precedence, m.Lifetime = fusion.Flash, 73*3600 }))
	s.refused("file_unknown", command.MessagePost, with(func(m *state.Message) {
		m.Attachments = []state.Attachment{{Hash: hash('b'), Name: "x"}}
	}))
	s.refused("bad_hash", command.MessagePost, with(func(m *state.Message) {
		m.Attachments = []state.Attachment{{Hash: "md5:1", Name: "x"}}
	}))
	u := must[state.Unit](t)(s.view().Unit(10001))
	u.Revoked = true
	s.do(command.UnitSet, u)
	s.refused("unit_revoked", command.MessagePost, post(10002))
}

func TestAReceiptOnlyGrows(t *testing.T) {
	s := furnished(t)
	id := s.do(command.MessagePost, post(10002, 10100))
	move := func(n fusion.Number, to state.ReceiptState) state.ReceiptChange {
		return state.ReceiptChange{Message: id, Recipient: n, State: to}
	}
	s.do(command.ReceiptAdd, move(10002, state.Read))
	s.do(command.ReceiptAdd, move(10002, state.Delivered))
	r := must[state.Receipt](t)(s.view().Receipt(id, 10002))
	if r.State != state.Read || len(r.Steps) != 2 || r.Steps[1].By != "zhang" {
		t.Fatalf("%+v", r)
	}
	s.refused("no_recipient", command.ReceiptAdd, move(10003, state.Read))
	s.refused("message_unknown", command.ReceiptAdd, state.ReceiptChange{Message: fusion.ID{1}, Recipient: 10002, State: state.Read})
	s.refused("bad_receipt", command.ReceiptAdd, move(10002, 9))
	s.do(command.MemberSet, state.Member{Group: 10100, Unit: 10003})
	s.do(command.ReceiptAdd, move(10003, state.Read))
}

func TestSigningForClosesTheOpenList(t *testing.T) {
	s := furnished(t)
	m := post(10200)
	m.Sign = true
	id := s.do(command.MessagePost, m)
	s.do(command.PositionTake, state.HandoverChange{Position: 10200, To: "zhang"})
	hs := must[[]state.Handover](t)(s.view().Handovers(10200, 0))
	if len(hs) != 1 || len(hs[0].Unsigned) != 1 || hs[0].Unsigned[0] != id {
		t.Fatalf("%+v", hs)
	}
	s.do(command.ReceiptAdd, state.ReceiptChange{Message: id, Recipient: 10200, State: state.Signed})
	s.do(command.PositionTake, state.HandoverChange{Position: 10200})
	hs = must[[]state.Handover](t)(s.view().Handovers(10200, 0))
	if len(hs) != 2 || len(hs[0].Unsigned) != 0 || hs[0].From != "zhang" {
		t.Fatalf("%+v", hs)
	}
}

func TestAnAlertOnlyGoesForward(t *testing.T) {
	s := furnished(t)
	lat, lon := 30.5, 104.1
	a := s.do(command.AlertRaise, state.Alert{Unit: 10002, Group: 10100, Lat: &lat, Lon: &lon, State: state.AlertCleared})
	b := s.do(command.AlertRaise, state.Alert{Unit: 10002})
	s.do(command.AlertEscalate, state.AlertChange{ID: a, Stage: 2})
	s.do(command.AlertEscalate, state.AlertChange{ID: a, Stage: 1})
	s.do(command.AlertAck, state.AlertChange{ID: a, Position: 10200})
	s.do(command.AlertEscalate, state.AlertChange{ID: a, Stage: 3})
	got := must[state.Alert](t)(s.view().Alert(a))
	if got.State != state.AlertAcknowledged || got.Stage != 2 || got.AckedBy != "zhang" || got.AckedPos != 10200 {
		t.Fatalf("%+v", got)
	}
	s.do(command.AlertClear, state.AlertChange{ID: a})
	s.do(command.AlertAck, state.AlertChange{ID: a})
	if got = must[state.Alert](t)(s.view().Alert(a)); got.State != state.AlertCleared {
		t.Fatalf("%+v", got)
	}
	open := must[[]state.Alert](t)(s.view().OpenAlerts())
	if len(open) != 1 || open[0].ID != b {
		t.Fatalf("%+v", open)
	}
	if all := must[[]state.Alert](t)(s.view().Alerts(0)); len(all) != 2 || all[0].ID != b {
		t.Fatalf("%+v", all)
	}
	s.refused("bad_position", command.AlertRaise, state.Alert{Unit: 10002, Lat: &lat})
	s.refused("alert_unknown", command.AlertAck, state.AlertChange{ID: fusion.ID{1}})
}

func TestMessagesAreListedByClockWithRecipientAndTime(t *testing.T) {
	s := furnished(t)
	var ids []fusion.ID
	for i := range 10 {
		ids = append(ids, s.do(command.MessagePost, post([]fusion.Number{10002, 10003}[i%2])))
	}
	all := must[[]state.Message](t)(s.view().Messages(state.MessageFilter{}))
	if len(all) != 10 || all[0].ID != ids[9] {
		t.Fatalf("%d", len(all))
	}
	some := must[[]state.Message](t)(s.view().Messages(state.MessageFilter{With: 10002, Limit: 2}))
	if len(some) != 2 || some[0].ID != ids[8] || some[1].ID != ids[6] {
		t.Fatalf("%+v", some)
	}
	next := must[[]state.Message](t)(s.view().Messages(state.MessageFilter{With: 10002, BeforeHLC: some[1].HLC, BeforeSeq: some[1].Seq}))
	if len(next) != 3 || next[0].ID != ids[4] {
		t.Fatalf("%+v", next)
	}
	window := must[[]state.Message](t)(s.view().Messages(state.MessageFilter{Since: all[5].At, Before: all[2].At}))
	if len(window) != 3 || window[0].ID != all[3].ID || window[2].ID != all[5].ID {
		t.Fatalf("%+v", window)
	}
}

func TestSearchFindsChineseAndLatin(t *testing.T) {
	s := furnished(t)
	for _, text := range []string{"三号大坝水位上涨，请立即转移", "请 Zhang Wei 回电", "ＡＢＣ ward\nfull", "水", "大水坝"} {
		m := post(10002)
		m.Text = text
		s.do(command.MessagePost, m)
	}
	for query, want := range map[string]int{"大坝": 1, "水位上涨": 1, "zhang wei": 1, "ZHANG": 1, "abc WARD full": 1, "水": 3, "坝大": 0, "abc": 1} {
		found, more, err := s.view().Search(query, 0)
		if err != nil || more || len(found) != want {
			t.Errorf("%q: %d found, want %d, %v %v", query, len(found), want, more, err)
		}
	}
	if _, _, err := s.view().Search("  ", 0); fusion.ReasonOf(err) != "bad_query" {
		t.Errorf("empty: %v", err)
	}
	found, more, err := s.view().Search("水", 1)
	if err != nil || !more || len(found) != 1 || found[0].Text != "大水坝" {
		t.Errorf("limit: %+v %v %v", found, more, err)
	}
}

func burst(start state.Millis, groups ...fusion.Number) state.Burst {
	return state.Burst{Groups: groups, Talker: 10002, Name: "抢险一队", Start: start, Duration: 1200, Codec: "opus", File: hash('c'), Size: 4000, EndCause: "released", Precedence: fusion.Routine}
}

func TestBurstsAreFoundByGroupTalkerAndTime(t *testing.T) {
	s := furnished(t)
	var ids []fusion.ID
	for i := range 6 {
		ids = append(ids, s.do(command.BurstIndex, burst(state.Millis(start+int64(i)*10), 10100+fusion.Number(i%2))))
	}
	list := func(f state.BurstFilter) []state.Burst {
		t.Helper()
		return must[[]state.Burst](t)(s.view().Bursts(f))
	}
	if got := list(state.BurstFilter{Group: 10101}); len(got) != 3 || got[0].ID != ids[5] {
		t.Errorf("%+v", got)
	}
	if got := list(state.BurstFilter{Talker: 10002, Limit: 4}); len(got) != 4 {
		t.Errorf("%+v", got)
	}
	if got := list(state.BurstFilter{Before: ids[3], Group: 10100}); len(got) != 2 || got[0].ID != ids[2] {
		t.Errorf("%+v", got)
	}
	if got := list(state.BurstFilter{From: state.Millis(start + 10), To: state.Millis(start + 40)}); len(got) != 3 || got[0].ID != ids[3] || got[2].ID != ids[1] {
		t.Errorf("%+v", got)
	}
	s.refused("bad_burst", command.BurstIndex, burst(1))
	s.refused("bad_burst", command.BurstIndex, burst(0, 10100))
}

func TestAMissedCallIsCalledBack(t *testing.T) {
	s := furnished(t)
	call := state.CallRecord{FromName: "13800000000", Outside: true, Position: 10200, Start: state.Millis(start), End: state.Millis(start + 5), Result: "missed"}
	call.ID = s.do(command.CallLog, call)
	call.Returned = true
	s.do(command.CallLog, call)
	got := must[[]state.CallRecord](t)(s.view().Calls(state.CallFilter{Number: 10200, Result: "missed"}))
	if len(got) != 1 || !got[0].Returned {
		t.Fatalf("%+v", got)
	}
	s.refused("bad_call", command.CallLog, state.CallRecord{Result: "eaten"})
}

func TestRetentionTakesWhatIsOldAndLeavesWhatIsFlagged(t *testing.T) {
	s := furnished(t)
	m := post(10002)
	m.Attachments = []state.Attachment{file()}
	old := s.do(command.MessagePost, m)
	kept := s.do(command.MessagePost, m)
	s.do(command.ObjectKeep, state.KeepChange{ID: kept, Keep: true})
	b := s.do(command.BurstIndex, burst(state.Millis(start), 10100))
	kb := s.do(command.BurstIndex, burst(state.Millis(start), 10100))
	s.do(command.ObjectKeep, state.KeepChange{ID: kb, Keep: true})
	open := s.do(command.AlertRaise, state.Alert{Unit: 10002})
	closed := s.do(command.AlertRaise, state.Alert{Unit: 10002})
	s.do(command.AlertClear, state.AlertChange{ID: closed})
	all := state.Millis(s.at + 1_000_000_000)
	change := state.ExpireChange{Now: all, Messages: all, Recordings: all}
	if due := must[bool](t)(s.view().ExpireDue(change)); !due {
		t.Fatal("nothing due")
	}
	for range 3 {
		s.do(command.Expire, change)
	}
	v := s.view()
	for what, err := range map[string]error{
		"message": second(v.Message(old)), "burst": second(v.Burst(b)), "alert": second(v.Alert(closed)),
	} {
		if fusion.FaultOf(err) != fusion.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"kept message": second(v.Message(kept)), "kept burst": second(v.Burst(kb)), "open alert": second(v.Alert(open)),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if in := must[bool](t)(v.FileReferenced(file().Hash)); !in {
		t.Error("the kept message's file is gone")
	}
	if found, _, err := v.Search("水位", 0); err != nil || len(found) != 1 {
		t.Errorf("search: %d, %v", len(found), err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestALifetimeEnds(t *testing.T) {
	s := furnished(t)
	m := post(10002)
	m.Lifetime = 60
	id := s.do(command.MessagePost, m)
	at := must[state.Message](t)(s.view().Message(id)).At
	s.do(command.Expire, state.ExpireChange{Now: at + 59_999})
	if must[state.Message](t)(s.view().Message(id)).Expired {
		t.Fatal("too early")
	}
	s.do(command.Expire, state.ExpireChange{Now: at + 60_000})
	if !must[state.Message](t)(s.view().Message(id)).Expired {
		t.Fatal("it goes on")
	}
}

func TestATemporaryGroupEndsAndLeavesItsPatch(t *testing.T) {
	s := furnished(t)
	end := state.Millis(s.at + 100_000)
	s.do(command.GroupSet, state.Group{Number: 10150, Name: "临时", Kind: state.TemporaryGroup, Ends: end})
	s.do(command.PatchSet, state.Patch{Name: "p", Groups: []fusion.Number{10100, 10150}})
	s.do(command.Expire, state.ExpireChange{Now: end})
	if _, err := s.view().Group(10150); fusion.FaultOf(err) != fusion.NotFound {
		t.Fatal(err)
	}
	if ps := must[[]state.Patch](t)(s.view().Patches()); len(ps) != 0 {
		t.Fatal(ps)
	}
}

func TestEventsAreDenseAndResume(t *testing.T) {
	s := furnished(t)
	for i := range 20 {
		m := post(10002)
		m.Text = fmt.Sprint(i)
		s.do(command.MessagePost, m)
	}
	var after uint64
	for i := 0; ; {
		events := must[[]state.Event](t)(s.view().Events(after, 7))
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			after++
			if e.Seq != after || fmt.Sprint(e) != fmt.Sprint(s.events[i]) {
				t.Fatalf("event %+v, want %+v", e, s.events[i])
			}
			i++
		}
	}
	if last := s.objects(); after != last {
		t.Fatalf("%d of %d", after, last)
	}
	s.do(command.EventsTrim, state.SeqKey{Seq: 10})
	if _, err := s.view().Events(9, 0); fusion.ReasonOf(err) != "events_trimmed" {
		t.Fatal(err)
	}
	if events := must[[]state.Event](t)(s.view().Events(10, 1)); events[0].Seq != 11 {
		t.Fatal(events)
	}
	s.refused("trim_too_far", command.EventsTrim, state.SeqKey{Seq: s.objects()})
}
