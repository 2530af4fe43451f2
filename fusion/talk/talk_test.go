package talk_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// leg is a participant that remembers what it heard and was told.
type leg struct {
	unit fusion.Number
	mu   sync.Mutex
	told []talk.Indication
	got  map[fusion.ID]int // packets by burst
	on   map[int]fusion.ID
	next int

	packets map[string]int // by the content, where that is wanted
}

// take gives the packets that were heard since the last time.
func (l *leg) take() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.packets
	l.packets = make(map[string]int)
	return p
}

func newLeg(unit fusion.Number) *leg {
	return &leg{unit: unit, got: make(map[fusion.ID]int), on: make(map[int]fusion.ID)}
}

func (l *leg) Unit() fusion.Number  { return l.unit }
func (l *leg) Format() codec.Params { return codec.Params{ID: codec.Opus} }
func (l *leg) SingleStream() bool   { return false }
func (l *leg) Outlet() voice.Outlet { return outlet{} }

func (l *leg) Indicate(i talk.Indication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, i)
}

func (l *leg) Begin(info voice.Info) (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.on[l.next] = info.Burst
	return l.next, true
}

func (l *leg) End(_ voice.Info, handle int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.on, handle)
}

func (l *leg) heard(b fusion.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got[b]
}

func (l *leg) kinds() (list []talk.Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.told {
		list = append(list, i.Kind)
	}
	return list
}

func (l *leg) last() talk.Indication {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told) == 0 {
		return talk.Indication{}
	}
	return l.told[len(l.told)-1]
}

type outlet struct{}

func (outlet) Deliver(p *voice.Packet, to []voice.Target) {
	for _, t := range to {
		l := t.Sink.(*leg)
		l.mu.Lock()
		l.got[l.on[t.Handle]]++
		if l.packets != nil {
			l.packets[fmt.Sprintf("%d %d %d", p.Payload[1], p.Payload[2], p.Payload[3])]++
		}
		l.mu.Unlock()
	}
}

// recorder remembers the bursts.
type recorder struct {
	mu    sync.Mutex
	begun []talk.BurstInfo
	ended map[fusion.ID]string
	count map[fusion.ID]int
}

func (r *recorder) Begin(b talk.BurstInfo) talk.Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = append(r.begun, b)
	return &recording{r, b.Burst, b.Origin != ""}
}

func (r *recorder) end(b fusion.ID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended[b]
}

func (r *recorder) started() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.begun)
}

func (r *recorder) packets(b fusion.ID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count[b]
}

func (l *leg) streams() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.got)
}

type recording struct {
	r  *recorder
	id fusion.ID

	copy bool // of another node's burst, which may come in pieces
}

func (c *recording) Packet(*voice.Packet) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.count[c.id]++
}

func (c *recording) End(cause string, _ time.Time) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.ended[c.id] != "" && !c.copy {
		panic("a recording ended twice")
	}
	c.r.ended[c.id] = cause
}

type bench struct {
	x   *talk.Exchange
	rec *recorder
	sw  *voice.Switch
	ids atomic.Uint32

	limit atomic.Int64 // talk limit of the groups
}

func newBench(t *testing.T) *bench {
	b := &bench{rec: &recorder{ended: make(map[fusion.ID]string), count: make(map[fusion.ID]int)}}
	b.sw = voice.New(voice.Config{}, voice.Deps{})
	b.x = talk.New(b.deps())
	t.Cleanup(b.sw.Close)
	return b
}

func (b *bench) deps() talk.Deps {
	return talk.Deps{
		Switch: b.sw, Recorder: b.rec, NewID: b.id, Epoch: 1, Log: slog.New(slog.DiscardHandler),
		Groups: func(n fusion.Number) (talk.GroupConfig, bool) {
			prec := fusion.Routine
			if n == urgent {
				prec = fusion.Flash
			}
			return talk.GroupConfig{Name: n.String(), Prec: prec, Broadcast: n == broadcast, TalkLimit: time.Duration(b.limit.Load())}, n.Local() < 100
		},
		Exercise: func() string { return "" }, Note: func(talk.FloorEvent) {},
	}
}

func (b *bench) id() fusion.ID {
	n := b.ids.Add(1)
	return fusion.ID{0: 1, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}
}

