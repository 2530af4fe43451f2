package desk_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// line is a telephone that remembers what was done to it.
type line struct {
	id     fusion.ID
	caller desk.Caller
	board  *desk.Switchboard

	mu       sync.Mutex
	ringing  bool
	answered bool
	hung     desk.Cause
	tone     desk.Tone
	seat     talk.Seat
	duplex   bool
	deaf     bool // its caller goes before it is answered
}

func (l *line) ID() fusion.ID                          { return l.id }
func (l *line) Caller() desk.Caller                    { return l.caller }
func (l *line) Unit() fusion.Number                    { return l.caller.Unit }
func (l *line) Indicate(talk.Indication)               {}
func (l *line) Outlet() voice.Outlet                   { return nil }
func (l *line) Format() codec.Params                   { return codec.Params{ID: codec.PCMA} }
func (l *line) SingleStream() bool                     { return true }
func (l *line) Begin(voice.Info) (handle int, ok bool) { return 0, true }
func (l *line) End(voice.Info, int)                    {}
func (l *line) Ringing()                               { l.do(func() { l.ringing = true }) }
func (l *line) Play(t desk.Tone)                       { l.do(func() { l.tone = t }) }
func (l *line) Sit(s talk.Seat, duplex bool)           { l.do(func() { l.seat, l.duplex = s, duplex }) }

func (l *line) do(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *line) Answer(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deaf {
		return errors.New("the caller has gone")
	}
	l.answered = true
	return nil
}

func (l *line) Hang(c desk.Cause) {
	l.do(func() { l.hung = c })
	l.board.Ended(l, c)
}

func (l *line) seated() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seat != nil
}

func (l *line) cause() desk.Cause {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hung
}

// seat and talks stand for the live plane: who sits where.
type seat struct {
	talks *talks
	talk  fusion.Talk
}

func (s *seat) Request(talk.Request) {}
func (s *seat) Release()             {}
func (s *seat) Push(*voice.Packet)   {}
func (s *seat) Hold(bool)            {}
func (s *seat) Leave() {
	s.talks.mu.Lock()
	defer s.talks.mu.Unlock()
	s.talks.in[s.talk]--
}

type talks struct {
	mu     sync.Mutex
	in     map[fusion.Talk]int
	closed map[fusion.Talk]bool
}

func (t *talks) Join(_ context.Context, k fusion.Talk, _ talk.Leg, _ talk.JoinOptions) (talk.Seat, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.in[k]++
	return &seat{t, k}, nil
}

func (t *talks) OpenCall(id fusion.ID, _ bool) fusion.Talk { return fusion.CallTalk(id) }

func (t *talks) CloseCall(k fusion.Talk, _ string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed[k] = true
}

func (t *talks) count(k fusion.Talk) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.in[k]
}

const (
	group      fusion.Number = 10001
	otherGroup fusion.Number = 10002
	phoneA     fusion.Number = 10801
	phoneB     fusion.Number = 10802
	duty       fusion.Number = 10803
	desk1      fusion.Number = 10901
	desk2      fusion.Number = 10902
	clerk      fusion.Number = 10101 // at a console, without a telephone
)

type site struct {
	board *desk.Switchboard
	talks *talks
	ids   atomic.Uint32

	dutyOf2 atomic.Bool // the second position has the duty phone too
	away    atomic.Bool // the dispatcher's page is closed
	phones  []fusion.Number
	quick   bool // telephones answer before Dial returns

	mu     sync.Mutex
	dialed []*line
	log    []state.CallRecord
}

func newSite(t *testing.T) *site {
	s := &site{talks: &talks{in: make(map[fusion.Talk]int), closed: make(map[fusion.Talk]bool)}}
	s.board = desk.New(desk.Config{}, desk.Deps{
		Talks: s.talks, Dialler: s, Directory: s, Log: slog.New(slog.DiscardHandler), NewID: s.newID,
		Record: func(r state.CallRecord) { s.mu.Lock(); s.log = append(s.log, r); s.mu.Unlock() },
	})
	t.Cleanup(s.board.Close)
	return s
}

func (s *site) newID() fusion.ID {
	n := s.ids.Add(1)
	return fusion.ID{0: 9, 14: byte(n >> 8), 15: byte(n)}
}

func (s *site) call(c desk.Caller, digits string) *line {
	l := &line{id: s.newID(), caller: c, board: s.board}
	s.board.Incoming(l, digits)
	synctest.Wait()
	return l
}

func (s *site) Dial(_ context.Context, to desk.Target) (desk.Line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &line{id: s.newID(), caller: desk.Caller{Unit: to.Unit, Digits: to.Digits, Trunk: to.Trunk}, board: s.board}
	s.dialed = append(s.dialed, l)
	if s.quick {
		s.board.Answered(l, false)
	}
	return l, nil
}

func (s *site) last() *line {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dialed) == 0 {
		return nil
	}
	return s.dialed[len(s.dialed)-1]
}

func (s *site) records() []state.CallRecord {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log
}

