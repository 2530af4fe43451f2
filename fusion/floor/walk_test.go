package floor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"pgregory.net/rapid"
)

// walker drives a floor through random inputs and checks after each one what must always hold.
type walker struct {
	t    *rapid.T
	mood int
	m    *Machine
	now  time.Time

	joined map[fusion.ID]bool
	open   map[fusion.ID]bool // streams
	bursts *uint16
	step   string
	seen   map[seenRow]int
}

type seenRow struct {
	from State
	on   Kind
	row  *serverRow
}

func seatID(n int) fusion.ID { return fusion.ID{0: 's', 1: byte(n)} }

var epochStart = time.Date(2026, 5, 12, 14, 28, 0, 0, time.UTC)

func newWalker(t *rapid.T, seen map[seenRow]int) *walker {
	w := &walker{t: t, now: epochStart, mood: rapid.IntRange(0, len(moods)-1).Draw(t, "mood"), joined: map[fusion.ID]bool{}, open: map[fusion.ID]bool{}, seen: seen, bursts: new(uint16)}
	cfg := drawConfig(t, 1)
	if w.mood == len(moods)-1 {
		cfg.Kind = Private
	}
	if rapid.IntRange(0, 3).Draw(t, "resume") == 0 {
		w.m = Resume(cfg, 1, w.now)
	} else {
		w.m = New(cfg, 1)
	}
	w.watch(w.m)
	return w
}

func drawConfig(t *rapid.T, group fusion.Number) Config {
	cfg := DefaultConfig()
	cfg.Group = group
	cfg.Kind = rapid.SampledFrom([]FloorKind{Group, Group, Group, Broadcast, Private, Private, Temporary}).Draw(t, "kind")
	cfg.QueueDepth = rapid.SampledFrom([]int{0, 1, 2, 16}).Draw(t, "depth")
	cfg.PreemptBy = rapid.SampledFrom([]Level{ByGroup, ByUser, ByPrecedence, ByBreakIn, ByEmergency}).Draw(t, "by")
	cfg.DenyAlone = rapid.Bool().Draw(t, "alone")
	cfg.RevokeGrace = rapid.SampledFrom([]time.Duration{6 * time.Second, 500 * time.Millisecond, 0}).Draw(t, "grace")
	cfg.Inactivity = rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "t4")
	cfg.TalkLimit = rapid.SampledFrom([]time.Duration{0, 3 * time.Second, time.Minute}).Draw(t, "t2")
	cfg.TalkWarning = rapid.SampledFrom([]time.Duration{0, 2 * time.Second, time.Hour}).Draw(t, "warn")
	cfg.RetryAfter = rapid.SampledFrom([]time.Duration{2 * time.Second, time.Minute, 0}).Draw(t, "t9")
	cfg.Tail = rapid.SampledFrom([]time.Duration{300 * time.Millisecond, 5 * time.Second, 0}).Draw(t, "tail")
	cfg.QueueTimeout = rapid.SampledFrom([]time.Duration{0, 5 * time.Second, time.Minute, 100 * time.Millisecond}).Draw(t, "queue timeout")
	return cfg
}

// moods are what walks are about; one hurries through what the others seldom meet.
var moods = [][]Kind{
	{Join, Join, Join, Leave, Request, Request, Request, Request, Release, Release, Media, Media, Media, BreakIn, ForceClear,
		EmergencyRaise, EmergencyRaise, EmergencyClear, Revoke, QueuePosition, Carry, Close},
	{Join, Join, Request, Request, Media, BreakIn, ForceClear, QueuePosition},
	{Join, Join, EmergencyRaise, EmergencyRaise, EmergencyRaise, EmergencyRaise, Media, Request, EmergencyClear},
	{Join, Join, Request, BreakIn, BreakIn, Release, Media, Leave},
	{Join, Join, Join, Leave, QueuePosition},
	{Join, Join, Join, Request, Request, BreakIn, BreakIn, Leave, Media},
}

// watch checks each row that is taken against what it declares.
func (w *walker) watch(m *Machine) {
	m.trace = func(m *Machine, from State, on Kind, r *serverRow, said []Output) {
		if !r.is(from, on) || r.never {
			w.t.Fatalf("%s: %v × %v took a row that is not for it", w.step, from, on)
		}
		if r.stays && m.state != from || !r.stays && m.state != r.to {
			w.t.Fatalf("%s: %v × %v ended in %v", w.step, from, on, m.state)
		}
		for _, o := range said {
			if !may(r, o.Type) {
				w.t.Fatalf("%s: %v × %v said %v, which the row does not declare", w.step, from, on, o.Type)
			}
		}
		if w.seen != nil {
			w.seen[seenRow{from, on, r}]++
		}
	}
}

