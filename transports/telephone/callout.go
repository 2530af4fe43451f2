package telephone

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
)

// branch is one INVITE of an outgoing call: to one contact of an extension, or to one host of a trunk.
type branch struct {
	target    sip.Uri
	transport string
	dest      netip.AddrPort
	from, to  party
	user      string // of our Contact
	trunk     *trunk
	patience  time.Duration // for the first answer; 0: as long as the call rings
}

// Dial implements desk.Dialler. An extension is called at all its contacts; the first to answer has the call.
func (s *Server) Dial(ctx context.Context, to desk.Target) (desk.Line, error) {
	if to.Unit != 0 {
		return s.dialUnit(to)
	}
	return s.dialTrunk(ctx, to)
}

func (s *Server) dialUnit(to desk.Target) (desk.Line, error) {
	acc, ok := s.deps.Accounts.ByUnit(to.Unit)
	if !ok {
		return nil, fusion.E(fusion.NotFound, "extension_unknown", "")
	}
	contacts := s.contacts(to.Unit)
	if len(contacts) == 0 {
		return nil, fusion.E(fusion.CutOff, "not_registered", "")
	}
	var branches []branch
	for _, b := range contacts {
		host := hostOf(s.localAddr(b.flow.Addr()))
		branches = append(branches, branch{
			target: b.contact, transport: b.transport, dest: b.flow, user: to.From, patience: b.patience,
			from: party{"", sip.Uri{Scheme: "sip", User: to.From, Host: host}},
			to:   party{"", sip.Uri{Scheme: "sip", User: acc.User, Host: host}},
		})
	}
	c, err := s.outgoing(acc, nil, branches[0].dest.Addr())
	if err != nil {
		return nil, err
	}
	c.caller = desk.Caller{Unit: acc.Unit, Name: acc.Name, Digits: acc.User, Addr: branches[0].dest.String()}
	c.launch(func(ctx context.Context) int { return c.fork(ctx, branches) })
	return c, nil
}

func (s *Server) dialTrunk(ctx context.Context, to desk.Target) (desk.Line, error) {
	t := s.trunk(to.Trunk)
	if t == nil {
		return nil, fusion.E(fusion.NotFound, "trunk_unknown", "%s", to.Trunk)
	}
	if to.Digits == "" || len(to.Digits) > 32 || strings.Trim(to.Digits, "0123456789*#+") != "" {
		return nil, fusion.E(fusion.BadRequest, "digits_bad", "")
	}
	hosts := t.targets(ctx)
	if len(hosts) == 0 {
		return nil, fusion.E(fusion.CutOff, "trunk_unreachable", "%s", to.Trunk)
	}
	var branches []branch
	for _, h := range hosts {
		b := t.branch(to, h)
		if len(hosts) > 1 {
			b.patience = 5 * time.Second
		}
		branches = append(branches, b)
	}
	c, err := s.outgoing(Account{}, t, hosts[0].Addr())
	if err != nil {
		return nil, err
	}
	c.caller = desk.Caller{Digits: to.Digits, Trunk: t.cfg.Name, Addr: hosts[0].String()}
	c.launch(func(ctx context.Context) int { return c.oneByOne(ctx, branches) })
	return c, nil
}

// outgoing makes the call and counts it in.
func (s *Server) outgoing(acc Account, t *trunk, peer netip.Addr) (*call, error) {
	c, err := s.newCall(acc, t)
	if err != nil {
		return nil, err
	}
	c.m.signal = peer
	c.rings, c.cancel = context.WithTimeout(context.Background(), s.cfg.Timers.Setup)
	if !s.calls.admit(c, s.cfg.Limits, s.registrar.isDuty(acc.Unit)) {
		c.cancel()
		c.m.close()
		return nil, fusion.E(fusion.Busy, "calls_full", "")
	}
	s.counters.CallsOut.Add(1)
	c.m.start(c)
	return c, nil
}

// launch lets the call ring. Try returns the answer that decided, or 0 when the call was taken.
func (c *call) launch(try func(context.Context) int) {
	c.s.background.Go(func() {
		defer c.cancel()
		if code := try(c.rings); code != 0 {
			c.finish(causeOf(code), false)
		}
	})
}

