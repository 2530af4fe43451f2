package floor

import (
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"pgregory.net/rapid"
)

type seenClientRow struct {
	from ClientState
	on   ClientKind
	row  *clientRow
}

// TestTableOfClient does for the participant what TestTable does for the server.
func TestTableOfClient(t *testing.T) {
	whole(t, clientIndex, clientStates, clientKinds)

	seen := map[seenClientRow]int{}
	seeded(t, "1", "20000", func() { rapid.Check(t, func(t *rapid.T) { walkClient(t, seen) }) })
	for s := range ClientState(clientStates) {
		for k := range ClientKind(clientKinds) {
			for _, r := range clientIndex[s][k] {
				if seen[seenClientRow{s, k, r}] == 0 && !r.never {
					t.Errorf("never seen: %v × %v when %q", s, k, r.when.name)
				}
			}
		}
	}
}

// walkClient confronts a participant with anything, in any order, and checks that the microphone is open with permission only.
func walkClient(t *rapid.T, seen map[seenClientRow]int) {
	c, now, mic := NewClient(DefaultClientConfig()), epochStart, false
	c.trace = func(from ClientState, on ClientKind, r *clientRow) {
		if !r.is(from, on) || r.never || r.stays && c.state != from || !r.stays && c.state != r.to {
			t.Fatalf("%v × %v took a row that is not for it, to %v", from, on, c.state)
		}
		seen[seenClientRow{from, on, r}]++
	}
	obey := func(orders []Order) {
		for _, o := range orders {
			switch o.Type {
			case MicOn:
				mic = true
			case MicOff:
				mic = false
			}
		}
		if mic != c.MayTalk() {
			t.Fatalf("microphone %v in %v", mic, c.State())
		}
		if at := c.Deadline(); !at.IsZero() && !at.After(now) {
			t.Fatalf("deadline in the past")
		}
	}
	burst := func() fusion.ID {
		return rapid.SampledFrom([]fusion.ID{c.wish.Burst, c.wish.Burst, c.wish.Burst, {1}, {2}, {}}).Draw(t, "burst")
	}
	c.Handle(now, Begin, Wish{})
	for range 40 {
		d := rapid.SampledFrom([]time.Duration{0, 0, 0, time.Millisecond, 400 * time.Millisecond, time.Second, 5 * time.Second}).Draw(t, "time")
		now = now.Add(d)
		obey(c.Tick(now))
		if rapid.Bool().Draw(t, "server") {
			obey(c.Receive(now, Output{
				Type:  rapid.SampledFrom([]Type{FloorGranted, FloorGranted, FloorTaken, FloorDeny, FloorIdle, FloorRevoke, QueuePositionInfo, QueuePositionInfo, QueueCancel, CallEnd, TalkWarning, FloorRequest}).Draw(t, "type"),
				Burst: burst(), Epoch: uint64(rapid.IntRange(0, 9).Draw(t, "epoch") / 9), Seq: uint16(rapid.IntRange(0, 20).Draw(t, "seq")), Position: rapid.IntRange(0, 2).Draw(t, "position"),
				MayRequest: rapid.Bool().Draw(t, "may"), Left: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "left"),
				Grace: rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "grace"),
			}))
			continue
		}
		k := rapid.SampledFrom([]ClientKind{Begin, Press, Press, Press, LetGo, LetGo, Ask, Heard, Stop, Ended}).Draw(t, "kind")
		if (k == Stop || k == Ended) && rapid.IntRange(0, 3).Draw(t, "really") > 0 {
			k = Begin
		}
		obey(c.Handle(now, k, Wish{Burst: burst(), Emergency: rapid.IntRange(0, 3).Draw(t, "emergency") == 0, BreakIn: rapid.IntRange(0, 9).Draw(t, "break in") == 0}))
	}
}