func may(r *serverRow, t Type) bool {
	for _, a := range r.do {
		if slices.Contains(a.says, t) {
			return true
		}
	}
	return false
}

func (w *walker) id() fusion.ID {
	*w.bursts++
	return fusion.ID{0: 'b', 1: byte(*w.bursts >> 8), 2: byte(*w.bursts)}
}

func (w *walker) drawWho(seat int, group fusion.Number) Participant {
	t := w.t
	p := Participant{
		ID: seatID(seat), Group: group,
		Unit:     fusion.Number(rapid.SampledFrom([]int{0, 10001, 10002, 10003, 20001}).Draw(t, "unit")),
		Priority: uint8(rapid.IntRange(0, 2).Draw(t, "priority")), GroupPriority: uint8(rapid.IntRange(0, 2).Draw(t, "group priority")),
		MayTalk: rapid.IntRange(0, 5).Draw(t, "may talk") > 0, MayEmergency: rapid.Bool().Draw(t, "may emergency"),
		ReceiveOnly: rapid.IntRange(0, 9).Draw(t, "receive only") == 0, Dispatcher: rapid.IntRange(0, 2).Draw(t, "dispatcher") == 0,
		Monitor: rapid.IntRange(0, 9).Draw(t, "monitor") == 0,
	}
	if rapid.IntRange(0, 3).Draw(t, "terminal") == 0 {
		p.Terminal = fusion.ID{0: 't', 1: byte(p.Unit % 7)}
	}
	return p
}

