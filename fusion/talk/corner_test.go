package talk_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
)

func TestWhoWaitedInAPatchTalksInItsOwnGroupOnceItIsParted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob, carol := newLeg(10101), newLeg(10102), newLeg(10103)
		sa, sb, sc := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupB, bob, talk.JoinOptions{}), b.join(t, groupB, carol, talk.JoinOptions{})
		patch, first, second := b.id(), b.id(), b.id()
		if err := b.x.Patch(patch, []fusion.Number{groupA, groupB}); err != nil {
			t.Fatal(err)
		}
		sa.Request(talk.Request{ID: first, Precedence: fusion.Routine})
		sb.Request(talk.Request{ID: second, Precedence: fusion.Routine})
		if err := b.x.Part(patch); err != nil {
			t.Fatal(err)
		}
		speak(sb, 5)
		if bob.last().Kind != talk.Granted || carol.heard(second) != 5 || alice.heard(second) != 0 {
			t.Errorf("bob was told %v, carol heard %d packets", bob.kinds(), carol.heard(second))
		}
		for _, s := range []talk.Seat{sa, sb, sc} {
			s.Leave()
		}
	})
}

func TestAPressThatIsCutOffInOneGroupIsHeardOnInTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, both, boss := newLeg(10101), newLeg(10103), newLeg(10104)
		device := b.id()
		a1, a2 := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupB, alice, talk.JoinOptions{})
		s1, s2 := b.join(t, groupA, both, talk.JoinOptions{Terminal: device}), b.join(t, groupB, both, talk.JoinOptions{Terminal: device})
		sx := b.join(t, groupA, boss, talk.JoinOptions{})
		press, first, second := b.id(), b.id(), b.id()
		a1.Request(talk.Request{ID: first, Press: press, Precedence: fusion.Routine})
		a2.Request(talk.Request{ID: second, Press: press, Precedence: fusion.Routine})
		sx.Request(talk.Request{ID: b.id(), Emergency: true, Precedence: fusion.Flash})
		synctest.Wait()
		speak(a2, 5)
		if n := both.heard(second); n != 5 {
			t.Errorf("heard %d packets of 5 in the other group", n)
		}
		for _, s := range []talk.Seat{a1, a2, s1, s2, sx} {
			s.Leave()
		}
	})
}

func TestAnEmergencyOutlivesAnEmptyRoomUntilItIsCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice := newLeg(10101)
		sa := b.join(t, groupA, alice, talk.JoinOptions{})
		sa.Request(talk.Request{ID: b.id(), Emergency: true, Precedence: fusion.Flash})
		sa.Leave()
		if rooms, _ := b.x.Left(); rooms != 1 {
			t.Error("the emergency is forgotten")
		}
		sa = b.join(t, groupA, alice, talk.JoinOptions{})
		sa.Request(talk.Request{ID: b.id(), Precedence: fusion.Routine})
		if got := alice.last(); got.Kind != talk.Granted || !got.Emergency {
			t.Errorf("back again: %+v", got)
		}
		sa.Release()
		_ = b.x.EndEmergency(fusion.GroupTalk(groupA), 10102, "li")
		if st, _ := b.x.State(fusion.GroupTalk(groupA)); !slices.Equal(st.Alarms, []fusion.Number{10101}) {
			t.Errorf("another unit ended it: %v", st.Alarms)
		}
		sa.Leave()
		if err := b.x.EndEmergency(fusion.GroupTalk(groupA), 10101, "zhang"); err != nil {
			t.Error(err)
		}
		if rooms, _ := b.x.Left(); rooms != 0 {
			t.Error("the room stays")
		}
	})
}

func TestAPrivateCallOutlivesAPageThatRejoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		call := b.x.OpenCall(b.id(), true)
		alice, bob := newLeg(10101), newLeg(10102)
		opt := talk.JoinOptions{Name: "x", MayTalk: true}
		sa, _ := b.x.Join(t.Context(), call, alice, opt)
		sb, _ := b.x.Join(t.Context(), call, bob, opt)
		for range 2 {
			sa.Leave()
			sb.Leave()
			var err error
			if sa, err = b.x.Join(t.Context(), call, alice, opt); err != nil {
				t.Fatal(err)
			}
			if sb, err = b.x.Join(t.Context(), call, bob, opt); err != nil {
				t.Fatal(err)
			}
		}
		burst := b.id()
		sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
		speak(sa, 3)
		if bob.heard(burst) != 3 || slices.Contains(bob.kinds(), talk.Ended) {
			t.Errorf("heard %d, told %v", bob.heard(burst), bob.kinds())
		}
		b.x.CloseCall(call, "normal")
		if rooms, _ := b.x.Left(); rooms != 0 || bob.last().Kind != talk.Ended {
			t.Error("the call is still there")
		}
	})
}

func TestTheLastStateToldIsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var last talk.State
		defer b.x.Subscribe(func(s talk.State) { last = s })()
		sa := b.join(t, groupA, newLeg(10101), talk.JoinOptions{})
		time.Sleep(time.Second)
		synctest.Wait()
		if len(last.Seats) != 1 {
			t.Errorf("%+v", last)
		}
		sa.Leave()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(last.Seats) != 0 || last.Talk != fusion.GroupTalk(groupA) {
			t.Errorf("everybody has left: %+v", last)
		}
	})
}