// fork calls all branches at once; of the refusals the best counts (§16.7).
func (c *call) fork(ctx context.Context, branches []branch) int {
	var wg sync.WaitGroup
	codes := make([]int, len(branches))
	for i, b := range branches {
		wg.Go(func() { codes[i] = c.ring(ctx, b) })
	}
	wg.Wait()
	best := 0
	for _, code := range codes {
		if code == 0 {
			return 0
		}
		if best == 0 || weight(code) < weight(best) {
			best = code
		}
	}
	return best
}

// weight orders refusals: what says something about the person before what says something about a line.
func weight(code int) int {
	switch {
	case code >= 600:
		return 0
	case code == 486:
		return 1
	case code == 480 || code == 487 || code == 408:
		return 3
	case code < 500:
		return 2
	}
	return 4
}

// oneByOne tries the hosts of a trunk in order of preference.
func (c *call) oneByOne(ctx context.Context, branches []branch) int {
	code := 503
	for _, b := range branches {
		code = c.ring(ctx, b)
		if code != 408 && code != 500 && code != 502 && code != 503 && code != 504 {
			return code
		}
		if ctx.Err() != nil {
			return 487
		}
	}
	return code
}

// ring sends one INVITE and follows it to its end: 0 when this branch has the call, else the code that refused it.
func (c *call) ring(ctx context.Context, b branch) int {
	d := &dialog{
		callID: c.s.newTag() + c.s.newTag(), localTag: c.s.newTag(), local: b.from, remote: b.to, target: b.target,
		transport: b.transport, dest: b.dest, contact: b.user,
	}
	c.s.calls.addDialog(d, c)
	c.s.guard.hold(d.dest)
	code := c.attempt(ctx, b, d)
	c.s.guard.release(d.dest)
	if code != 0 {
		c.s.calls.removeDialog(d)
	}
	return code
}

// attempt sends the INVITE, again with credentials when it is challenged, and again in the clear when SRTP was refused.
func (c *call) attempt(ctx context.Context, b branch, d *dialog) int {
	secure, auth := d.transport == "TLS", ""
	proxy := false
	for range 4 {
		req, err := c.inviteOut(d, b, secure)
		if err != nil {
			return 500
		}
		if auth != "" {
			req.AppendHeader(sip.NewHeader(authHeader(proxy), auth))
		}
		res := c.follow(ctx, req, d, secure, b.patience)
		switch {
		case res == nil:
			return 408
		case res.IsSuccess():
			return 0
		case (res.StatusCode == 401 || res.StatusCode == 407) && b.trunk != nil && auth == "":
			proxy = res.StatusCode == 407
			if auth, err = b.trunk.answer(res, req); err != nil {
				return res.StatusCode
			}
		case res.StatusCode == 488 && secure:
			secure = false
		default:
			return res.StatusCode
		}
	}
	return 403
}

func authHeader(proxy bool) string {
	if proxy {
		return "Proxy-Authorization"
	}
	return "Authorization"
}

func (c *call) inviteOut(d *dialog, b branch, secure bool) (*sip.Request, error) {
	req := c.s.inDialog(d, sip.INVITE, 0)
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	req.AppendHeader(sip.NewHeader("Supported", "timer"))
	if b.trunk != nil {
		for k, v := range b.trunk.cfg.Headers {
			req.AppendHeader(sip.NewHeader(k, v))
		}
	}
	ct := sip.ContentTypeHeader("application/sdp")
	req.AppendHeader(&ct)
	body, err := c.makeOffer(d, secure)
	req.SetBody(body)
	return req, err
}

