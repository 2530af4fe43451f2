package linear

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// apart checks the operations on each object by themselves.
func apart(of func(input any) string) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(all []porcupine.Operation) [][]porcupine.Operation {
		place := make(map[string]int)
		var out [][]porcupine.Operation
		for _, op := range all {
			key := of(op.Input)
			i, ok := place[key]
			if !ok {
				i = len(out)
				place[key] = i
				out = append(out, nil)
			}
			out[i] = append(out[i], op)
		}
		return out
	}
}

// Log is a history of things that are accepted under growing numbers: what was asked after another one was accepted has the greater number. Those whose answer was
// lost need not be in it, as numbers may be left out.
type Log struct{ *History }

// NewLog begins one.
func NewLog() Log {
	return Log{newHistory(porcupine.Model{
		Init: func() any { return uint64(0) },
		Step: func(state, _, output any) (bool, any) { return output.(uint64) > state.(uint64), output },
	})}
}

// Append notes that a client asks for something to be accepted; the function is told the number.
func (l Log) Append(client int) func(number uint64) {
	p := l.ask(client, nil)
	return func(number uint64) { p.answer(number) }
}

// Register is a history of objects that are changed by who saw their last version.
type Register struct{ *History }

type swap struct{ object, from, to string }

// outcome of an operation.
type outcome uint8

const (
	unknown outcome = iota
	done
	refused
)

// NewRegister begins one; every object begins as "".
func NewRegister() Register {
	m := porcupine.NondeterministicModel{
		Partition: apart(func(in any) string { return in.(swap).object }),
		Init:      func() []any { return []any{""} },
		Step: func(state, input, output any) []any {
			s, now := input.(swap), state.(string)
			switch output.(outcome) {
			case done:
				if now == s.from {
					return []any{s.to}
				}
				return nil
			case refused:
				if now != s.from {
					return []any{now}
				}
				return nil
			}
			if now == s.from {
				return []any{now, s.to}
			}
			return []any{now}
		},
	}
	return Register{newHistory(m.ToModel())}
}

// Swap is a change under way.
type Swap struct{ p *Pending }

// Swap notes that a client asks to change an object that it saw as from. Values are never used twice.
func (r Register) Swap(client int, object, from, to string) Swap {
	return Swap{r.ask(client, swap{object, from, to})}
}

// Done notes that it was changed, or (not) that somebody else had changed it.
func (s Swap) Done(changed bool) {
	if changed {
		s.p.answer(done)
	} else {
		s.p.answer(refused)
	}
}

// Lost notes that nobody knows.
func (s Swap) Lost() { s.p.lost(unknown) }

// Ratchet is a history of objects that only move on: the furthest counts.
type Ratchet struct{ *History }

type push struct {
	object string
	to     int
}

// NewRatchet begins one; every object begins at 0.
func NewRatchet() Ratchet {
	return Ratchet{newHistory(porcupine.Model{
		Partition: apart(func(in any) string { return in.(push).object }),
		Init:      func() any { return 0 },
		Step: func(state, input, output any) (bool, any) {
			at := max(state.(int), input.(push).to)
			return output.(int) < 0 || output.(int) == at, at
		},
	})}
}

// Push notes that a client asks to move an object on; the function is told where it is then, negative when the answer was lost.
func (r Ratchet) Push(client int, object string, to int) func(at int) {
	p := r.ask(client, push{object, to})
	return func(at int) {
		if at < 0 {
			p.lost(at)
			return
		}
		p.answer(at)
	}
}

// Lock is a history of what one at a time may have.
type Lock struct{ *History }

type hold struct {
	object, holder string
	take           bool
}

// NewLock begins one; nobody has anything.
func NewLock() Lock {
	return Lock{newHistory(porcupine.Model{
		Partition: apart(func(in any) string { return in.(hold).object }),
		Init:      func() any { return "" },
		Step: func(state, input, _ any) (bool, any) {
			h, has := input.(hold), state.(string)
			if h.take {
				return has == "", h.holder
			}
			return has == h.holder, ""
		},
	})}
}

// Hold is what somebody has, from being granted to its end.
type Hold struct {
	l   Lock
	end *Pending
}

// Take notes that a client asks for an object; the function is called when it is granted. Names of holders are never used twice. Who is refused notes nothing.
func (l Lock) Take(client int, object, holder string) (granted func() *Hold) {
	p := l.ask(client, hold{object, holder, true})
	return func() *Hold {
		p.answer(nil)
		return &Hold{l: l, end: l.ask(client, hold{object, holder, false})}
	}
}

// Releasing notes that the holder gives it back now, at the earliest: until then it had it.
func (h *Hold) Releasing() { h.end.op.Call = h.l.now() }

// Ended notes that the holder knows that it has it no more.
func (h *Hold) Ended() { h.end.answer(nil) }

// Lost notes that the holder has heard nothing any more since the last call of Releasing, or since it was granted: it ends at some time.
func (h *Hold) Lost() { h.end.lost(nil) }

// Double is two who certainly had the same thing at the same time, from when the second one was granted it.
type Double struct {
	Object, First, Second string
	Clients               [2]int
	At, Until             time.Duration // since the history began
}

func (d Double) String() string {
	return fmt.Sprintf("%s: client %d (%.8s) and client %d (%.8s) from %.3f to %.3f s", d.Object, d.Clients[0], d.First, d.Clients[1], d.Second, d.At.Seconds(), d.Until.Seconds())
}

// Doubles finds them. It finds less than Check, as it looks only at what is certain of each two, and says who it was.
func (l Lock) Doubles() []Double {
	type span struct {
		hold
		client   int
		from, to int64
	}
	l.mu.Lock()
	taken := make(map[string]*span)
	for _, op := range l.ops {
		h := op.Input.(hold)
		s := taken[h.holder]
		if s == nil {
			s = &span{hold: h, client: op.ClientId}
			taken[h.holder] = s
		}
		if h.take {
			s.from = op.Return
		} else {
			s.to = op.Call
		}
	}
	l.mu.Unlock()
	all := slices.Collect(maps.Values(taken))
	slices.SortFunc(all, func(a, b *span) int { return cmp.Compare(a.from, b.from) })
	var out []Double
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.object == b.object && b.from < a.to && b.from < b.to {
				out = append(out, Double{a.object, a.holder, b.holder, [2]int{a.client, b.client}, time.Duration(b.from), time.Duration(min(a.to, b.to))})
			}
		}
	}
	return out
}
