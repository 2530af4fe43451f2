package floor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// scene tells a story at one floor and reads like one.
type scene struct {
	t   *testing.T
	m   *Machine
	now time.Time
	out []Output
}

const (
	zhang = iota + 1 // ordinary users
	li
	wang
	desk    // the dispatcher
	monitor // listens in
)

func bid(n int) fusion.ID { return fusion.ID{0: 'b', 1: byte(n)} }

func setScene(t *testing.T, change func(*Config), who ...int) *scene {
	cfg := DefaultConfig()
	cfg.Group = 10100
	if change != nil {
		change(&cfg)
	}
	s := &scene{t: t, m: New(cfg, 7), now: epochStart}
	for _, n := range who {
		s.join(n)
	}
	return s
}

func (s *scene) join(n int) *scene {
	return s.in(Input{Kind: Join, Who: Participant{ID: seatID(n), Unit: fusion.Number(10000 + n), MayTalk: n != monitor, Dispatcher: n >= desk, Monitor: n == monitor}})
}

func (s *scene) in(in Input) *scene {
	s.out = slices.Clone(s.m.Handle(s.now, in))
	return s
}

func (s *scene) on(k Kind, who, burst int) *scene {
	in := Input{Kind: k, Seat: seatID(who), Precedence: fusion.Routine}
	if burst > 0 {
		in.Burst = bid(burst)
	}
	return s.in(in)
}

func (s *scene) wait(d time.Duration) *scene {
	s.now = s.now.Add(d)
	s.out = slices.Clone(s.m.Tick(s.now))
	return s
}

