package linear

import (
	"testing"
	"time"
)

const limit = 10 * time.Second

func judge(t *testing.T, h *History, good bool) {
	t.Helper()
	if err := h.Check(limit); (err == nil) != good {
		t.Errorf("%d operations, good %v: %v", h.Len(), good, err)
	}
}

func TestALogThatGoesBackIsFound(t *testing.T) {
	l := NewLog()
	l.Append(1)(5)
	one, two := l.Append(1), l.Append(2)
	two(7)
	one(6) // asked at the same time: either is the first
	judge(t, l.History, true)
	l.Append(3)(4)
	judge(t, l.History, false)
}

func TestALostUpdateIsFound(t *testing.T) {
	r := NewRegister()
	r.Swap(1, "a", "", "x").Done(true)
	lost := r.Swap(1, "a", "x", "y")
	r.Swap(2, "a", "x", "z").Done(false) // the lost one has come into effect
	lost.Lost()
	r.Swap(2, "b", "", "q").Done(true)
	judge(t, r.History, true)
	r.Swap(3, "a", "x", "w").Done(true) // two changed what both saw as x
	judge(t, r.History, false)
}

func TestAReceiptThatGoesBackIsFound(t *testing.T) {
	r := NewRatchet()
	r.Push(1, "m", 2)(2)
	r.Push(1, "m", 1)(2)
	r.Push(2, "m", 3)(-1)
	r.Push(2, "m", 1)(3)
	judge(t, r.History, true)
	r.Push(2, "m", 2)(2)
	judge(t, r.History, false)
}

func TestTwoHoldersAtOnceAreFound(t *testing.T) {
	l := NewLock()
	first := l.Take(1, "group", "1")()
	waits := l.Take(2, "group", "2")
	first.Releasing()
	second := waits()
	first.Ended()
	judge(t, l.History, true)
	second.Lost()
	third := l.Take(3, "group", "3")()
	judge(t, l.History, true)
	third.Lost()
	judge(t, l.History, true)

	both := NewLock()
	one, two := both.Take(1, "group", "1")(), both.Take(2, "group", "2")()
	one.Releasing()
	one.Ended()
	two.Releasing()
	two.Ended()
	judge(t, both.History, false)
	if d := both.Doubles(); len(d) != 1 || d[0].Clients != [2]int{1, 2} {
		t.Errorf("%v", d)
	}
	if d := l.Doubles(); len(d) != 0 {
		t.Errorf("%v", d)
	}
}
