package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// auditor writes down what is no command: log-ins, powers used on the live plane, what was refused. It never lets anybody wait:
// break-in must not depend on a quorum. Entries wait in memory until the record takes them; equal refusals are written once every ten
// seconds with their number.
type auditor struct {
	s    *Server
	mu   sync.Mutex
	list []command.Command
	same map[sameKey]*repeated
	poke chan struct{}
}

type sameKey struct{ by, action, result, from string }

type repeated struct {
	entry state.Audit
	more  int
}

const (
	maxAudit      = 8192 // entries that wait
	maxRepeated   = 1024 // kinds of refusal that are counted apart
	refusalPeriod = 10 * time.Second
)

func newAuditor(s *Server) *auditor {
	return &auditor{s: s, same: make(map[sameKey]*repeated), poke: make(chan struct{}, 1)}
}

// note writes down a deed. It does not block.
func (a *auditor) note(e state.Audit) {
	hlc, at := a.s.d.Stamp()
	e.At = state.Millis(at)
	cmd, err := command.New(command.AuditAdd, a.s.d.NewID(), hlc, at, e.By, e)
	if err != nil {
		a.s.d.Log.Error("audit entry lost", "action", e.Action, "error", err)
		return
	}
	cmd.From = e.From
	a.mu.Lock()
	lost := len(a.list) >= maxAudit
	if !lost {
		a.list = append(a.list, cmd)
	}
	a.mu.Unlock()
	if lost {
		a.s.count.auditLost.Inc()
		a.s.d.Log.Error("audit entry lost: the record does not take any", "by", e.By, "action", e.Action, "target", e.Target, "result", e.Result)
	}
	select {
	case a.poke <- struct{}{}:
	default:
	}
}

// did notes a deed of a caller.
func (a *auditor) did(c *caller, action, target, detail string) {
	a.note(state.Audit{By: c.user.Name, Action: action, Target: clip(target), Result: "ok", From: c.source, Detail: clip(detail)})
}

// refused notes what a caller was refused.
func (a *auditor) refused(c *caller, rt route, r *http.Request, err error) {
	a.refusal(state.Audit{By: c.user.Name, Action: "refused", Target: clip(rt.method + " " + r.URL.Path), Result: fusion.ReasonOf(err), From: c.source})
}

// refusal notes a refusal once, and its repetitions by their number.
func (a *auditor) refusal(e state.Audit) {
	key := sameKey{e.By, e.Action, e.Result, e.From}
	a.mu.Lock()
	x := a.same[key]
	if x == nil && len(a.same) >= maxRepeated {
		key = sameKey{action: e.Action, result: e.Result}
		e = state.Audit{By: "system", Action: e.Action, Result: e.Result, Detail: "from many addresses"}
		x = a.same[key]
	}
	first := x == nil
	if first {
		a.same[key] = &repeated{entry: e}
	} else {
		x.more++
	}
	a.mu.Unlock()
	if first {
		a.note(e)
	}
}

// flush notes how often refusals were repeated.
func (a *auditor) flush() {
	a.mu.Lock()
	old := a.same
	a.same = make(map[sameKey]*repeated)
	a.mu.Unlock()
	for _, x := range old {
		if x.more > 0 {
			x.entry.Detail = fmt.Sprintf("and %d times more within %d s", x.more, int(refusalPeriod.Seconds()))
			a.note(x.entry)
		}
	}
}

func (a *auditor) run(ctx context.Context) {
	tick := time.NewTicker(refusalPeriod)
	defer tick.Stop()
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			a.last(ctx)
			return
		case <-tick.C:
			a.flush()
		case <-retry.C:
		case <-a.poke:
		}
		a.write(ctx)
	}
}

// last tries once more to get rid of what waits.
func (a *auditor) last(ctx context.Context) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	a.flush()
	a.write(end)
}

// write proposes what waits, in order, up to the first failure. A command keeps its ID, so one that did get through is not written twice.
func (a *auditor) write(ctx context.Context) {
	for {
		a.mu.Lock()
		batch := append([]command.Command(nil), a.list[:min(len(a.list), 64)]...)
		a.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if err := a.propose(ctx, batch); err != nil {
			if ctx.Err() == nil {
				a.s.d.Log.Warn("audit entries wait", "number", len(batch), "error", err)
			}
			return
		}
		a.mu.Lock()
		a.list = a.list[len(batch):]
		a.mu.Unlock()
	}
}

func (a *auditor) propose(ctx context.Context, batch []command.Command) error {
	cmd := batch[0]
	if len(batch) > 1 {
		hlc, at := a.s.d.Stamp()
		var err error
		if cmd, err = command.New(command.Batch, a.s.d.NewID(), hlc, at, "system", state.BatchChange{Commands: batch}); err != nil {
			return err
		}
	}
	try, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	res, err := a.s.d.Record.Propose(try, cmd)
	if err != nil {
		return err
	}
	if err := res.Err(); err != nil {
		a.s.count.auditLost.Add(float64(len(batch)))
		a.s.d.Log.Error("audit entries refused", "number", len(batch), "error", err)
	}
	return nil
}

// login notes an attempt to log in.
func (a *auditor) login(user, source string, err error) {
	e := state.Audit{By: clip(user), Action: "login", Result: "ok", From: source}
	if err == nil {
		a.note(e)
		return
	}
	e.Result = fusion.ReasonOf(err)
	a.refusal(e)
}

// clip brings a text from outside to what an audit entry takes.
func clip(s string) string {
	out := make([]rune, 0, len(s))
	size := 0
	for _, r := range s {
		if r < 0x20 || r >= 0x7F && r < 0xA0 || r == 0xFFFD {
			r = '?'
		}
		if size += len(string(r)); size > 200 {
			break
		}
		out = append(out, r)
	}
	return string(out)
}

// used is the deed of using a right on the live plane.
func (a *auditor) used(c *caller, r identity.Right, target string) { a.did(c, string(r), target, "") }