// says compares what was said, in order, with lines like "floor_granted→1", "burst_end b1 released".
func (s *scene) says(want ...string) *scene {
	s.t.Helper()
	var got []string
	for _, o := range s.out {
		line := o.Type.String()
		if !o.To.IsZero() {
			line += fmt.Sprintf("→%d", o.To[1])
		}
		switch o.Type {
		case BurstStart, FloorGranted, FloorTaken, MediaTail:
			line += fmt.Sprintf(" b%d", o.Burst[1])
		case BurstEnd:
			line += fmt.Sprintf(" b%d %v", o.Burst[1], o.Ended)
			if o.Cut {
				line += " cut"
			}
		case FloorDeny:
			line += fmt.Sprintf(" #%d", o.Deny)
		case FloorRevoke:
			line += fmt.Sprintf(" #%d %v", o.Revoked, o.Grace)
		case QueuePositionInfo:
			line += fmt.Sprintf(" %d/%d", o.Position, o.Waiting)
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		s.t.Fatalf("said\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return s
}

func TestOneTalksTheOthersListen(t *testing.T) {
	s := setScene(t, nil, zhang, li, monitor)
	s.on(Request, zhang, 1).says("burst_start b1", "floor_granted→1 b1", "floor_taken→2 b1", "floor_taken→5 b1")
	if o := s.out[1]; o.Left != time.Minute || !o.Indicator.Has(NormalCall|QueueingSupported) {
		t.Fatalf("granted %+v", o)
	}
	if o := s.out[2]; o.Unit != 10001 || !o.MayRequest || o.Seq != s.out[3].Seq || s.out[3].MayRequest {
		t.Fatalf("taken %+v %+v", o, s.out[3])
	}
	s.on(Media, zhang, 0).says()
	s.on(Release, zhang, 1).says("burst_end b1 released", "floor_idle→1", "floor_idle→2", "floor_idle→5")
	if got := len(s.m.Participants()); got != 2 {
		t.Fatalf("%d are listed", got)
	}
}

func TestLateEntrantHearsWhoTalks(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.on(Request, zhang, 1).join(wang).says("floor_taken→3 b1")
}

func TestQueueGoesByRankThenArrivalAndEverybodyIsTold(t *testing.T) {
	s := setScene(t, nil, zhang, li, wang, desk)
	s.on(Request, zhang, 1)
	s.on(Request, li, 2).says("queue_position_info→2 1/1")
	s.in(Input{Kind: Request, Seat: seatID(wang), Burst: bid(3), Precedence: fusion.Immediate}).says("queue_position_info→3 1/2", "queue_position_info→2 2/2")
	s.on(Release, zhang, 1).says("burst_end b1 released", "burst_start b3", "floor_granted→3 b3", "floor_taken→1 b3", "floor_taken→2 b3", "floor_taken→4 b3", "queue_position_info→2 1/1")
	s.on(Release, li, 2).says("floor_taken→2 b3")
	s.on(Release, wang, 3).says("burst_end b3 released", "floor_idle→1", "floor_idle→2", "floor_idle→3", "floor_idle→4")
}

func TestFlashTakesTheFloorAndTheTailGoesOut(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.on(Request, zhang, 1).on(Media, zhang, 0)
	s.in(Input{Kind: Request, Seat: seatID(li), Burst: bid(2), Precedence: fusion.Flash}).says("floor_revoke→1 #4 500ms", "queue_position_info→2 1/1")
	if !s.m.Forwards(seatID(zhang)) || s.m.Seat(s.now, seatID(zhang)) != PendingFloorRevoke {
		t.Fatal("the tail is cut")
	}
	s.wait(500*time.Millisecond).says("burst_end b1 preempted", "burst_start b2", "floor_granted→2 b2", "floor_taken→1 b2")
	s.on(Media, zhang, 0).says("media_tail→1 b1")
}

func TestBreakInGoesBeforePrecedenceNotBeforeEmergency(t *testing.T) {
	s := setScene(t, nil, zhang, li, desk)
	s.in(Input{Kind: Request, Seat: seatID(zhang), Burst: bid(1), Precedence: fusion.FlashOverride})
	s.on(BreakIn, desk, 2).says("floor_revoke→1 #4 500ms", "queue_position_info→4 1/1")
	s.on(EmergencyRaise, li, 3).says("floor_revoke→1 #4 0s", "burst_end b1 preempted cut", "burst_start b3", "floor_granted→2 b3", "floor_taken→1 b3", "floor_taken→4 b3")
	s.on(BreakIn, zhang, 4).says("floor_deny→1 #255")
	s.in(Input{Kind: EmergencyClear, Unit: 10002}).says("floor_revoke→2 #4 500ms")
	s.on(Release, li, 3).says("burst_end b3 preempted", "burst_start b2", "floor_granted→4 b2", "floor_taken→1 b2", "floor_taken→2 b2")
}

func TestEmergencyIsGrantedInTheCallThatRaisesIt(t *testing.T) {
	s := setScene(t, nil, zhang, li, wang)
	s.on(Request, zhang, 1).on(Request, wang, 2)
	s.on(EmergencyRaise, li, 3).says("floor_revoke→1 #4 0s", "burst_end b1 preempted cut", "burst_start b3", "floor_granted→2 b3", "floor_taken→1 b3", "floor_taken→3 b3")
	if o := s.out[4]; !o.Emergency || !o.Indicator.Has(EmergencyCall) {
		t.Fatalf("taken %+v", o)
	}
	s.on(Media, zhang, 0).says("media_discard→1", "floor_revoke→1 #3 0s")
	s.on(Media, zhang, 0).says("media_discard→1")
	s.on(EmergencyRaise, wang, 4).says("queue_position_info→3 1/1")
}

// A second emergency waits for the first, which then has a talk limit: bounded, whatever the first one does.
func TestSecondEmergencyGetsThroughInBoundedTime(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.on(EmergencyRaise, zhang, 1)
	limit := s.m.cfg.TalkLimit + s.m.cfg.RevokeGrace + 2*time.Second
	for range 3 * 60 { // alone with it, an emergency may go on beyond the limit
		s.wait(time.Second).on(Media, zhang, 0)
	}
	s.on(EmergencyRaise, li, 2)
	for from := s.now; ; {
		if h, _ := s.m.Holder(); h.Seat == seatID(li) {
			return
		}
		if s.now.Sub(from) > limit {
			t.Fatalf("not granted within %v", limit)
		}
		s.wait(100*time.Millisecond).on(Media, zhang, 0)
	}
}

func TestEmergencyOutlivesTheLegAndIsClearedByUnit(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.in(Input{Kind: EmergencyRaise, Seat: seatID(zhang)}).says()
	s.on(Leave, zhang, 0).join(zhang)
	if got := s.m.Emergencies(); len(got) != 1 || got[0] != 10001 {
		t.Fatalf("emergencies %v", got)
	}
	s.on(Request, li, 1)
	s.on(Request, zhang, 2).says("floor_revoke→2 #4 0s", "burst_end b1 preempted cut", "burst_start b2", "floor_granted→1 b2", "floor_taken→2 b2")
	s.in(Input{Kind: EmergencyClear, Unit: 10001}).says("floor_taken→2 b2")
	if len(s.m.Emergencies()) != 0 || s.out[0].Indicator.Has(EmergencyCall) {
		t.Fatal("not cleared")
	}
}

func TestForceClearEmptiesFloorAndQueue(t *testing.T) {
	s := setScene(t, nil, zhang, li, wang)
	s.on(Request, zhang, 1).on(Request, li, 2)
	s.in(Input{Kind: ForceClear}).says("queue_cancel→2", "floor_revoke→1 #7 0s", "burst_end b1 forced cut", "floor_idle→1", "floor_idle→2", "floor_idle→3")
	s.on(Request, zhang, 3).says("floor_deny→1 #4")
	if s.out[0].Retry != s.m.cfg.RetryAfter {
		t.Fatalf("retry after %v", s.out[0].Retry)
	}
	s.on(Request, li, 4).says("burst_start b4", "floor_granted→2 b4", "floor_taken→1 b4", "floor_taken→3 b4")
}

func TestTalkLimitWarnsThenRevokes(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.on(Request, zhang, 1).wait(time.Second).on(Media, zhang, 0)
	talk := func(d time.Duration) {
		for end := s.now.Add(d); s.now.Before(end); {
			s.wait(time.Second)
			if len(s.out) > 0 {
				return
			}
			s.on(Media, zhang, 0)
		}
	}
	talk(time.Hour)
	s.says("talk_warning→1")
	if s.out[0].Left != 10*time.Second || s.now != epochStart.Add(51*time.Second) {
		t.Fatalf("warned at %v with %v left", s.now.Sub(epochStart), s.out[0].Left)
	}
	s.on(Media, zhang, 0)
	talk(time.Hour)
	s.says("floor_revoke→1 #2 500ms")
	s.wait(time.Second).says("burst_end b1 too_long", "floor_idle→1", "floor_idle→2")
	s.on(Request, zhang, 2).says("floor_deny→1 #4")
}

func TestSilentTalkerLosesTheFloor(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.on(Request, zhang, 1).wait(4*time.Second).says("floor_revoke→1 #255 0s", "burst_end b1 silent cut", "floor_idle→1", "floor_idle→2")
}

func TestLostReleaseDoesNotBlockTheNextPress(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.on(Request, zhang, 1)
	s.on(Request, zhang, 2).says("burst_end b1 released", "burst_start b2", "floor_granted→1 b2", "floor_taken→2 b2")
	s.on(Release, zhang, 1).says("floor_taken→1 b2") // it comes after all, and is not that of this burst
	s.on(Request, zhang, 2).says("floor_granted→1 b2")
}

func TestRightWithdrawnStopsTheBurstAtOnce(t *testing.T) {
	s := setScene(t, nil, zhang, li)
	s.on(Request, zhang, 1)
	s.on(Revoke, zhang, 0).says("floor_revoke→1 #3 0s", "burst_end b1 withdrawn cut", "floor_idle→1", "floor_idle→2")
	s.on(Request, zhang, 2).says("floor_deny→1 #5")
	s.on(EmergencyRaise, zhang, 3).says("floor_deny→1 #5")
}

func TestBroadcastEndsWhenItsTalkerLetsGo(t *testing.T) {
	s := setScene(t, func(c *Config) { c.Kind = Broadcast }, desk, zhang)
	s.on(Request, desk, 1).says("burst_start b1", "floor_granted→4 b1", "floor_taken→1 b1")
	if o := s.out[2]; o.MayRequest || !o.Indicator.Has(BroadcastCall) {
		t.Fatalf("taken %+v", o)
	}
	s.on(Request, zhang, 2).says("floor_deny→1 #5")
	s.on(Release, desk, 1).says("burst_end b1 released", "floor_idle→4", "floor_idle→1", "call_end→4", "call_end→1")
}

func TestPrivateCallEndsWithEitherSide(t *testing.T) {
	s := setScene(t, func(c *Config) { c.Kind, c.DenyAlone = Private, true }, zhang)
	s.on(Request, zhang, 1).says("floor_deny→1 #3")
	s.join(li).join(monitor).on(Request, zhang, 2).says("burst_start b2", "floor_granted→1 b2", "floor_taken→2 b2", "floor_taken→5 b2")
	s.on(Leave, li, 0).says("burst_end b2 call_ended", "call_end→1", "call_end→5")
	s.on(Request, zhang, 3).says("floor_deny→1 #255")
}

func TestMonitorIsGrantedNothingButABreakIn(t *testing.T) {
	s := setScene(t, nil, zhang, monitor)
	s.on(Request, monitor, 1).says("floor_deny→5 #5")
	s.on(Request, zhang, 2).on(BreakIn, monitor, 3).says("floor_revoke→1 #4 500ms", "queue_position_info→5 1/1")
	s.on(Release, zhang, 2).says("burst_end b2 preempted", "burst_start b3", "floor_granted→5 b3", "floor_taken→1 b3")
}

func TestPatchHasOneFloorAndParts(t *testing.T) {
	a, b := setScene(t, nil, zhang, li), setScene(t, func(c *Config) { c.Group = 10200 }, wang)
	both := Participant{ID: seatID(9), Unit: 10002, MayTalk: true} // Li is in the other group too
	b.in(Input{Kind: Join, Who: both})
	a.on(Request, zhang, 1)
	b.in(Input{Kind: Request, Seat: seatID(wang), Burst: bid(2), Precedence: fusion.Immediate})
	ca, cb := a.m.Config(), b.m.Config()

	m, out := Merge(DefaultConfig(), 8, a.now, a.m, b.m)
	p := &scene{t: t, m: m, now: a.now, out: slices.Clone(out)}
	p.says("floor_revoke→1 #4 0s", "burst_end b1 superseded cut", "floor_taken→1 b2", "floor_taken→2 b2")
	if got := m.Hears(); !slices.Equal(got, []fusion.ID{seatID(zhang), seatID(li), seatID(wang)}) {
		t.Fatalf("hear: %v", got)
	}
	p.in(Input{Kind: Request, Seat: seatID(9), Burst: bid(3), Precedence: fusion.Routine}).says("queue_position_info→9 1/1")
	p.on(Request, li, 4).says("queue_position_info→2 1/1") // one participant, one place

	ms, out := m.Part(9, p.now, ca, cb)
	p.out = slices.Clone(out)
	p.says("burst_start b4", "floor_granted→2 b4", "floor_taken→1 b4", "floor_taken→9 b2")
	if h, _ := ms[1].Holder(); h.Burst != bid(2) || ms[0].Config().Group != 10100 {
		t.Fatalf("the talker's group has %+v", h)
	}
}

func TestNewArbiterTakesOverWhoIsOnTheAir(t *testing.T) {
	s := &scene{t: t, m: Resume(DefaultConfig(), 9, epochStart), now: epochStart}
	s.join(zhang).join(li).join(wang).says()
	s.on(Request, li, 1).says("queue_position_info→2 1/1")
	s.on(Carry, zhang, 2).says("floor_granted→1 b2", "floor_taken→2 b2", "floor_taken→3 b2")
	s.in(Input{Kind: Carry, Seat: seatID(wang), Burst: bid(3), Precedence: fusion.Flash}).says("floor_revoke→1 #4 0s", "burst_end b2 superseded cut", "floor_granted→3 b3", "floor_taken→1 b3", "floor_taken→2 b3")
	s.on(Carry, zhang, 2).says("floor_revoke→1 #4 0s", "burst_end b2 superseded cut")
}

func TestNewArbiterGrantsOnlyEmergenciesUntilItHasSettled(t *testing.T) {
	s := &scene{t: t, m: Resume(DefaultConfig(), 9, epochStart), now: epochStart}
	s.join(zhang).join(li)
	s.on(Request, li, 1).says("queue_position_info→2 1/1")
	s.wait(199 * time.Millisecond).says()
	s.wait(time.Millisecond).says("burst_start b1", "floor_granted→2 b1", "floor_taken→1 b1")

	s = &scene{t: t, m: Resume(DefaultConfig(), 9, epochStart), now: epochStart}
	s.join(zhang).on(EmergencyRaise, zhang, 1).says("burst_start b1", "floor_granted→1 b1")
}

func TestStrangerIsDroppedAndCounted(t *testing.T) {
	s := setScene(t, nil, zhang)
	s.on(Request, li, 1).says()
	s.on(Media, li, 0).says()
	if s.m.Strays() != 2 {
		t.Fatalf("%d strays", s.m.Strays())
	}
}

func TestOutranksIsATotalOrderThatBothSitesCompute(t *testing.T) {
	site := func(n fusion.Site, p fusion.Precedence, e bool) Holding {
		return Holding{Unit: fusion.NewNumber(n, 1), Precedence: p, Emergency: e, Burst: bid(int(n))}
	}
	order := []Holding{site(5, fusion.Routine, true), site(5, fusion.Flash, false), site(3, fusion.Routine, false), site(1, fusion.Routine, false), site(2, fusion.Routine, false)}
	for i, a := range order {
		for j, b := range order {
			if i != j && Outranks(a, b, 3) != (i < j) {
				t.Errorf("%d against %d", i, j)
			}
		}
	}
}

func TestATalkerWhoseNodeDiedGoesOnByAnotherLegBeforeAnybodyElse(t *testing.T) {
	for _, kind := range []Kind{Request, Carry} {
		s := setScene(t, nil, zhang, li)
		again := fusion.ID{0: 's', 1: 9}
		s.in(Input{Kind: Join, Who: Participant{ID: again, Unit: 10000 + zhang, MayTalk: true}})
		s.on(Request, zhang, 1).on(Request, li, 2)
		s.in(Input{Kind: kind, Seat: again, Burst: bid(3), Precedence: fusion.Routine, Resume: bid(1)})
		if kind == Request {
			s.says("burst_end b1 left", "burst_start b3", "floor_granted→9 b3", "floor_taken→1 b3", "floor_taken→2 b3")
		} else {
			s.says("burst_end b1 left", "floor_granted→9 b3", "floor_taken→1 b3", "floor_taken→2 b3")
		}
		// Somebody else who names the burst gets nothing by it.
		s.in(Input{Kind: kind, Seat: seatID(li), Burst: bid(4), Precedence: fusion.Routine, Resume: bid(3)})
		if h, _ := s.m.Holder(); h.Burst != bid(3) {
			t.Errorf("%v: %+v took the floor", kind, h)
		}
	}
}

func TestANewArbiterKnowsTheEmergenciesOfTheOld(t *testing.T) {
	s := &scene{t: t, m: Resume(DefaultConfig(), 9, epochStart), now: epochStart}
	s.m.Alarm(10000+zhang, 10000+zhang, 0)
	s.join(zhang).on(Request, zhang, 1).says("burst_start b1", "floor_granted→1 b1")
	if got := s.m.Emergencies(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