func (w *walker) drawInput() Input {
	t := w.t
	seats := 5
	if w.mood > 3 {
		seats = 2
	}
	seat := rapid.IntRange(1, seats).Draw(t, "seat")
	kind := rapid.SampledFrom(moods[w.mood]).Draw(t, "kind")
	if w.m.state == PendingRevoke && rapid.Bool().Draw(t, "ask") {
		kind = rapid.SampledFrom([]Kind{Request, BreakIn, EmergencyRaise, Media, Leave, Revoke, Carry, EmergencyClear, Close}).Draw(t, "kind of ask")
	}
	if kind == Close && rapid.IntRange(0, 9).Draw(t, "really") > 0 {
		kind = Request
	}
	in := Input{Kind: kind, Seat: seatID(seat)}
	switch kind {
	case Join:
		in.Seat, in.Who = fusion.ID{}, w.drawWho(seat, 1)
	case Request, BreakIn, EmergencyRaise, Carry:
		in.Precedence = fusion.Precedence(rapid.IntRange(0, 5).Draw(t, "precedence"))
		in.Emergency = rapid.IntRange(0, 5).Draw(t, "emergency") == 0
		in.Burst = w.id()
		switch rapid.IntRange(0, 9).Draw(t, "burst") {
		case 0:
			in.Burst = fusion.ID{}
		case 1:
			in.Burst = w.m.hold.Burst
		case 2:
			if len(w.m.queue) > 0 {
				in.Burst = w.m.queue[0].Burst
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "resumes") == 0 {
			in.Resume = w.m.hold.Burst
		}
		if kind == Carry {
			in.Since = w.now.Add(-time.Second)
		}
	case EmergencyClear:
		if rapid.Bool().Draw(t, "all") {
			in.Seat = fusion.ID{}
		} else if h, ok := w.m.Holder(); ok && rapid.Bool().Draw(t, "holder") {
			in.Seat = h.Seat
		}
	case Release, Leave, Revoke:
		if h, ok := w.m.Holder(); ok && rapid.Bool().Draw(t, "holder") {
			in.Seat = h.Seat
		}
	case Media:
		if h, ok := w.m.Holder(); ok && rapid.Bool().Draw(t, "holder") {
			in.Seat = h.Seat
		}
	}
	return in
}

func (w *walker) advance() {
	d := rapid.SampledFrom([]time.Duration{0, 0, 0, time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond, 600 * time.Millisecond, 3 * time.Second, 70 * time.Second}).Draw(w.t, "time")
	if at := w.m.Deadline(); !at.IsZero() && rapid.IntRange(0, 5).Draw(w.t, "deadline") == 0 {
		d = max(0, at.Sub(w.now))
	}
	w.now = w.now.Add(d)
	before := w.m.Queue()
	w.step = fmt.Sprintf("tick after %v", d)
	w.check(Input{Kind: kinds}, before, w.m.Tick(w.now))
}

func (w *walker) do(in Input) []Output {
	before := w.m.Queue()
	w.step = fmt.Sprintf("%v of %x in %v", in.Kind, in.Seat[1], w.m.State())
	carried := in.Kind == Carry && w.joined[in.Seat] && w.m.state != StartStop && !in.Burst.IsZero() && in.Burst != w.m.hold.Burst
	if carried {
		w.open[in.Burst] = true
	}
	seated, strays := w.joined[in.Seat], w.m.Strays()
	out := w.m.Handle(w.now, in)
	switch {
	case in.Kind == Join && w.m.state != Releasing:
		w.joined[in.Who.ID] = true
	case in.Kind == Leave:
		delete(w.joined, in.Seat)
	}
	if !seated && w.m.Strays() == strays && in.Kind != Join && in.Kind != ForceClear && in.Kind != Close && in.Kind != EmergencyClear {
		w.t.Fatalf("%s: a stranger was heard", w.step)
	}
	w.check(in, before, out)
	if seated {
		w.answered(in, out)
	}
	return out
}

// check is what holds after every input.
func (w *walker) check(in Input, before []Waiting, out []Output) {
	t := w.t
	for _, o := range out {
		if !o.To.IsZero() && !w.joined[o.To] {
			t.Fatalf("%s: %v to %x, who is not there", w.step, o.Type, o.To[1])
		}
		switch o.Type {
		case BurstStart:
			if len(w.open) > 0 {
				t.Fatalf("%s: a second talker", w.step)
			}
			w.open[o.Burst] = true
		case BurstEnd:
			if !w.open[o.Burst] && !(in.Kind == Carry && o.Burst == in.Burst) {
				t.Fatalf("%s: end of a burst that is not open", w.step)
			}
			delete(w.open, o.Burst)
		}
	}
	w.consistent()
	for _, q := range before {
		w.fate(in, q, out)
	}
}

// consistent is what holds of the machine at rest.
func (w *walker) consistent() {
	t, m := w.t, w.m
	h, talks := m.Holder()
	if talks != (m.state == Taken || m.state == PendingRevoke) {
		t.Fatalf("%s: state %v, holder %v", w.step, m.state, talks)
	}
	if len(w.open) > 1 || len(w.open) == 1 && !w.open[h.Burst] || talks && !w.open[h.Burst] {
		t.Fatalf("%s: %d streams open, holder %v", w.step, len(w.open), talks)
	}
	if talks && !w.joined[h.Seat] {
		t.Fatalf("%s: the holder is not there", w.step)
	}
	if (m.state == StartStop || m.state == Idle || m.state == Releasing) && len(m.queue) > 0 {
		t.Fatalf("%s: somebody waits in %v", w.step, m.state)
	}
	for i, e := range m.queue {
		if e.told != i+1 {
			t.Fatalf("%s: %x was not told its position", w.step, e.Seat[1])
		}
		if e.seat == m.hold.seat || !w.joined[e.Seat] {
			t.Fatalf("%s: the talker or a stranger waits", w.step)
		}
		if i > 0 {
			p := m.queue[i-1]
			_, above := e.rank.above(p.rank)
			if _, below := p.rank.above(e.rank); above || !below && p.arrival > e.arrival {
				t.Fatalf("%s: queue out of order", w.step)
			}
		}
	}
	if at := m.Deadline(); !at.IsZero() && !at.After(m.now) {
		t.Fatalf("%s: deadline in the past", w.step)
	}
	if m.state == StartStop != (len(m.seats) == 0 && m.state != Initialising) {
		t.Fatalf("%s: %v with %d seats", w.step, m.state, len(m.seats))
	}
}

// fate proves that a queued request did not get lost.
func (w *walker) fate(in Input, q Waiting, out []Output) {
	if slices.ContainsFunc(w.m.queue, func(e entry) bool { return e.Burst == q.Burst && e.Seat == q.Seat }) {
		return
	}
	if !w.joined[q.Seat] {
		return
	}
	for _, o := range out {
		if o.Burst == q.Burst && o.To == q.Seat && (o.Type == FloorGranted || o.Type == QueueCancel) {
			return
		}
	}
	own := in.Seat == q.Seat || w.m.byID[in.Seat] == w.m.byID[q.Seat] && in.Kind != kinds
	if own && (in.Kind == Release || in.Kind == Request || in.Kind == BreakIn || in.Kind == EmergencyRaise || in.Kind == Carry) {
		return
	}
	w.t.Fatalf("%s: the queued request of %x is lost", w.step, q.Seat[1])
}

// answered proves that whoever asks is told something, and that an emergency gets through at once.
func (w *walker) answered(in Input, out []Output) {
	if in.Kind != Request && in.Kind != BreakIn && (in.Kind != EmergencyRaise || in.Burst.IsZero()) {
		return
	}
	told := slices.ContainsFunc(out, func(o Output) bool {
		return o.To == in.Seat && (o.Type == FloorGranted || o.Type == FloorDeny || o.Type == QueuePositionInfo)
	})
	if !told {
		w.t.Fatalf("%s: no answer", w.step)
	}
	s := w.m.byID[in.Seat]
	if in.Kind != EmergencyRaise || s.ReceiveOnly || s.Monitor || !s.MayTalk && !s.MayEmergency || w.m.state == Releasing {
		return
	}
	if slices.ContainsFunc(out, func(o Output) bool { return o.To == in.Seat && o.Deny == InternalError }) {
		return // another's burst ID
	}
	if h, _ := w.m.Holder(); h.Emergency {
		return
	}
	if slices.ContainsFunc(w.m.queue, func(e entry) bool { return e.rank.emergency }) {
		w.t.Fatalf("%s: an emergency waits for less", w.step)
	}
	w.t.Fatalf("%s: an emergency was not granted: holder %+v, said %+v", w.step, w.m.hold.Holding, out)
}

// regroup patches the floor with another one, and perhaps parts it again.
func (w *walker) regroup() {
	if w.m.cfg.Kind == Private || w.m.state == Releasing {
		return
	}
	t := w.t
	other := &walker{t: t, m: New(drawConfig(t, 2), 1), now: w.now, joined: w.joined, open: map[fusion.ID]bool{}, bursts: w.bursts}
	other.m.cfg.Kind = Group
	if rapid.IntRange(0, 3).Draw(t, "other resumes") == 0 {
		other.m = Resume(other.m.cfg, 1, w.now)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "other seats") {
		other.do(Input{Kind: Join, Who: other.drawWho(6+i, 2)})
	}
	for range rapid.IntRange(0, 3).Draw(t, "other asks") {
		other.do(Input{Kind: rapid.SampledFrom([]Kind{Request, BreakIn, EmergencyRaise}).Draw(t, "ask"), Seat: seatID(6 + rapid.IntRange(0, 2).Draw(t, "who")),
			Burst: other.id(), Precedence: fusion.Precedence(rapid.IntRange(0, 4).Draw(t, "precedence"))})
	}
	cfg, out := drawConfig(t, 0), []Output(nil)
	cfg.Kind = Group
	own, old := w.m.cfg, w.m
	for b := range other.open {
		w.open[b] = true
	}
	before := append(w.m.Queue(), other.m.Queue()...)
	w.step = "merge"
	w.m, out = Merge(cfg, 2, w.now, old, other.m)
	w.check(Input{Kind: kinds}, before, out)
	for _, s := range w.m.seats {
		for _, p := range w.m.seats {
			if s != p && s.takes(p.Participant) && len(p.parts) == 1 && len(s.parts) == 1 {
				t.Fatalf("a device is there twice")
			}
		}
	}
	for range rapid.IntRange(0, 20).Draw(t, "patched steps") {
		w.do(w.drawInput())
	}
	was := w.m.state
	two := cfg
	two.Group = 2
	w.step = "part"
	ms, out := w.m.Part(3, w.now, own, two)
	for _, o := range out {
		if !o.To.IsZero() && !w.joined[o.To] {
			t.Fatalf("part: %v to a stranger", o.Type)
		}
		if o.Type == BurstStart {
			w.open[o.Burst] = true
		}
		if o.Type == BurstEnd {
			delete(w.open, o.Burst)
		}
	}
	if h, ok := ms[1].Holder(); ok {
		if was == Taken && ms[0].hold.Burst == h.Burst {
			t.Fatalf("part: one burst in two groups")
		}
		delete(w.open, h.Burst)
	}
	for _, s := range ms[1].seats {
		for _, p := range s.parts {
			delete(w.joined, p.ID)
		}
	}
	w.m = ms[0]
	w.watch(w.m)
	w.consistent()
}

func (w *walker) walk(steps int) {
	for range steps {
		w.advance()
		if rapid.IntRange(0, 30).Draw(w.t, "regroup") == 0 {
			w.regroup()
			continue
		}
		in := w.drawInput()
		for _, s := range w.m.seats { // seldom met otherwise: one that must wait asks, one that has let go still sends
			if in.Kind == Request && w.m.state == PendingRevoke && s.retry.After(w.now) {
				in.Seat = s.ID
			}
		}
		if in.Kind == Media && w.m.tail.until.After(w.now) {
			in.Seat = w.m.tail.seat
		}
		w.do(in)
	}
}

// settle lets everybody go and proves that the floor is free.
func (w *walker) settle() {
	w.now = w.now.Add(time.Second)
	w.step = "settle"
	w.check(Input{Kind: kinds}, w.m.Queue(), w.m.Tick(w.now))
	for range 20 {
		for n := range 10 {
			w.do(Input{Kind: Release, Seat: seatID(n)})
		}
	}
	if s := w.m.State(); s != Idle && s != StartStop && s != Releasing {
		w.t.Fatalf("after everyone has let go the floor is %v", s)
	}
}

func TestFloorKeepsItsInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWalker(t, nil)
		w.walk(40)
		w.settle()
	})
}