func (b *bench) join(t *testing.T, group fusion.Number, l *leg, opt talk.JoinOptions) talk.Seat {
	t.Helper()
	opt.Name, opt.Via, opt.MayTalk = l.unit.String(), "console", true
	s, err := b.x.Join(context.Background(), fusion.GroupTalk(group), l, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// speak pushes n Opus packets, 20 ms apart.
func speak(s talk.Seat, n int) {
	for i := range n {
		s.Push(&voice.Packet{Codec: codec.Opus, Seq: uint16(i), Time: uint32(i * 960), Payload: []byte{0x48, 1, 2, 3}, Arrived: time.Now()})
		time.Sleep(20 * time.Millisecond)
	}
}

const (
	groupA fusion.Number = 10001
	groupB fusion.Number = 10002

	broadcast fusion.Number = 10050
	urgent    fusion.Number = 10060 // whose ordinary precedence is flash
)

func TestOneTalksAndTheOthersHearEveryPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob, carol := newLeg(10101), newLeg(10102), newLeg(10103)
		sa, sb, sc := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupA, bob, talk.JoinOptions{}), b.join(t, groupB, carol, talk.JoinOptions{})
		burst := b.id()
		sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
		if got := alice.last(); got.Kind != talk.Granted || got.Hearing != 1 || got.Request != burst {
			t.Fatalf("alice was told %+v", got)
		}
		if got := bob.last(); got.Kind != talk.Taken || got.Talker != 10101 || got.Name != "10101" {
			t.Fatalf("bob was told %+v", got)
		}
		speak(sa, 50)
		sa.Release()
		speak(sa, 3) // the tail
		time.Sleep(time.Second)
		if n := bob.heard(burst); n != 53 {
			t.Errorf("bob heard %d packets of 53", n)
		}
		if alice.heard(burst) != 0 || carol.heard(burst) != 0 {
			t.Error("the talker or another group heard the burst")
		}
		if b.rec.end(burst) != "released" || b.rec.packets(burst) != 53 {
			t.Errorf("recorded %d packets, ended %q", b.rec.packets(burst), b.rec.end(burst))
		}
		for _, s := range []talk.Seat{sa, sb, sc} {
			s.Leave()
			s.Leave()
		}
	})
}

func TestPacketsOfOneWithoutTheFloorAreNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob := newLeg(10101), newLeg(10102)
		sa, sb := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupA, bob, talk.JoinOptions{})
		burst := b.id()
		sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
		speak(sb, 20)
		if !slices.Contains(bob.kinds(), talk.Revoked) {
			t.Errorf("bob was told %v", bob.kinds())
		}
		if alice.streams() != 0 || b.rec.started() != 1 {
			t.Error("speech without the floor went out")
		}
		sa.Leave()
		sb.Leave()
	})
}

func TestAPatchIsHeardByEverybodyOnceAndPartsInOneAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob, both := newLeg(10101), newLeg(10102), newLeg(10103)
		device := b.id()
		sa, sb := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupB, bob, talk.JoinOptions{})
		s1, s2 := b.join(t, groupA, both, talk.JoinOptions{Terminal: device}), b.join(t, groupB, both, talk.JoinOptions{Terminal: device})
		first := b.id()
		sa.Request(talk.Request{ID: first, Precedence: fusion.Routine})
		speak(sa, 10)
		patch := b.id()
		if err := b.x.Patch(patch, []fusion.Number{groupB, groupA}); err != nil {
			t.Fatal(err)
		}
		if err := b.x.Patch(patch, []fusion.Number{groupB, groupA}); err != nil {
			t.Fatalf("the same again: %v", err)
		}
		if err := b.x.Patch(b.id(), []fusion.Number{groupB, 10003}); fusion.FaultOf(err) != fusion.Conflict {
			t.Fatalf("a group in two patches: %v", err)
		}
		speak(sa, 10)
		if n, m := bob.heard(first), both.heard(first); n < 9 || m != 20 {
			t.Errorf("bob heard %d of the 10 packets after patching, both %d of 20", n, m)
		}
		if err := b.x.Part(patch); err != nil {
			t.Fatal(err)
		}
		was := bob.heard(first)
		speak(sa, 10)
		if bob.heard(first) != was || both.heard(first) != 30 {
			t.Errorf("after parting bob heard %d more, both %d of 30", bob.heard(first)-was, both.heard(first))
		}
		sa.Release()
		for _, s := range []talk.Seat{sa, sb, s1, s2} {
			s.Leave()
		}
		time.Sleep(time.Second)
		if b.rec.end(first) != "released" {
			t.Errorf("the burst ended %q", b.rec.end(first))
		}
	})
}

