package talk_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

const (
	devices = 4
	groups  = 3
)

// step is one thing that happens; numbers are taken modulo what there is.
type step struct {
	Do   string
	A, B int
	Mask int
	Prec fusion.Precedence
	Urge bool
}

func steps() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		return step{
			Do: rapid.SampledFrom([]string{"join", "join", "join", "leave", "press", "press", "press", "release", "hold", "resume", "patch", "part",
				"clear", "calm", "close", "revoke", "wait", "regroup", "speak", "speak", "speak"}).Draw(t, "do"),
			A: rapid.IntRange(0, devices-1).Draw(t, "a"), B: rapid.IntRange(0, groups-1).Draw(t, "b"),
			Mask: rapid.IntRange(1, 1<<groups-1).Draw(t, "mask"),
			Prec: fusion.Precedence(rapid.IntRange(0, 4).Draw(t, "prec")), Urge: rapid.IntRange(0, 9).Draw(t, "urge") == 0,
		}
	})
}

// world is an exchange with what ought to be true of it.
type world struct {
	*bench
	legs  [devices][groups]*leg // a device hears each group by a sink of its own, as a browser does
	units [devices]fusion.Number
	seats [devices][groups]talk.Seat
	held  [devices][groups]bool

	pressed map[fusion.ID]fusion.ID // the press of a burst
	patch   map[fusion.ID][]int
	round   byte
	wrong   error
}

func TestWhateverHappensOneTalksAndEachHearsOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := rapid.SliceOfN(steps(), 20, 120).Draw(rt, "steps")
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = live(t, list) })
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

func live(t *testing.T, list []step) error {
	w := &world{bench: newBench(t), patch: make(map[fusion.ID][]int), pressed: make(map[fusion.ID]fusion.ID)}
	for i := range w.legs {
		w.units[i] = fusion.Number(10101 + i)
		for g := range groups {
			w.legs[i][g] = newLeg(w.units[i])
			w.legs[i][g].packets = make(map[string]int)
		}
	}
	for i, s := range list {
		w.do(t, s)
		synctest.Wait()
		if w.wrong != nil {
			return fmt.Errorf("step %d, %+v: %w", i, s, w.wrong)
		}
	}
	return w.end()
}

func number(g int) fusion.Number { return groupA + fusion.Number(g) }

func (w *world) do(t *testing.T, s step) {
	seat := w.seats[s.A][s.B]
	switch s.Do {
	case "join":
		if seat == nil {
			w.seats[s.A][s.B] = w.join(t, number(s.B), w.legs[s.A][s.B], talk.JoinOptions{Terminal: fusion.ID{7, byte(s.A)}, MayEmergency: true})
		}
	case "press":
		w.press(s)
	case "patch":
		w.patchGroups(s)
	case "part":
		w.partOne()
	case "clear":
		_ = w.x.ForceClear(fusion.GroupTalk(number(s.B)), "test")
	case "calm":
		_ = w.x.EndEmergency(fusion.GroupTalk(number(s.B)), 0, "test")
	case "regroup":
		w.limit.Store(int64(s.Prec) * int64(time.Second))
		w.x.Regroup(number(s.B))
	case "close":
		w.x.CloseGroup(number(s.B))
		for i := range w.seats {
			w.seats[i][s.B], w.held[i][s.B] = nil, false
		}
	case "revoke":
		w.x.Revoke(w.units[s.A], fusion.Talk{}, "revoked")
		w.seats[s.A], w.held[s.A] = [groups]talk.Seat{}, [groups]bool{}
	case "wait":
		time.Sleep(time.Duration(s.Mask) * 700 * time.Millisecond)
	case "speak":
		w.speak()
	}
	if seat != nil {
		w.seated(s, seat)
	}
}

// seated does what takes a seat.
func (w *world) seated(s step, seat talk.Seat) {
	switch s.Do {
	case "leave":
		seat.Leave()
		seat.Release() // what is late does no harm
		seat.Push(&voice.Packet{Codec: codec.Opus, Payload: []byte{0x48, 0, 0, 0}, Arrived: time.Now()})
		w.seats[s.A][s.B], w.held[s.A][s.B] = nil, false
	case "release":
		seat.Release()
	case "hold", "resume":
		w.held[s.A][s.B] = s.Do == "hold"
		seat.Hold(s.Do == "hold")
	}
}

func (w *world) press(s step) {
	var press fusion.ID
	if s.B > 0 {
		press = w.id() // else a client that does not say so
	}
	for g := range groups {
		if seat := w.seats[s.A][g]; seat != nil && s.Mask&(1<<g) != 0 {
			id := w.id()
			w.held[s.A][g], w.pressed[id] = false, press
			seat.Request(talk.Request{ID: id, Press: press, Precedence: s.Prec, Emergency: s.Urge})
		}
	}
}

func (w *world) patchGroups(s step) {
	var in []int
	var numbers []fusion.Number
	for g := range groups {
		if s.Mask&(1<<g) != 0 {
			in, numbers = append(in, g), append(numbers, number(g))
		}
	}
	id := w.id()
	if w.x.Patch(id, numbers) == nil {
		w.patch[id] = in
	}
}

