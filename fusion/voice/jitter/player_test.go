package jitter

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
	"pgregory.net/rapid"
)

// firstSeq and the first timestamp are shortly before they wrap.
const firstSeq = 65500

var start = time.Date(2026, 5, 12, 14, 28, 4, 0, time.UTC)

// sent is one packet on its way: 20 ms of L16, each sample the number of the packet, so that order can be read off.
type sent struct {
	seq     uint16
	stamp   uint32
	payload []byte
	at      time.Time
}

func numbered(n int) []byte {
	p := make([]byte, 2*codec.FrameSamples)
	for i := range codec.FrameSamples {
		binary.NativeEndian.PutUint16(p[2*i:], uint16(1000+n))
	}
	return p
}

// steady is n packets, 20 ms apart, that arrive after the given delays.
func steady(n int, delay func(i int) time.Duration) []sent {
	out := make([]sent, n)
	for i := range out {
		out[i] = sent{seq: uint16(firstSeq + i), stamp: uint32(math.MaxUint32-16000) + uint32(i*320), payload: numbered(i),
			at: start.Add(time.Duration(i)*20*time.Millisecond + delay(i))}
	}
	return out
}

func none(int) time.Duration { return 0 }

// play feeds the packets as they arrive and gives all frames, from the first packet until 500 ms after the last.
func play(t interface{ Helper() }, p *Player, packets []sent, each func(now time.Time, frame []int16, kind Kind)) {
	t.Helper()
	packets = append([]sent(nil), packets...)
	sort.SliceStable(packets, func(i, j int) bool { return packets[i].at.Before(packets[j].at) })
	end := packets[len(packets)-1].at.Add(500 * time.Millisecond)
	var frame [codec.FrameSamples]int16
	for now := packets[0].at.Add(7 * time.Millisecond); now.Before(end); now = now.Add(20 * time.Millisecond) {
		for len(packets) > 0 && !packets[0].at.After(now) {
			p.Put(packets[0].seq, packets[0].stamp, packets[0].payload, packets[0].at)
			packets = packets[1:]
		}
		kind := p.Frame(now, &frame)
		each(now, frame[:], kind)
	}
}