func TestWhenTwoTalkersArePatchedTheLessUrgentOneIsKeptButRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob := newLeg(10101), newLeg(10102)
		sa, sb := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupB, bob, talk.JoinOptions{})
		low, high := b.id(), b.id()
		sa.Request(talk.Request{ID: low, Precedence: fusion.Routine})
		sb.Request(talk.Request{ID: high, Precedence: fusion.Flash})
		speak(sa, 5)
		speak(sb, 5)
		if err := b.x.Patch(b.id(), []fusion.Number{groupA, groupB}); err != nil {
			t.Fatal(err)
		}
		speak(sb, 5)
		if b.rec.end(low) != "superseded" || alice.heard(high) < 4 || !slices.Contains(alice.kinds(), talk.Revoked) {
			t.Errorf("low ended %q; alice heard %d and was told %v", b.rec.end(low), alice.heard(high), alice.kinds())
		}
		sa.Leave()
		sb.Leave()
	})
}

func TestOnePressInSeveralGroupsIsHeardOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, both := newLeg(10101), newLeg(10103)
		device := b.id()
		a1, a2 := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupB, alice, talk.JoinOptions{})
		s1, s2 := b.join(t, groupA, both, talk.JoinOptions{Terminal: device}), b.join(t, groupB, both, talk.JoinOptions{Terminal: device})
		press, first, second := b.id(), b.id(), b.id()
		a1.Request(talk.Request{ID: first, Press: press, Precedence: fusion.Routine})
		a2.Request(talk.Request{ID: second, Press: press, Precedence: fusion.Routine})
		speak(a1, 5)
		speak(a2, 5)
		if n, m := both.heard(first), both.heard(second); n+m != 5 {
			t.Errorf("heard %d and %d packets, together 5 were to be heard", n, m)
		}
		for _, s := range []talk.Seat{a1, a2, s1, s2} {
			s.Leave()
		}
	})
}

func TestAFullDuplexCallIsHeardBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		call := b.x.OpenCall(b.id(), false)
		alice, bob, spy := newLeg(10101), newLeg(0), newLeg(10104)
		opt := talk.JoinOptions{Name: "x", MayTalk: true}
		sa, _ := b.x.Join(t.Context(), call, alice, opt)
		sb, _ := b.x.Join(t.Context(), call, bob, opt)
		ss, err := b.x.Join(t.Context(), call, spy, talk.JoinOptions{Name: "spy", Monitor: true})
		if err != nil {
			t.Fatal(err)
		}
		speak(sa, 5)
		speak(sb, 5)
		speak(ss, 5)
		if alice.streams() != 1 || bob.streams() != 1 || spy.streams() != 2 {
			t.Errorf("alice hears %d streams, bob %d, the monitor %d", alice.streams(), bob.streams(), spy.streams())
		}
		sa.Hold(true)
		was := alice.streams()
		speak(sb, 5)
		if alice.streams() != was {
			t.Error("heard while on hold")
		}
		b.x.CloseCall(call, "normal")
		if alice.last().Kind != talk.Ended || bob.last().Kind != talk.Ended {
			t.Error("the end was not told")
		}
		if _, ok := b.x.State(call); ok {
			t.Error("the call is still there")
		}
		b.rec.mu.Lock()
		defer b.rec.mu.Unlock()
		if len(b.rec.ended) != 2 {
			t.Errorf("%d recordings of 2", len(b.rec.ended))
		}
	})
}

func TestARevokedUnitIsOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob := newLeg(10101), newLeg(10102)
		sa, sb := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupA, bob, talk.JoinOptions{})
		burst := b.id()
		sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
		speak(sa, 5)
		b.x.Revoke(10101, fusion.Talk{}, "revoked")
		speak(sa, 5)
		if n := bob.heard(burst); n != 5 {
			t.Errorf("bob heard %d packets, 5 were allowed", n)
		}
		time.Sleep(time.Second)
		if alice.last().Kind != talk.Ended || b.rec.end(burst) != "left" {
			t.Errorf("alice was told %+v, the burst ended %q", alice.last(), b.rec.end(burst))
		}
		sb.Leave()
	})
}

func TestPushAllocatesNothing(t *testing.T) {
	b := newBench(t)
	alice, bob := newLeg(10101), newLeg(10102)
	sa, sb := b.join(t, groupA, alice, talk.JoinOptions{}), b.join(t, groupA, bob, talk.JoinOptions{})
	sa.Request(talk.Request{ID: b.id(), Precedence: fusion.Routine})
	p := &voice.Packet{Codec: codec.Opus, Payload: []byte{0x48, 1, 2, 3}, Arrived: time.Now()}
	sa.Push(p)
	if n := testing.AllocsPerRun(200, func() { p.Seq++; p.Time += 960; sa.Push(p) }); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
	sa.Leave()
	sb.Leave()
}