func (s *site) Registered(n fusion.Number) bool { return n >= phoneA && n <= duty }
func (s *site) Extension(n fusion.Number) bool  { return s.Registered(n) }
func (s *site) Online(n fusion.Number) bool {
	return n == clerk || n == dispatcher.Unit && !s.away.Load()
}
func (s *site) Phones(fusion.Number) []fusion.Number { return s.phones }
func (s *site) Name(n fusion.Number) string          { return n.String() }

func (s *site) Resolve(digits string) (desk.DestKind, fusion.Number, bool) {
	n, err := fusion.ParseNumber(digits, 1)
	switch {
	case err != nil:
	case n < 10100:
		return desk.ToGroup, n, true
	case n >= desk1 && n <= desk2:
		return desk.ToPosition, n, true
	case n <= duty:
		return desk.ToUnit, n, true
	}
	return 0, 0, false
}

func (s *site) TrunkEntry(_, digits string) (fusion.Number, bool) {
	if digits == "0902" {
		return desk2, true
	}
	return desk1, true
}

func (s *site) Membership(unit, g fusion.Number) (talk.JoinOptions, error) {
	if g == otherGroup {
		return talk.JoinOptions{}, fusion.E(fusion.NotAllowed, "not_member", "")
	}
	return talk.JoinOptions{Name: unit.String(), MayTalk: true}, nil
}

func (s *site) Class(unit fusion.Number) desk.Class {
	if unit == phoneA {
		return desk.Class{Name: "county", Prefixes: []desk.Prefix{{Digits: "9", Trunk: "pstn", Strip: 1}}, Minutes: 5}
	}
	return desk.Class{}
}

func (s *site) DutyPhone(p fusion.Number) fusion.Number {
	if p == desk1 || s.dutyOf2.Load() {
		return duty
	}
	return 0
}

func (s *site) Overflow(p fusion.Number) fusion.Number {
	if p == desk1 {
		return desk2
	}
	return 0
}

func (s *site) only(t *testing.T) desk.Call {
	t.Helper()
	synctest.Wait()
	list := s.board.Calls()
	if len(list) != 1 {
		t.Fatalf("%d calls: %+v", len(list), list)
	}
	return list[0]
}

var dispatcher = desk.User{Name: "zhang", Unit: 10100, Position: desk1}

func TestAnExtensionIsPutIntoTheGroupItDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Unit: phoneA}, "0001")
		if c := s.only(t); c.Status != desk.StatusInGroup || !l.seated() || l.duplex || l.tone != desk.GroupJoined {
			t.Fatalf("%+v, tone %q", c, l.tone)
		}
		l.Hang(desk.Normal)
		if len(s.board.Calls()) != 0 || s.talks.count(fusion.GroupTalk(group)) != 0 || s.records()[0].Result != "answered" {
			t.Error("the call did not end")
		}
	})
}

func TestAGroupThatOneMayNotJoinRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		if l := s.call(desk.Caller{Unit: phoneA}, "0002"); l.cause() != desk.NotAllowed || l.answered {
			t.Errorf("hung %q", l.cause())
		}
	})
}

func TestACallFromOutsideWaitsAtAPositionAndNeverEntersAGroupByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "13800000000", Trunk: "pstn"}, "0001")
		c := s.only(t)
		if c.Status != desk.StatusQueued || c.Position != desk1 || l.answered || !c.Outside() {
			t.Fatalf("%+v", c)
		}
		if err := s.board.Admit(c.ID, dispatcher, group); err != nil {
			t.Fatal(err)
		}
		if c := s.only(t); c.Status != desk.StatusInGroup || c.By != "zhang" || s.talks.count(fusion.GroupTalk(group)) != 1 {
			t.Fatalf("%+v", c)
		}
		if err := s.board.Dismiss(c.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s.talks.count(fusion.GroupTalk(group)) != 0 || l.cause() != desk.Normal {
			t.Error("dismissed and still there")
		}
	})
}

func TestAnUnansweredCallRingsTheDutyPhoneThenTheNextPositionAndIsNeverCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		time.Sleep(16 * time.Second)
		d := s.last()
		if d == nil || d.caller.Unit != duty {
			t.Fatal("the duty phone did not ring")
		}
		time.Sleep(61 * time.Second)
		if c := s.only(t); c.Position != desk2 || c.Status != desk.StatusQueued || d.cause() != desk.NoAnswer {
			t.Fatalf("%+v", c)
		}
		time.Sleep(time.Hour)
		if s.only(t).Status != desk.StatusQueued || l.cause() != "" {
			t.Error("a caller who waits was cut off")
		}
		l.Hang(desk.Normal) // the caller gives up
		if r := s.records(); len(r) != 1 || r[0].Result != "missed" || !r[0].Outside {
			t.Errorf("%+v", r)
		}
	})
}

func TestTheDutyPhoneAnswersAQueuedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		time.Sleep(16 * time.Second)
		d := s.last()
		s.board.Answered(d, false)
		if c := s.only(t); c.Status != desk.StatusAnswered || !l.seated() || !d.seated() || !l.duplex {
			t.Fatalf("%+v", c)
		}
		d.Hang(desk.Normal)
		synctest.Wait()
		if l.cause() == "" || len(s.board.Calls()) != 0 {
			t.Error("the caller hangs on")
		}
	})
}

func TestAConsoleAnswersHoldsAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		c, err := s.board.Answer(s.only(t).ID, dispatcher)
		if err != nil || c.Talk.IsZero() {
			t.Fatalf("%+v %v", c, err)
		}
		synctest.Wait()
		if !l.answered || !l.seated() {
			t.Fatal("the line was not answered")
		}
		if _, err := s.board.Answer(c.ID, dispatcher); fusion.FaultOf(err) != fusion.Conflict {
			t.Errorf("answered twice: %v", err)
		}
		if err := s.board.Hold(c.ID); err != nil || l.tone != desk.OnHold || l.seated() {
			t.Errorf("hold: %v, tone %q", err, l.tone)
		}
		if err := s.board.Resume(c.ID); err != nil || !l.seated() {
			t.Errorf("resume: %v", err)
		}
		if err := s.board.Hang(c.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !s.talks.closed[c.Talk] || l.cause() != desk.Normal {
			t.Error("the conversation stays open")
		}
	})
}

func TestATransferThatNobodyAnswersComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		c, _ := s.board.Answer(s.only(t).ID, dispatcher)
		synctest.Wait()
		if err := s.board.HandOn(c.ID, dispatcher, desk.TransferTo{Number: phoneB}); err != nil {
			t.Fatal(err)
		}
		if n := s.only(t); n.ID == c.ID || n.Status != desk.StatusRinging || n.To != phoneB {
			t.Fatalf("%+v", n)
		}
		time.Sleep(46 * time.Second)
		if n := s.only(t); n.Status != desk.StatusQueued || n.Position != desk1 || l.cause() != "" {
			t.Fatalf("%+v", n)
		}
	})
}

func TestATransferIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		c, _ := s.board.Answer(s.only(t).ID, dispatcher)
		synctest.Wait()
		if err := s.board.HandOn(c.ID, dispatcher, desk.TransferTo{Number: phoneB}); err != nil {
			t.Fatal(err)
		}
		s.board.Answered(s.last(), false)
		if n := s.only(t); n.Status != desk.StatusAnswered || !l.seated() || !s.last().seated() {
			t.Fatalf("%+v", n)
		}
	})
}

func TestOutgoingCallsNeedAClassOfService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		if l := s.call(desk.Caller{Unit: phoneB}, "913800000000"); l.cause() != desk.NotAllowed {
			t.Errorf("no class: hung %q", l.cause())
		}
		a := s.call(desk.Caller{Unit: phoneA}, "913800000000")
		out := s.last()
		if out == nil || out.caller.Digits != "13800000000" || out.caller.Trunk != "pstn" {
			t.Fatalf("dialled %+v", out)
		}
		if l := s.call(desk.Caller{Unit: phoneA}, "913811111111"); l.cause() != desk.BusyHere {
			t.Errorf("one call at a time: hung %q", l.cause())
		}
		s.board.Answered(out, false)
		synctest.Wait()
		if !a.seated() || !out.seated() {
			t.Fatal("not bridged")
		}
		time.Sleep(6 * time.Minute)
		if a.cause() != desk.Normal {
			t.Error("longer than the class allows")
		}
	})
}

func TestALineFromOutsideCannotTransferItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		s.board.Transfer(l, "0801")
		if s.last() != nil || s.only(t).Status != desk.StatusQueued {
			t.Error("a caller from outside reached an extension by itself")
		}
	})
}

func TestADispatcherCallsANumberIntoAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		if _, err := s.board.Place(dispatcher, desk.Place{Digits: "120", Trunk: "pstn", Group: group}); err != nil {
			t.Fatal(err)
		}
		out := s.last()
		s.board.Answered(out, true)
		if s.only(t).Status != desk.StatusDialling {
			t.Error("ringing taken for answered")
		}
		s.board.Answered(out, false)
		if c := s.only(t); c.Status != desk.StatusInGroup || c.Group != group || !out.seated() {
			t.Errorf("%+v", c)
		}
	})
}

func TestAPrivateCallToAConsole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		c, err := s.board.Place(dispatcher, desk.Place{To: clerk, Floor: true})
		if err != nil || !c.Floor {
			t.Fatalf("%+v %v", c, err)
		}
		if _, err := s.board.Answer(c.ID, desk.User{Name: "wang", Unit: 10777}); fusion.FaultOf(err) != fusion.NotAllowed {
			t.Errorf("somebody else answered: %v", err)
		}
		got, err := s.board.Answer(c.ID, desk.User{Name: "li", Unit: clerk})
		if err != nil || got.Talk.IsZero() || got.Status != desk.StatusAnswered {
			t.Errorf("%+v %v", got, err)
		}
	})
}

func TestACallerWhoHasGoneWhenAnsweredEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := &line{id: s.newID(), caller: desk.Caller{Unit: phoneA}, board: s.board, deaf: true}
		s.board.Incoming(l, "0001")
		synctest.Wait()
		if len(s.board.Calls()) != 0 {
			t.Error("a call without a caller")
		}
	})
}
