package desk_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/state"
)

// step is one thing that happens at the switchboard; numbers are taken modulo what there is.
type step struct {
	Do      string
	A, B, C int
}

func steps() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		return step{
			Do: rapid.SampledFrom([]string{"outside", "outside", "extension", "place", "answer", "answer", "pickup", "hang", "hold", "resume", "admit", "dismiss",
				"handon", "handon", "taken", "taken", "early", "gone", "gone", "refused", "held", "refer", "wait", "wait", "away", "back", "group", "revoke", "settle"}).Draw(t, "do"),
			A: rapid.IntRange(0, 9).Draw(t, "a"), B: rapid.IntRange(0, 9).Draw(t, "b"), C: rapid.IntRange(0, 9).Draw(t, "c"),
		}
	})
}

// life is a switchboard with all lines that there ever were.
type life struct {
	*site
	t     *testing.T
	lines []*line
	last  map[fusion.ID]desk.Status // as the watchers were told
	ended map[fusion.ID]int
	wrong error
}

func TestWhateverHappensNoCallLineSeatOrPlaceIsLeft(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := rapid.SliceOfN(steps(), 5, 80).Draw(rt, "steps")
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = lead(t, list) })
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

func lead(t *testing.T, list []step) error {
	l := &life{site: newSite(t), t: t, last: make(map[fusion.ID]desk.Status), ended: make(map[fusion.ID]int)}
	l.phones = []fusion.Number{phoneB}
	defer l.board.Subscribe(func(c desk.Call) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.last[c.ID] = c.Status
		if c.Status == desk.StatusEnded {
			l.ended[c.ID]++
		}
	})()
	for i, s := range list {
		l.do(s)
		if s.C > 3 { // else the next thing happens at the same moment
			l.look()
		}
		if l.wrong != nil {
			return fmt.Errorf("step %d, %+v: %w", i, s, l.wrong)
		}
	}
	return l.close()
}

func (l *life) do(s step) {
	switch s.Do {
	case "outside":
		l.come(desk.Caller{Digits: "13800000000", Name: "李", Trunk: "pstn"}, "110")
	case "extension":
		digits := []string{"0001", "0002", "0802", "0803", "0901", "0101", "913800000000", "77"}[s.A%8]
		l.come(desk.Caller{Unit: phoneA}, digits)
	case "place":
		p := []desk.Place{{To: phoneB}, {To: clerk, Floor: true}, {Digits: "120", Trunk: "pstn"}, {Digits: "120", Trunk: "pstn", Group: group}, {To: desk1}}[s.A%5]
		_, _ = l.board.Place(l.user(s.B), p)
	case "wait":
		time.Sleep(time.Duration(s.A*s.B) * time.Second)
	case "away", "back":
		l.away.Store(s.Do == "away")
	case "group":
		l.board.CloseGroup(group)
	case "revoke":
		l.board.Revoke(phoneA, []fusion.Number{0, group}[s.A%2])
	case "settle":
		synctest.Wait()
	default:
		l.onCall(s)
		l.onLine(s)
	}
}

func (l *life) user(n int) desk.User {
	return []desk.User{dispatcher, {Name: "li", Unit: clerk, Position: desk2}}[n%2]
}

func (l *life) come(from desk.Caller, digits string) {
	n := &line{id: l.newID(), caller: from, board: l.board, deaf: len(l.lines)%7 == 3}
	l.lines = append(l.lines, n)
	l.board.Incoming(n, digits)
}

func (l *life) onCall(s step) {
	calls := l.board.Calls()
	if len(calls) == 0 {
		return
	}
	id := calls[s.A%len(calls)].ID
	switch s.Do {
	case "answer":
		_, _ = l.board.Answer(id, l.user(s.B))
	case "pickup":
		_, _ = l.board.PickUp(id, l.user(s.B))
	case "hang":
		_ = l.board.Hang(id)
	case "hold":
		_ = l.board.Hold(id)
	case "resume":
		_ = l.board.Resume(id)
	case "admit":
		_ = l.board.Admit(id, l.user(s.B), group)
	case "dismiss":
		_ = l.board.Dismiss(id)
	case "handon":
		_ = l.board.HandOn(id, l.user(s.B), []desk.TransferTo{{Number: phoneB}, {Number: desk2}, {Number: clerk}, {Digits: "119", Trunk: "pstn"}}[s.C%4])
	}
}

func (l *life) onLine(s step) {
	l.mu.Lock()
	all := append(append([]*line(nil), l.lines...), l.dialed...)
	l.mu.Unlock()
	if len(all) == 0 {
		return
	}
	n := all[len(all)-1-s.A%len(all)]
	switch s.Do {
	case "taken":
		l.board.Answered(n, false)
	case "early":
		l.board.Answered(n, true)
	case "gone":
		n.Hang(desk.Normal)
	case "refused":
		n.Hang([]desk.Cause{desk.BusyHere, desk.Refused, desk.NoAnswer}[s.B%3])
	case "held":
		l.board.Held(n, s.B%2 == 0)
	case "refer":
		l.board.Transfer(n, []string{"0802", "0901", "0001"}[s.B%3])
	}
}

// look checks what must be true when everything has settled.
func (l *life) look() {
	synctest.Wait()
	calls := l.board.Calls()
	live := make(map[fusion.ID]bool)
	for _, c := range calls {
		live[c.ID] = true
		if c.Status == desk.StatusEnded {
			l.wrong = errors.New("an ended call is live")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range calls {
		if l.last[c.ID] != c.Status && !(l.last[c.ID] == "" && c.Status == desk.StatusRinging) { // being answered
			l.wrong = fmt.Errorf("the watchers were told %q of a call that is %q", l.last[c.ID], c.Status)
		}
	}
	for id, status := range l.last {
		if status != desk.StatusEnded && !live[id] {
			l.wrong = fmt.Errorf("a call is gone and was shown last as %q", status)
		}
	}
	for id, n := range l.ended {
		if n != 1 {
			l.wrong = fmt.Errorf("call %s ended %d times", id, n)
		}
	}
	l.lost(len(calls))
}

// lost looks for lines that nobody serves and nobody has hung up.
func (l *life) lost(calls int) {
	n := 0
	for _, x := range append(append([]*line(nil), l.lines...), l.dialed...) {
		x.mu.Lock()
		if x.hung == "" && !x.deaf {
			n++
		}
		x.mu.Unlock()
	}
	if calls == 0 && n > 0 {
		l.wrong = fmt.Errorf("%d lines are left without a call", n)
	}
}

// close hangs up and looks for what is left.
func (l *life) close() error {
	l.board.Close()
	l.look()
	if l.wrong != nil {
		return fmt.Errorf("after the end: %w", l.wrong)
	}
	l.talks.mu.Lock()
	defer l.talks.mu.Unlock()
	for k, n := range l.talks.in {
		if n != 0 {
			return fmt.Errorf("%d seats left in %s", n, k)
		}
		if k.Group == 0 && !l.talks.closed[k] {
			return fmt.Errorf("conversation %s stays open", k)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[fusion.ID]bool)
	for _, r := range l.log {
		if seen[r.ID] || r.Result == "" || r.Result == "answered" && r.Answered == state.Millis(0) {
			return fmt.Errorf("record %+v", r)
		}
		seen[r.ID] = true
	}
	if len(l.log) != len(l.ended) {
		return fmt.Errorf("%d calls ended, %d recorded", len(l.ended), len(l.log))
	}
	if n := l.board.Outgoing(); n != 0 {
		return fmt.Errorf("%d outgoing calls are still counted", n)
	}
	return nil
}
