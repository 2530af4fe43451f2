package floor

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// office is a floor with participants behind links that are slow and lose messages. Each direction of a link keeps its order.
type office struct {
	t       *rapid.T
	m       *Machine
	now     time.Time
	loss    int // of 100
	clients []*Client
	mic     []bool
	up      [][]letter[Input]
	down    [][]letter[Output]
	delay   []time.Duration
	bursts  int
}

type letter[T any] struct {
	at  time.Time
	msg T
}

func newOffice(t *rapid.T, loss int) *office {
	cfg := DefaultConfig()
	cfg.QueueDepth = rapid.IntRange(0, 2).Draw(t, "depth")
	n := rapid.IntRange(2, 4).Draw(t, "clients")
	o := &office{t: t, m: New(cfg, 1), now: epochStart, loss: loss, mic: make([]bool, n), up: make([][]letter[Input], n), down: make([][]letter[Output], n)}
	for i := range n {
		o.clients = append(o.clients, NewClient(DefaultClientConfig()))
		o.delay = append(o.delay, time.Duration(rapid.IntRange(0, 15).Draw(t, "delay"))*20*time.Millisecond)
		o.carry(o.m.Handle(o.now, Input{Kind: Join, Who: Participant{ID: seatID(i), MayTalk: true, Dispatcher: i == 0}}))
		o.obey(i, o.clients[i].Handle(o.now, Begin, Wish{}))
	}
	return o
}

func (o *office) lost() bool {
	return o.loss > 0 && rapid.IntRange(1, 100).Draw(o.t, "loss") <= o.loss
}

func (o *office) carry(out []Output) {
	for _, x := range out {
		if x.To.IsZero() || x.Type == MediaDiscard || x.Type == MediaTail {
			continue
		}
		if i := int(x.To[1]); !o.lost() {
			o.down[i] = append(o.down[i], letter[Output]{o.now.Add(o.delay[i]), x})
		}
	}
}

func (o *office) obey(i int, orders []Order) {
	for _, x := range orders {
		in := Input{Seat: seatID(i), Burst: x.Wish.Burst, Precedence: x.Wish.Precedence, Emergency: x.Wish.Emergency}
		switch x.Type {
		case MicOn, MicOff:
			o.mic[i] = x.Type == MicOn
			continue
		case SendRequest:
			in.Kind = Request
			if x.Wish.BreakIn {
				in.Kind = BreakIn
			}
			if x.Wish.Emergency {
				in.Kind = EmergencyRaise
			}
		case SendRelease:
			in.Kind = Release
		case SendPosition:
			in.Kind = QueuePosition
		default:
			continue
		}
		if !o.lost() {
			o.up[i] = append(o.up[i], letter[Input]{o.now.Add(o.delay[i]), in})
		}
	}
}

// step is 20 ms of office life.
func (o *office) step() {
	o.now = o.now.Add(20 * time.Millisecond)
	o.carry(o.m.Tick(o.now))
	for i, c := range o.clients {
		o.obey(i, slices.Clone(c.Tick(o.now)))
		if o.mic[i] {
			o.up[i] = append(o.up[i], letter[Input]{o.now.Add(o.delay[i]), Input{Kind: Media, Seat: seatID(i)}})
		}
		for len(o.up[i]) > 0 && !o.up[i][0].at.After(o.now) {
			in := o.up[i][0].msg
			o.up[i] = o.up[i][1:]
			o.carry(o.m.Handle(o.now, in))
		}
		for len(o.down[i]) > 0 && !o.down[i][0].at.After(o.now) {
			msg := o.down[i][0].msg
			o.down[i] = o.down[i][1:]
			o.obey(i, slices.Clone(c.Receive(o.now, msg)))
		}
		if o.mic[i] != c.MayTalk() {
			o.t.Fatalf("client %d: microphone %v in %v", i, o.mic[i], c.State())
		}
	}
}

func (o *office) life(steps int) {
	for range steps {
		if rapid.IntRange(0, 9).Draw(o.t, "act") == 0 {
			i := rapid.IntRange(0, len(o.clients)-1).Draw(o.t, "who")
			k := rapid.SampledFrom([]ClientKind{Press, Press, LetGo, LetGo, Ask}).Draw(o.t, "what")
			o.bursts++
			w := Wish{Burst: [16]byte{1, byte(o.bursts >> 8), byte(o.bursts)}, Precedence: 4, Emergency: rapid.IntRange(0, 9).Draw(o.t, "emergency") == 9, BreakIn: i == 0 && rapid.Bool().Draw(o.t, "break in")}
			if !w.Emergency && rapid.IntRange(0, 4).Draw(o.t, "flash") == 4 {
				w.Precedence = 1
			}
			o.obey(i, slices.Clone(o.clients[i].Handle(o.now, k, w)))
		}
		o.step()
	}
}

// agree proves that everybody comes to rest with one view: who has the floor sends, and nobody else does.
func (o *office) agree() {
	for range 500 { // 10 s: every answer arrives, every repetition is over
		o.step()
	}
	for i, c := range o.clients {
		if c.MayTalk() != o.m.Forwards(seatID(i)) {
			o.t.Fatalf("client %d is %v, the floor says %v", i, c.State(), o.m.Seat(o.now, seatID(i)))
		}
		if queued := slices.ContainsFunc(o.m.queue, func(e entry) bool { return e.Seat == seatID(i) }); queued != (c.State() == ClientQueued) {
			o.t.Fatalf("client %d is %v, queued at the floor: %v", i, c.State(), queued)
		}
	}
}

// quiet lets everybody go and proves that the floor becomes free.
func (o *office) quiet() {
	for i, c := range o.clients {
		o.obey(i, slices.Clone(c.Handle(o.now, LetGo, Wish{})))
	}
	for range 1500 { // 30 s: every counter and timer has run out
		o.step()
	}
	if o.m.State() != Idle {
		o.t.Fatalf("everyone has let go, the floor is %v", o.m.State())
	}
	for i, c := range o.clients {
		if c.State() != HasNoPermission {
			o.t.Fatalf("everyone has let go, client %d is %v", i, c.State())
		}
	}
}

func TestClientsAndFloorAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOffice(t, 0)
		for range 3 {
			o.life(40)
			o.agree()
		}
		o.quiet()
	})
}

func TestNothingHangsOnALossyLink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOffice(t, 20)
		o.life(120)
		o.quiet()
	})
}

func BenchmarkPressAndRelease(b *testing.B) {
	m, now := benchFloor(200)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		m.Handle(now, Input{Kind: Request, Seat: seatID(7), Burst: bid(1), Precedence: 4})
		m.Handle(now, Input{Kind: Release, Seat: seatID(7), Burst: bid(1)})
	}
}

func BenchmarkMediaOfTalker(b *testing.B) {
	m, now := benchFloor(200)
	m.Handle(now, Input{Kind: Request, Seat: seatID(7), Burst: bid(1), Precedence: 4})
	m.cfg.TalkLimit = 0
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(20 * time.Millisecond)
		m.Handle(now, Input{Kind: Media, Seat: seatID(7)})
	}
}

func benchFloor(seats int) (*Machine, time.Time) {
	m := New(DefaultConfig(), 1)
	for i := range seats {
		m.Handle(epochStart, Input{Kind: Join, Who: Participant{ID: seatID(i), MayTalk: true}})
	}
	return m, epochStart
}