func newPlayer(t testing.TB, id codec.ID) *Player {
	t.Helper()
	p, err := New(id, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// heard is which packets were played, in order, and how often each one's samples came. Concealment and cross-fades change
// from sample to sample, so what stands still for 2.5 ms is a packet.
func heard(samples []int16) (order []int, count map[int]int) {
	count = make(map[int]int)
	for i := 0; i < len(samples); {
		j := i + 1
		for j < len(samples) && samples[j] == samples[i] {
			j++
		}
		if n := int(samples[i]) - 1000; n >= 0 && j-i >= 40 {
			if count[n] == 0 {
				order = append(order, n)
			}
			count[n] += j - i
		}
		i = j
	}
	return order, count
}

func TestASteadyStreamIsPlayedWholeAfterTheFloor(t *testing.T) {
	p := newPlayer(t, codec.L16)
	var out []int16
	play(t, p, steady(100, none), func(_ time.Time, f []int16, _ Kind) { out = append(out, f...) })
	order, count := heard(out)
	if len(order) != 100 {
		t.Fatalf("%d packets heard", len(order))
	}
	for n, c := range count {
		// The last one may be heard a little longer: it is what hides that nothing follows.
		if c < 320 || (n < 99 && c > 320) {
			t.Errorf("packet %d heard for %d samples", n, c)
		}
	}
	first := 0
	for out[first] == 0 {
		first++
	}
	if ms := first / 16; ms > 40 {
		t.Errorf("speech begins %d ms after the first packet", ms)
	}
	if s := p.Stats(); s.Lost+s.Late+s.Duplicate+s.Skipped+s.Overflow+s.Resyncs != 0 || s.Received != 100 {
		t.Errorf("%+v", s)
	}
}

func TestReorderedAndDoublePacketsArePlayedOnceInOrder(t *testing.T) {
	packets := steady(200, func(i int) time.Duration {
		if i%10 == 5 {
			return 30 * time.Millisecond // behind the next one
		}
		return 15 * time.Millisecond
	})
	for i := 0; i < 200; i += 7 {
		packets = append(packets, sent{packets[i].seq, packets[i].stamp, packets[i].payload, packets[i].at.Add(3 * time.Millisecond)})
	}
	p := newPlayer(t, codec.L16)
	var out []int16
	play(t, p, packets, func(_ time.Time, f []int16, _ Kind) { out = append(out, f...) })
	order, _ := heard(out)
	if !sort.IntsAreSorted(order) {
		t.Error("packets were played out of order")
	}
	s := p.Stats()
	if s.Duplicate != 29 {
		t.Errorf("%d duplicates counted, 29 sent", s.Duplicate)
	}
	if len(order) < 198 {
		t.Errorf("%d of 200 packets played: %+v", len(order), s)
	}
}

func TestTheTargetFollowsTheJitter(t *testing.T) {
	for _, c := range []struct {
		jitter      time.Duration
		least, most time.Duration
	}{{0, 20, 20}, {30, 20, 45}, {60, 45, 75}, {100, 80, 115}, {400, 120, 120}} {
		rng := rand.New(rand.NewPCG(1, uint64(c.jitter)))
		p := newPlayer(t, codec.L16)
		lost := uint64(0)
		packets := steady(500, func(int) time.Duration { return time.Duration(rng.Float64() * float64(c.jitter*time.Millisecond)) })
		play(t, p, packets, func(now time.Time, _ []int16, _ Kind) {
			if now.Sub(start) < 3*time.Second {
				lost = p.Stats().Late
			}
		})
		s := p.Stats()
		t.Logf("jitter up to %d ms: target %v, late %d of 350 after 3 s, underflows %d", c.jitter, s.Target, s.Late-lost, s.Underflows)
		if s.Target < c.least*time.Millisecond || s.Target > c.most*time.Millisecond {
			t.Errorf("jitter up to %d ms: target %v", c.jitter, s.Target)
		}
		if late := s.Late - lost; c.jitter <= 100 && late > 35 {
			t.Errorf("jitter up to %d ms: %d late after 3 s", c.jitter, late)
		}
	}
}

func TestAfterAStallTheDelayIsBackAtTheFloorWithinASecond(t *testing.T) {
	for _, stall := range []int{100, 200, 300, 400} {
		packets := steady(300, func(i int) time.Duration {
			if late := 100*20 + stall - i*20; i >= 100 && late > 0 {
				return time.Duration(late) * time.Millisecond
			}
			return 0
		})
		p := newPlayer(t, codec.L16)
		resumed := start.Add(time.Duration(2000+stall) * time.Millisecond)
		var out []int16
		play(t, p, packets, func(now time.Time, f []int16, _ Kind) {
			out = append(out, f...)
			if after := now.Sub(resumed); after > time.Second && after < 1500*time.Millisecond {
				if d := p.Delay(now); d > 75*time.Millisecond {
					t.Fatalf("stall of %d ms: %v after it the delay is %v", stall, after, d)
				}
			}
		})
		s := p.Stats()
		order, _ := heard(out)
		t.Logf("stall of %d ms: %d of 300 packets heard, %v taken out, skipped %d", stall, len(order), s.Shortened, s.Skipped)
		if s.Skipped > 0 || s.Lost > 0 {
			t.Errorf("stall of %d ms: %+v", stall, s)
		}
	}
}

func TestALagBeyondTheBoundIsSkipped(t *testing.T) {
	packets := steady(300, func(i int) time.Duration {
		if late := 100*20 + 900 - i*20; i >= 100 && late > 0 {
			return time.Duration(late) * time.Millisecond
		}
		return 0
	})
	p := newPlayer(t, codec.L16)
	resumed := start.Add(2900 * time.Millisecond)
	play(t, p, packets, func(now time.Time, _ []int16, _ Kind) {
		if after := now.Sub(resumed); after > 1100*time.Millisecond && after < 1500*time.Millisecond && p.Delay(now) > 80*time.Millisecond {
			t.Fatalf("delay %v", p.Delay(now))
		}
	})
	if p.Stats().Skipped == 0 {
		t.Error("nothing was skipped")
	}
}

func TestASilenceOfTheTalkerIsNoLoss(t *testing.T) {
	packets := steady(200, none)
	gap := func(i int) int { return i / 50 * 3000 } // ms of silence before every 50th packet
	for i := range packets {
		packets[i].stamp += uint32(gap(i) * 16)
		packets[i].at = packets[i].at.Add(time.Duration(gap(i)) * time.Millisecond)
	}
	p := newPlayer(t, codec.L16)
	var out []int16
	play(t, p, packets, func(_ time.Time, f []int16, _ Kind) { out = append(out, f...) })
	order, count := heard(out)
	s := p.Stats()
	if s.Lost != 0 || s.Resyncs != 0 || len(order) != 200 {
		t.Errorf("%d packets heard, %+v", len(order), s)
	}
	for n, c := range count {
		if c < 320 {
			t.Errorf("packet %d heard for %d samples of 320", n, c)
		}
	}
}

func TestLossesAreCountedAndHidden(t *testing.T) {
	packets := steady(300, none)
	kept := packets[:0:0]
	for i, q := range packets {
		if i%10 != 9 {
			kept = append(kept, q)
		}
	}
	p := newPlayer(t, codec.L16)
	silent := 0
	play(t, p, kept, func(now time.Time, _ []int16, kind Kind) {
		if since := now.Sub(start); since > 100*time.Millisecond && since < 5900*time.Millisecond && kind == Silent {
			silent++
		}
	})
	// The last loss is at the very end, where nothing follows.
	if s := p.Stats(); s.Lost != 29 || silent != 0 {
		t.Errorf("%d silent frames, %+v", silent, s)
	}
}

func TestATimestampThatJumpsCostsAtMostAJoint(t *testing.T) {
	for _, how := range []string{"forward", "backward", "restart", "stand still"} {
		packets := steady(200, none)
		for i := 100; i < 200; i++ {
			switch how {
			case "forward":
				packets[i].stamp += 500_000_000
			case "backward":
				packets[i].stamp -= 1_000_000
			case "restart":
				packets[i].stamp += 77_777_777
				packets[i].seq += 20000
			case "stand still": // the clock stopped during a silence of 5 s
				packets[i].at = packets[i].at.Add(5 * time.Second)
			}
		}
		p := newPlayer(t, codec.L16)
		var out []int16
		play(t, p, packets, func(_ time.Time, f []int16, _ Kind) { out = append(out, f...) })
		order, count := heard(out)
		short := 0
		for _, c := range count {
			if c < 320 {
				short++
			}
		}
		if s := p.Stats(); len(order) != 200 || s.Resyncs != 1 || short > 1 {
			t.Errorf("%s: %d packets heard, %d not whole, %+v", how, len(order), short, s)
		}
	}
}

func TestATalkersClockMayBeFastOrSlow(t *testing.T) {
	for _, ppm := range []int{-500, 500} {
		packets := steady(6000, func(i int) time.Duration { return time.Duration(i * 20 * ppm) })
		p := newPlayer(t, codec.L16)
		silent, worst := 0, time.Duration(0)
		play(t, p, packets, func(now time.Time, _ []int16, kind Kind) {
			if since := now.Sub(start); since > time.Second && since < 119*time.Second {
				worst = max(worst, p.Delay(now))
				if kind == Silent {
					silent++
				}
			}
		})
		s := p.Stats()
		t.Logf("%d ppm for 2 min: delay at most %v, taken out %v, underflows %d", ppm, worst, s.Shortened, s.Underflows)
		if silent > 0 || worst > 90*time.Millisecond || s.Late+s.Lost+s.Skipped+s.Overflow+s.Resyncs > 0 {
			t.Errorf("%d ppm: %d silent frames, delay up to %v, %+v", ppm, silent, worst, s)
		}
	}
}

func TestDrainPlaysWhatWaits(t *testing.T) {
	p := newPlayer(t, codec.L16)
	for _, q := range steady(10, none) {
		p.Put(q.seq, q.stamp, q.payload, start.Add(time.Duration(q.seq-firstSeq)*20*time.Millisecond))
	}
	p.Drain()
	var out []int16
	var frame [codec.FrameSamples]int16
	now := start.Add(200 * time.Millisecond)
	for n := 0; !p.Done(); n++ {
		if n > 50 {
			t.Fatal("does not end")
		}
		p.Frame(now, &frame)
		out = append(out, frame[:]...)
		now = now.Add(20 * time.Millisecond)
	}
	if order, _ := heard(out); len(order) != 10 {
		t.Errorf("%d of 10 packets heard", len(order))
	}
}

// TestWhateverAPeerSends: no panic, every packet accounted for, time and memory bounded, and play goes on afterwards.
func TestWhateverAPeerSends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]codec.ID{codec.PCMU, codec.G722, codec.L16, codec.Opus}).Draw(t, "codec")
		p, err := New(id, Config{})
		if err != nil {
			t.Fatal(err)
		}
		now := start
		var frame [codec.FrameSamples]int16
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			for range rapid.IntRange(0, 4).Draw(t, "packets") {
				p.Put(rapid.Uint16().Draw(t, "seq"), rapid.Uint32().Draw(t, "stamp"), rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "payload"),
					now.Add(-time.Duration(rapid.IntRange(-100, 100).Draw(t, "skew"))*time.Millisecond))
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "ms")) * time.Millisecond)
			p.Frame(now, &frame)
			if len(p.fifo) > 3*codec.MaxPacketSamples {
				t.Fatalf("%d samples waiting", len(p.fifo))
			}
			if d := p.target(); d > samples(120*time.Millisecond) {
				t.Fatalf("target %d", d)
			}
		}
	})
}

