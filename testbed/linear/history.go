package linear

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// History is what clients have asked and were told. Safe for concurrent use.
type History struct {
	begun time.Time
	model porcupine.Model

	mu  sync.Mutex
	ops []porcupine.Operation
}

// Pending is an operation that was asked and is not answered yet.
type Pending struct {
	h  *History
	op porcupine.Operation
}

func newHistory(m porcupine.Model) *History { return &History{begun: time.Now(), model: m} }

func (h *History) now() int64 { return int64(time.Since(h.begun)) }

// ask notes that a client asks for something now.
func (h *History) ask(client int, input any) *Pending {
	return &Pending{h: h, op: porcupine.Operation{ClientId: client, Input: input, Call: h.now(), Return: math.MaxInt64}}
}

// answer notes the answer, which has come just now.
func (p *Pending) answer(output any) {
	p.op.Output, p.op.Return = output, p.h.now()
	p.keep()
}

// lost notes that no answer has come and none will: it may come into effect at any time.
func (p *Pending) lost(output any) {
	p.op.Output = output
	p.keep()
}

func (p *Pending) keep() {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	p.h.ops = append(p.h.ops, p.op)
}

// Len is how many operations are in it.
func (h *History) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ops)
}

// Check reports an error when the history is not linearizable, or when that could not be found out within the limit.
func (h *History) Check(limit time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	parts := [][]porcupine.Operation{h.ops}
	whole := h.model
	if h.model.Partition != nil {
		parts, whole.Partition = h.model.Partition(h.ops), nil
	}
	end := time.Now().Add(limit)
	for _, ops := range parts {
		switch porcupine.CheckOperationsTimeout(whole, ops, max(time.Until(end), time.Millisecond)) {
		case porcupine.Illegal:
			return fmt.Errorf("linear: %d operations could not have come from one machine: %s", len(ops), describe(ops))
		case porcupine.Unknown:
			return fmt.Errorf("linear: %d operations were not checked within %v", len(ops), limit)
		}
	}
	return nil
}

// described is how many operations an error names.
const described = 40

// describe tells operations in the order in which they were asked.
func describe(ops []porcupine.Operation) string {
	ops = slices.Clone(ops)
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	out := ""
	for _, op := range ops[:min(len(ops), described)] {
		end := "…"
		if op.Return != math.MaxInt64 {
			end = fmt.Sprintf("%.3f", time.Duration(op.Return).Seconds())
		}
		out += fmt.Sprintf("\n%.3f to %s client %d: %+v → %v", time.Duration(op.Call).Seconds(), end, op.ClientId, op.Input, op.Output)
	}
	return out
}