// follow waits for the final answer, telling of progress. When ctx ends first it cancels, and waits on: an answer may
// cross the CANCEL (§9.1).
func (c *call) follow(ctx context.Context, req *sip.Request, d *dialog, secure bool, patience time.Duration) *sip.Response {
	tx, err := c.s.client.TransactionRequest(context.WithoutCancel(ctx), req, asBuilt)
	if err != nil {
		c.s.deps.Log.Info("telephone: INVITE", "dest", d.dest, "error", err)
		return nil
	}
	var silent <-chan time.Time
	if patience > 0 {
		t := time.NewTimer(patience)
		defer t.Stop()
		silent = t.C
	}
	done, heard, cancelled := ctx.Done(), false, false
	var limit <-chan time.Time
	for {
		select {
		case res := <-tx.Responses():
			if res == nil {
				tx.Terminate()
				return nil
			}
			silent = nil
			if res.IsProvisional() {
				if !heard && cancelled {
					c.s.sendCancel(req)
				}
				heard = true
				c.progress(res, d, secure)
				continue
			}
			if res.IsSuccess() {
				c.taken(res, d, secure)
				c.s.background.Go(func() { c.s.reAck(tx, d) })
			} else {
				tx.Terminate()
			}
			return res
		case <-tx.Done():
			return nil
		case <-silent:
			tx.Terminate()
			return nil
		case <-done:
			done, cancelled = nil, true
			t := time.NewTimer(10 * time.Second)
			defer t.Stop()
			limit = t.C
			if heard {
				c.s.sendCancel(req)
			}
		case <-limit:
			tx.Terminate()
			return nil
		}
	}
}

// reAck acknowledges each repetition of the 200 (§13.2.2.4).
func (s *Server) reAck(tx sip.ClientTransaction, d *dialog) {
	t := time.NewTimer(32 * time.Second)
	defer t.Stop()
	for {
		select {
		case res := <-tx.Responses():
			if res == nil {
				return
			}
			if res.IsSuccess() {
				s.ack(d, res)
			}
		case <-tx.Done():
			return
		case <-t.C:
			tx.Terminate()
			return
		}
	}
}

// sendCancel cancels an INVITE of ours (§9.1).
func (s *Server) sendCancel(invite *sip.Request) {
	req := sip.NewRequest(sip.CANCEL, *invite.Recipient.Clone())
	req.AppendHeader(sip.HeaderClone(invite.Via()))
	sip.CopyHeaders("Route", invite, req)
	mf := sip.MaxForwardsHeader(70)
	req.AppendHeader(&mf)
	req.AppendHeader(sip.HeaderClone(invite.From()))
	req.AppendHeader(sip.HeaderClone(invite.To()))
	req.AppendHeader(sip.HeaderClone(invite.CallID()))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	req.SetTransport(invite.Transport())
	req.SetDestination(invite.Destination())
	req.Laddr = invite.Laddr
	req.SetBody(nil)
	s.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := s.client.Do(ctx, req, asBuilt); err != nil {
			s.deps.Log.Debug("telephone: CANCEL", "error", err)
		}
	})
}

// progress tells that the far end rings; 183 may bring early media.
func (c *call) progress(res *sip.Response, d *dialog, secure bool) {
	if res.StatusCode < 180 {
		return
	}
	c.mu.Lock()
	first := !c.early && c.state == ringing
	c.early = c.early || first
	c.mu.Unlock()
	if !first {
		return
	}
	if len(res.Body()) > 0 {
		if err := c.takeAnswer(res.Body(), secure); err != nil {
			c.s.deps.Log.Debug("telephone: early media", "error", err)
		}
	}
	c.s.deps.Events.Answered(c, true)
}

// taken is the 2xx: the first one has the call, any other is acknowledged and ended.
func (c *call) taken(res *sip.Response, d *dialog, secure bool) {
	d.confirm(res)
	c.s.ack(d, res)
	now := c.s.now()
	c.mu.Lock()
	won := c.state == ringing
	if won {
		c.state, c.d, c.secure = up, d, secure
		c.timer.confirmed(res, now)
		c.s.guard.hold(d.dest)
	}
	c.mu.Unlock()
	if !won {
		c.s.calls.removeDialog(d)
		c.s.background.Go(func() { c.s.bye(d, desk.Normal) })
		return
	}
	c.cancel()
	c.heardSIP.Store(now.UnixNano())
	if err := c.takeAnswer(res.Body(), secure); err != nil {
		c.finish(desk.Failed, true)
		return
	}
	c.s.deps.Events.Answered(c, false)
}