func TestANewTalkLimitTakesEffectWhilePeopleAreIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice := newLeg(10101)
		sa := b.join(t, groupA, alice, talk.JoinOptions{})
		b.limit.Store(int64(5 * time.Second))
		b.x.Regroup(groupA)
		sa.Request(talk.Request{ID: b.id(), Precedence: fusion.Routine})
		if got := alice.last(); got.Limit != 5 {
			t.Errorf("%+v", got)
		}
		sa.Leave()
	})
}

func TestATalkerWhoseClockIsSetBackGoesOnTalking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice := newLeg(10101)
		sa := b.join(t, groupA, alice, talk.JoinOptions{})
		sa.Request(talk.Request{ID: b.id(), Precedence: fusion.Routine})
		speak(sa, 5)
		for i := range 400 {
			sa.Push(&voice.Packet{Seq: uint16(i), Arrived: time.Now().Add(-time.Hour)})
			time.Sleep(20 * time.Millisecond)
		}
		if slices.Contains(alice.kinds(), talk.Revoked) {
			t.Error("revoked as silent")
		}
		sa.Leave()
	})
}

func TestNobodyJoinsAfterClose(t *testing.T) {
	b := newBench(t)
	sa := b.join(t, groupA, newLeg(10101), talk.JoinOptions{})
	burst := b.id()
	sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
	if err := b.x.Patch(b.id(), []fusion.Number{groupA, groupB}); err != nil {
		t.Fatal(err)
	}
	b.x.Close()
	if b.rec.end(burst) == "" {
		t.Error("the recording of a burst is still open")
	}
	if _, err := b.x.Join(t.Context(), fusion.GroupTalk(groupA), newLeg(10102), talk.JoinOptions{}); fusion.FaultOf(err) != fusion.CutOff {
		t.Errorf("joined: %v", err)
	}
}

func TestABroadcastGroupIsThereForTheNextBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob := newLeg(10101), newLeg(10102)
		sa, sb := b.join(t, broadcast, alice, talk.JoinOptions{}), b.join(t, broadcast, bob, talk.JoinOptions{})
		for range 2 {
			burst := b.id()
			sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
			speak(sa, 3)
			sa.Release()
			time.Sleep(time.Second)
			if bob.heard(burst) != 3 || slices.Contains(bob.kinds(), talk.Ended) {
				t.Errorf("heard %d packets, told %v", bob.heard(burst), bob.kinds())
			}
		}
		sa.Leave()
		sb.Leave()
	})
}

func TestADeviceHearsAPatchByOneOfItsSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, left, right := newLeg(10101), newLeg(10103), newLeg(10103)
		device := b.id()
		sa := b.join(t, groupB, alice, talk.JoinOptions{})
		s1, s2 := b.join(t, groupA, left, talk.JoinOptions{Terminal: device}), b.join(t, groupB, right, talk.JoinOptions{Terminal: device})
		burst, patch := b.id(), b.id()
		sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
		speak(sa, 5)
		if err := b.x.Patch(patch, []fusion.Number{groupA, groupB}); err != nil {
			t.Fatal(err)
		}
		speak(sa, 5)
		if n := left.heard(burst) + right.heard(burst); n != 10 {
			t.Errorf("heard %d packets of 10", n)
		}
		if err := b.x.Part(patch); err != nil {
			t.Fatal(err)
		}
		speak(sa, 5)
		if n := left.heard(burst) + right.heard(burst); n != 15 {
			t.Errorf("heard %d packets of 15", n)
		}
		for _, s := range []talk.Seat{sa, s1, s2} {
			s.Leave()
		}
	})
}

func TestAPressThatNamesNoPrecedenceHasTheGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob := newLeg(10101), newLeg(10102)
		sa, sb := b.join(t, urgent, alice, talk.JoinOptions{}), b.join(t, urgent, bob, talk.JoinOptions{})
		sa.Request(talk.Request{ID: b.id(), Ordinary: true})
		if got := bob.last(); got.Kind != talk.Taken || got.Prec != fusion.Flash {
			t.Errorf("bob was told %v with precedence %s, want %v with flash", got.Kind, got.Prec, talk.Taken)
		}
		sa.Leave()
		sb.Leave()
	})
}

func TestALegThatIsStillComingUpHearsTheBurstFromItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, early, late := newLeg(10101), newLeg(10102), newLeg(10103)
		sa := b.join(t, groupA, alice, talk.JoinOptions{})
		burst := b.id()
		sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
		speak(sa, 5)
		se := b.join(t, groupA, early, talk.JoinOptions{})
		speak(sa, 45)
		sl := b.join(t, groupA, late, talk.JoinOptions{})
		speak(sa, 10)
		if n, m := early.heard(burst), late.heard(burst); n != 60 || m != 10 {
			t.Errorf("who came 100 ms late heard %d of 60 packets, who came a second late %d of the last 10", n, m)
		}
		for _, s := range []talk.Seat{sa, se, sl} {
			s.Leave()
		}
	})
}
