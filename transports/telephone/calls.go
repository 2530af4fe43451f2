package telephone

import (
	"sync"

	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion"
)

// calls are the calls there are.
type calls struct {
	mu       sync.Mutex
	dialogs  map[string]*call
	set      map[*call]struct{}
	perUnit  map[fusion.Number]int
	perTrunk map[string]int
}

func newCalls() *calls {
	return &calls{
		dialogs: make(map[string]*call), set: make(map[*call]struct{}),
		perUnit: make(map[fusion.Number]int), perTrunk: make(map[string]int),
	}
}

// fits reports whether there is room for a call within the limits; reserved calls may use what is kept for duty telephones.
func (t *calls) fits(c *call, l Limits, reserved bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.room(c, l, reserved)
}

// admit counts a call in, if it fits.
func (t *calls) admit(c *call, l Limits, reserved bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.room(c, l, reserved) {
		return false
	}
	t.set[c] = struct{}{}
	t.perUnit[c.account.Unit]++
	if c.trunk != nil {
		t.perTrunk[c.trunk.cfg.Name]++
	}
	return true
}

func (t *calls) room(c *call, l Limits, reserved bool) bool {
	room := l.Calls - l.DutyCalls
	if reserved {
		room = l.Calls
	}
	switch {
	case len(t.set) >= room:
		return false
	case c.account.Unit != 0 && t.perUnit[c.account.Unit] >= l.CallsPerAccount:
		return false
	case c.trunk != nil && t.perTrunk[c.trunk.cfg.Name] >= c.trunk.cfg.MaxCalls:
		return false
	}
	return true
}

func (t *calls) remove(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.set[c]; !ok {
		return
	}
	delete(t.set, c)
	if t.perUnit[c.account.Unit]--; t.perUnit[c.account.Unit] <= 0 {
		delete(t.perUnit, c.account.Unit)
	}
	if c.trunk != nil {
		t.perTrunk[c.trunk.cfg.Name]--
	}
}

func (t *calls) addDialog(d *dialog, c *call) {
	t.mu.Lock()
	t.dialogs[dialogKey(d.callID, d.localTag)] = c
	t.mu.Unlock()
}

func (t *calls) removeDialog(d *dialog) {
	t.mu.Lock()
	delete(t.dialogs, dialogKey(d.callID, d.localTag))
	t.mu.Unlock()
}

// byRequest finds the call that a request inside a dialog belongs to.
func (t *calls) byRequest(req *sip.Request) *call {
	if req.To() == nil || req.CallID() == nil {
		return nil
	}
	tag, ok := req.To().Params.Get("tag")
	if !ok || tag == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dialogs[dialogKey(req.CallID().Value(), tag)]
}

func (t *calls) all() []*call {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*call, 0, len(t.set))
	for c := range t.set {
		out = append(out, c)
	}
	return out
}

func (t *calls) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.set)
}