// TestEveryPacketIsPlayedOrCounted over any path with bounded delay, loss, reordering and duplication.
func TestEveryPacketIsPlayedOrCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		jitter := rapid.IntRange(0, 150).Draw(t, "jitter ms")
		loss := rapid.IntRange(0, 30).Draw(t, "loss %")
		double := rapid.IntRange(0, 20).Draw(t, "double %")
		rng := rand.New(rand.NewPCG(seed, 9))
		var packets []sent
		unique := 0
		for _, q := range steady(250, func(int) time.Duration { return time.Duration(rng.IntN(jitter+1)) * time.Millisecond }) {
			if rng.IntN(100) < loss {
				continue
			}
			unique++
			packets = append(packets, q)
			if rng.IntN(100) < double {
				q.at = q.at.Add(time.Duration(rng.IntN(50)) * time.Millisecond)
				packets = append(packets, q)
			}
		}
		p, err := New(codec.L16, Config{})
		if err != nil {
			t.Fatal(err)
		}
		var out []int16
		play(t, p, packets, func(_ time.Time, f []int16, _ Kind) { out = append(out, f...) })
		order, _ := heard(out)
		s := p.Stats()
		if int(s.Received) != len(packets) || int(s.Duplicate) != len(packets)-unique {
			t.Fatalf("%d sent, %d of them twice: %+v", len(packets), len(packets)-unique, s)
		}
		// A cross-fade can hide a whole packet's number, never more than shortening took out.
		gone := unique - len(order) - int(s.Late+s.Skipped+s.Overflow)
		if allowed := int(s.Shortened/(5*time.Millisecond)) + int(s.Underflows); gone > allowed {
			t.Fatalf("%d packets neither played nor counted: %+v", gone, s)
		}
		if !sort.IntsAreSorted(order) {
			t.Fatalf("out of order: %v", order)
		}
	})
}

