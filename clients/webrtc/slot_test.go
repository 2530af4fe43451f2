package webrtc

import (
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/voice"
)

func testSlot(now time.Time) *slot {
	return &slot{high: 65530, last: 1 << 31, anchor: now, anchorTS: 1 << 31}
}

func TestSequenceNumbersGoOnAcrossBurstsAndTimestampsFollowTheClock(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := testSlot(now)
	want, lastTS := uint16(65531), uint32(0)
	for b := range 3 {
		s.take(burst(byte(b), 4))
		for i := range 10 {
			p := speechPacket(i, "x")
			p.Seq, p.Time = p.Seq*uint16(7*b+1), p.Time*uint32(b+3)+uint32(960*i)
			if i > 0 {
				p.Seq = speechPacket(0, "").Seq*uint16(7*b+1) + uint16(i)
				p.Time = speechPacket(0, "").Time*uint32(b+3) + uint32(960*i)
			}
			seq, ts, marker, ok := s.stamp(p, now)
			if !ok || seq != want || marker != (i == 0) {
				t.Fatalf("burst %d packet %d: seq %d marker %v ok %v, want seq %d", b, i, seq, marker, ok, want)
			}
			if i > 0 && ts != lastTS+960 {
				t.Fatalf("burst %d packet %d: timestamp moved by %d", b, i, ts-lastTS)
			}
			if passed := ts - lastTS; i == 0 && b > 0 && (passed < 960*50 || passed > 960*51) {
				t.Fatalf("burst %d begins %d samples after the last packet, 1.02 s earlier", b, passed)
			}
			want, lastTS = want+1, ts
			now = now.Add(20 * time.Millisecond)
		}
		now = now.Add(time.Second)
	}
}

func TestLossAndDisorderPassThroughButNoNumberIsUsedTwice(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := testSlot(now)
	s.take(burst(1, 4))
	base := s.high + 1
	used := make(map[uint16]bool)
	for _, c := range []struct {
		in int
		ok bool
	}{{0, true}, {1, true}, {4, true}, {3, true}, {3, false}, {0, false}, {2, true}, {100, true}, {5, false}, {99, true}, {-3, false}} {
		seq, _, _, ok := s.stamp(speechPacket(c.in, "x"), now)
		if ok != c.ok {
			t.Fatalf("packet %d: ok %v, want %v", c.in, ok, c.ok)
		}
		if !ok {
			continue
		}
		if seq != base+uint16(c.in) || used[seq] {
			t.Fatalf("packet %d goes out as %d, want %d; used before: %v", c.in, seq, base+uint16(c.in), used[seq])
		}
		used[seq] = true
	}
}

func TestAnotherNumberingInABurstGoesOnAfterTheLast(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := testSlot(now)
	s.take(burst(1, 4))
	first, _, _, _ := s.stamp(speechPacket(0, "x"), now)
	second, _, marker, ok := s.stamp(speechPacket(20000, "x"), now)
	if !ok || !marker || second != first+1 {
		t.Errorf("after a jump: %d (marker %v, ok %v), want %d", second, marker, ok, first+1)
	}
}

func TestTimestampsThatStoodStillOverAPauseAreMovedOn(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := testSlot(now)
	s.take(burst(1, 4))
	_, before, _, _ := s.stamp(speechPacket(0, "x"), now)
	p := speechPacket(1, "x")
	p.Arrived = p.Arrived.Add(2 * time.Second)
	_, after, _, _ := s.stamp(p, now.Add(2*time.Second))
	if moved := after - before; moved != 48*2020 {
		t.Errorf("moved by %d samples, want %d", moved, 48*2020)
	}
}

func TestTheLeastUrgentStreamGivesItsSlotToAMoreUrgentOne(t *testing.T) {
	s := newTestServer(t)
	w := newWatcher()
	x := &Session{server: s, events: w, slots: make([]slot, 2)}
	k := x.Sink("test")
	routine, _ := k.Begin(burst(1, 4))
	flash, _ := k.Begin(burst(2, 1))
	if _, ok := k.Begin(burst(3, 4)); ok {
		t.Error("a stream of the same precedence took a busy slot")
	}
	alarm := burst(4, 4)
	alarm.Emergency = true
	handle, ok := k.Begin(alarm)
	if !ok || slotOf(handle) != slotOf(routine) || handle == routine {
		t.Fatalf("the emergency got slot %d (ok %v), want %d", slotOf(handle), ok, slotOf(routine))
	}
	k.End(burst(1, 4), routine)
	if w.slots[slotOf(handle)] == nil || !w.slots[slotOf(handle)].Emergency {
		t.Error("the end of the stream that had lost its slot freed it")
	}
	s.Deliver(speechPacket(0, "x"), []voice.Target{{Sink: k, Handle: routine}})
	if n := s.Stats().Stale; n != 1 {
		t.Errorf("%d packets of the stream that had lost its slot counted, want 1", n)
	}
	k.End(burst(2, 1), flash)
	if w.slots[slotOf(flash)] != nil {
		t.Error("the slot is not free after its stream's end")
	}
}

func TestEmergencyIsMoreUrgentThanAnyPrecedence(t *testing.T) {
	alarm, flash := voice.Info{Emergency: true, Precedence: 4}, voice.Info{Precedence: fusion.Precedence(0)}
	if !lessUrgent(&flash, &alarm) || lessUrgent(&alarm, &flash) {
		t.Error("the order is wrong")
	}
}
