package desk_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
)

func TestATelephoneThatAnswersBeforeTheDiallerReturnsIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.quick = true
		l := s.call(desk.Caller{Unit: phoneA}, "0802")
		if c := s.only(t); c.Status != desk.StatusAnswered || !l.seated() || !s.last().seated() {
			t.Errorf("%+v", c)
		}
	})
}

func TestATransferThatIsRefusedOrBusyComesBack(t *testing.T) {
	for _, cause := range []desk.Cause{desk.Refused, desk.BusyHere, desk.Failed} {
		t.Run(string(cause), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
				c, _ := s.board.Answer(s.only(t).ID, dispatcher)
				synctest.Wait()
				if err := s.board.HandOn(c.ID, dispatcher, desk.TransferTo{Number: phoneB}); err != nil {
					t.Fatal(err)
				}
				s.last().Hang(cause)
				if n := s.only(t); n.Status != desk.StatusQueued || n.Position != desk1 || l.cause() != "" || l.tone != desk.Waiting {
					t.Errorf("%+v, tone %q", n, l.tone)
				}
			})
		})
	}
}

func TestTheDutyPhoneRingsAgainUntilSomebodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "0902") // a position without an overflow
		s.dutyOf2.Store(true)
		for range 5 {
			time.Sleep(16 * time.Second)
			d := s.last()
			if d == nil || d.cause() != "" {
				t.Fatal("the duty phone does not ring")
			}
			d.Hang(desk.NoAnswer)
		}
		if c := s.only(t); c.Status != desk.StatusQueued {
			t.Errorf("%+v", c)
		}
	})
}

func TestThePhonesOfAPositionRingAtOnceAndTheFirstThatAnswersHasTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.phones = []fusion.Number{phoneA, phoneB}
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		if len(s.dialed) != 2 {
			t.Fatalf("%d telephones ring", len(s.dialed))
		}
		first, second := s.dialed[0], s.dialed[1]
		s.board.Answered(second, false)
		s.board.Answered(first, false) // a moment too late
		if c := s.only(t); c.Status != desk.StatusAnswered || c.To != second.Unit() || !second.seated() || first.cause() != desk.Normal || !l.seated() {
			t.Errorf("%+v, the other one was hung up with %q", c, first.cause())
		}
	})
}

func TestACallWhoseConsoleHasGoneWaitsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		c, _ := s.board.Answer(s.only(t).ID, dispatcher)
		time.Sleep(time.Minute)
		if s.only(t).ID != c.ID {
			t.Fatal("taken away from a console that is there")
		}
		s.away.Store(true)
		time.Sleep(25 * time.Second)
		if n := s.only(t); n.Status != desk.StatusQueued || n.Position != desk1 || n.By != "" || l.cause() != "" || !s.talks.closed[c.Talk] {
			t.Errorf("%+v", n)
		}
	})
}

func TestLinesOfADeletedGroupAreToldAndHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Unit: phoneA}, "0001")
		s.board.CloseGroup(group)
		if l.tone != desk.NotInGroup || l.seated() {
			t.Errorf("tone %q", l.tone)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if l.cause() != desk.NotAllowed || len(s.board.Calls()) != 0 {
			t.Errorf("hung up with %q", l.cause())
		}
	})
}

func TestARevokedUnitsCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		a := s.call(desk.Caller{Unit: phoneA}, "0001")
		b := s.call(desk.Caller{Unit: phoneB}, "0001")
		s.board.Revoke(phoneA, 0)
		synctest.Wait()
		if a.cause() != desk.NotAllowed || b.cause() != "" || len(s.board.Calls()) != 1 {
			t.Errorf("hung up with %q and %q", a.cause(), b.cause())
		}
	})
}

func TestACallerWhoHadGoneWhenAConsoleAnsweredWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		l := s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		l.do(func() { l.deaf = true })
		if _, err := s.board.Answer(s.only(t).ID, dispatcher); err != nil {
			t.Fatal(err)
		}
		if r := s.records(); len(r) != 1 || r[0].Result != "missed" || r[0].Position != desk1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestACallThatADispatcherPlacedIsPickedUpByAnotherConsole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		c, err := s.board.Place(dispatcher, desk.Place{To: clerk})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.board.PickUp(c.ID, desk.User{Name: "wang", Unit: 10777}); err != nil || got.Status != desk.StatusAnswered {
			t.Errorf("%+v %v", got, err)
		}
	})
}

func TestLettingACallIntoAGroupTakesItOutOfItsConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.call(desk.Caller{Digits: "1", Trunk: "pstn"}, "110")
		time.Sleep(16 * time.Second)
		d := s.last()
		s.board.Answered(d, false)
		c := s.only(t)
		if err := s.board.Admit(c.ID, dispatcher, group); err != nil {
			t.Fatal(err)
		}
		if n := s.only(t); n.Status != desk.StatusInGroup || d.cause() != desk.Normal || !s.talks.closed[c.Talk] || s.talks.count(fusion.GroupTalk(group)) != 1 {
			t.Errorf("%+v, the duty phone was hung up with %q", n, d.cause())
		}
	})
}

func TestNoCallIsTakenAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.board.Close()
		if l := s.call(desk.Caller{Unit: phoneA}, "0001"); l.cause() != desk.Overloaded {
			t.Errorf("hung up with %q", l.cause())
		}
	})
}