func TestAllocatesNothingOnceGrown(t *testing.T) {
	p := newPlayer(t, codec.PCMA)
	payload := make([]byte, 160)
	var frame [codec.FrameSamples]int16
	now, n := start, 0
	cycle := func() {
		p.Put(uint16(n), uint32(n*160), payload, now)
		n++
		now = now.Add(20 * time.Millisecond)
		p.Frame(now, &frame)
	}
	for range 200 {
		cycle()
	}
	if a := testing.AllocsPerRun(500, cycle); a != 0 {
		t.Errorf("%v allocations a packet", a)
	}
}

func FuzzPlayer(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	f.Add(fmt.Append(nil, "some longer stream of bytes that makes several packets of a few bytes each"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := New(codec.PCMU, Config{})
		if err != nil {
			t.Fatal(err)
		}
		now := start
		var frame [codec.FrameSamples]int16
		for len(data) >= 8 {
			n := min(int(data[7]), len(data)-8)
			p.Put(binary.BigEndian.Uint16(data), binary.BigEndian.Uint32(data[2:]), data[8:8+n], now)
			now = now.Add(time.Duration(data[6]) * time.Millisecond)
			p.Frame(now, &frame)
			data = data[8+n:]
		}
	})
}

func BenchmarkPutAndFrame(b *testing.B) {
	for _, id := range []codec.ID{codec.PCMA, codec.L16} {
		b.Run(id.String(), func(b *testing.B) {
			p := newPlayer(b, id)
			payload := make([]byte, 160)
			if id == codec.L16 {
				payload = make([]byte, 640)
			}
			var frame [codec.FrameSamples]int16
			now, n := start, 0
			b.ReportAllocs()
			for b.Loop() {
				p.Put(uint16(n), id.Ticks(20*time.Millisecond)*uint32(n), payload, now)
				n++
				now = now.Add(20 * time.Millisecond)
				p.Frame(now, &frame)
			}
		})
	}
}