func (w *world) partOne() {
	for id := range w.patch {
		if err := w.x.Part(id); err != nil {
			w.wrong = err
		}
		delete(w.patch, id)
		return
	}
}

// floorOf names the floor that a group is at.
func (w *world) floorOf(g int) int {
	for _, in := range w.patch {
		if slices.Contains(in, g) {
			return in[0]
		}
	}
	return g
}

// speak lets every seat send a packet, and looks at who heard what.
func (w *world) speak() {
	time.Sleep(350 * time.Millisecond)
	synctest.Wait()
	w.round++
	open := w.rec.open()
	for d := range w.seats {
		for g, seat := range w.seats[d] {
			if seat != nil {
				seat.Push(&voice.Packet{Codec: codec.Opus, Seq: uint16(w.round), Time: uint32(w.round) * 960, Payload: []byte{0x48, byte(d), byte(g), w.round}, Arrived: time.Now()})
			}
		}
	}
	synctest.Wait()
	talker := w.talkers()
	for d := range w.legs {
		w.judge(d, talker, open)
	}
}

// open lists the units whose bursts are being recorded: the talkers, and those whose tail is still out.
func (r *recorder) open() map[fusion.Number]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	units := make(map[fusion.Number]bool)
	for _, b := range r.begun {
		if r.ended[b.Burst] == "" {
			units[b.Talker] = true
		}
	}
	return units
}

// talkers finds who talks at each floor, by its State.
func (w *world) talkers() map[int][2]int {
	talker := make(map[int][2]int)
	for g := range groups {
		s, _ := w.x.State(fusion.GroupTalk(number(g)))
		if s.Burst.IsZero() {
			continue
		}
		f := w.floorOf(g)
		for d := range w.seats {
			for from, seat := range w.seats[d] {
				if seat != nil && w.units[d] == s.Talker && w.floorOf(from) == f {
					talker[f] = [2]int{d, from}
				}
			}
		}
	}
	return talker
}

// judge checks what one device heard in this round.
func (w *world) judge(d int, talker map[int][2]int, open map[fusion.Number]bool) {
	heard := make(map[int]int)       // by floor
	from := make(map[int]int)        // by talking device
	press := make(map[fusion.ID]int) // by press
	for key, n := range w.heardBy(d) {
		if n > 1 {
			w.wrong = fmt.Errorf("device %d heard %q %d times", d, key, n)
		}
		var who, g, round int
		if _, err := fmt.Sscanf(key, "%d %d %d", &who, &g, &round); err != nil || round != int(w.round) {
			w.wrong = fmt.Errorf("device %d heard %q late", d, key)
			return
		}
		f := w.floorOf(g)
		heard[f] += n
		from[who] += n
		on, _ := w.x.State(fusion.GroupTalk(number(g)))
		if p := w.pressed[on.Burst]; on.Talker == w.units[who] && !p.IsZero() {
			if press[p] += n; press[p] > 1 {
				w.wrong = fmt.Errorf("device %d heard one press of %d twice", d, who)
			}
		}
		if !w.sits(d, f) || !open[w.units[who]] {
			w.wrong = fmt.Errorf("device %d heard %q: not seated there, or not on the air", d, key)
		}
	}
	for f, n := range heard {
		if n > 2 { // the talker, and the tail of the one before
			w.wrong = fmt.Errorf("device %d heard floor %d %d times", d, f, n)
		}
	}
	for f, t := range talker {
		if w.sits(d, f) && t[0] != d && from[t[0]] == 0 && !w.anyHeld(d) {
			w.wrong = fmt.Errorf("device %d did not hear device %d at floor %d", d, t[0], f)
		}
	}
}

// heardBy gives what a device heard by all its sinks since the last time.
func (w *world) heardBy(d int) map[string]int {
	all := make(map[string]int)
	for _, l := range w.legs[d] {
		for key, n := range l.take() {
			all[key] += n
		}
	}
	return all
}

func (w *world) sits(d, floor int) bool {
	for g, seat := range w.seats[d] {
		if seat != nil && w.floorOf(g) == floor {
			return true
		}
	}
	return false
}

func (w *world) anyHeld(d int) bool { return slices.Contains(w.held[d][:], true) }

// end closes everything and looks for what is left.
func (w *world) end() error {
	for len(w.patch) > 0 && w.wrong == nil {
		w.partOne()
	}
	for d := range w.seats {
		for g, seat := range w.seats[d] {
			if seat != nil {
				seat.Leave()
			}
			_ = w.x.EndEmergency(fusion.GroupTalk(number(g)), 0, "test")
		}
	}
	time.Sleep(time.Second)
	synctest.Wait()
	if rooms, claims := w.x.Left(); rooms+claims > 0 {
		return fmt.Errorf("left: %d rooms, %d claims", rooms, claims)
	}
	w.x.Close()
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	if len(w.rec.begun) != len(w.rec.ended) {
		return fmt.Errorf("%d recordings begun, %d ended", len(w.rec.begun), len(w.rec.ended))
	}
	if n := w.sw.Stats().Streams; n != 0 {
		return fmt.Errorf("%d streams left", n)
	}
	return w.wrong
}
