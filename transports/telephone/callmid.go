package telephone

import (
	"context"
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion/desk"
)

// inCall finds the call of a request inside a dialog and checks its order; otherwise the request has been answered.
func (s *Server) inCall(req *sip.Request, tx sip.ServerTransaction) (*call, *dialog) {
	c := s.calls.byRequest(req)
	if c == nil {
		s.respond(tx, sip.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
		return nil, nil
	}
	c.mu.Lock()
	d, over := c.d, c.state == ended
	c.mu.Unlock()
	if d == nil || over {
		s.respond(tx, sip.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
		return nil, nil
	}
	if from, _ := req.From().Params.Get("tag"); d.remoteTag != "" && from != d.remoteTag {
		s.respond(tx, sip.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
		return nil, nil
	}
	if !d.newer(req) {
		s.respond(tx, sip.NewResponseFromRequest(req, 500, "Out of Order", nil))
		return nil, nil
	}
	c.heardSIP.Store(s.now().UnixNano())
	return c, d
}

func (s *Server) onBye(req *sip.Request, tx sip.ServerTransaction) {
	if c, _ := s.inCall(req, tx); c != nil {
		s.respond(tx, sip.NewResponseFromRequest(req, 200, "OK", nil))
		c.finish(desk.Normal, false)
	}
}

// onNothing answers a CANCEL that found no transaction.
func (s *Server) onNothing(req *sip.Request, tx sip.ServerTransaction) {
	s.respond(tx, sip.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
}

func (s *Server) onNotify(req *sip.Request, tx sip.ServerTransaction) {
	if c, _ := s.inCall(req, tx); c != nil {
		s.respond(tx, sip.NewResponseFromRequest(req, 200, "OK", nil))
	}
}

func (s *Server) onOptions(req *sip.Request, tx sip.ServerTransaction) {
	if c := s.calls.byRequest(req); c != nil {
		c.heardSIP.Store(s.now().UnixNano())
	}
	s.respond(tx, s.optionsAnswer(req))
}

func (s *Server) onInfo(req *sip.Request, tx sip.ServerTransaction) {
	c, _ := s.inCall(req, tx)
	if c == nil {
		return
	}
	if len(req.Body()) == 0 { // a keep-alive
		s.respond(tx, sip.NewResponseFromRequest(req, 200, "OK", nil))
		return
	}
	key, ok := parseInfo(contentType(req), req.Body())
	if !ok {
		s.counters.BadInfo.Add(1)
		s.respond(tx, sip.NewResponseFromRequest(req, 415, "Unsupported Media Type", nil))
		return
	}
	s.respond(tx, sip.NewResponseFromRequest(req, 200, "OK", nil))
	c.key(key, byInfo)
}

// onReinvite changes a call: hold and resume, a new media address, a refresh (§14.2).
func (s *Server) onReinvite(req *sip.Request, tx sip.ServerTransaction) {
	c, d := s.inCall(req, tx)
	if c == nil {
		return
	}
	s.change(c, d, req, tx)
}

// onUpdate does the same by UPDATE (RFC 3311).
func (s *Server) onUpdate(req *sip.Request, tx sip.ServerTransaction) { s.onReinvite(req, tx) }

func (s *Server) change(c *call, d *dialog, req *sip.Request, tx sip.ServerTransaction) {
	timer, ok := readTimer(req, s.cfg.Timers)
	if !ok {
		res := sip.NewResponseFromRequest(req, 422, "Session Interval Too Small", nil)
		res.AppendHeader(sip.NewHeader("Min-SE", seconds(s.cfg.Timers.MinSE)))
		s.respond(tx, res)
		return
	}
	if !c.changing.CompareAndSwap(false, true) { // ours is under way, or another of theirs: glare (§14.2)
		s.respond(tx, sip.NewResponseFromRequest(req, 491, "Request Pending", nil))
		return
	}
	defer c.changing.Store(false)
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	res.AppendHeader(s.contact(d.contact, d.transport, d.dest.Addr()))
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	res.AppendHeader(sip.NewHeader("Supported", "timer"))
	var held, was bool
	if len(req.Body()) > 0 {
		desc, err := parseSDP(req.Body())
		if err != nil {
			s.refuseSDP(req, tx, err)
			return
		}
		sess, err := c.renegotiate(desc)
		if err != nil {
			s.refuseSDP(req, tx, err)
			return
		}
		c.mu.Lock()
		was, c.held = c.held, !desc.recv
		held = c.held
		c.mu.Unlock()
		ct := sip.ContentTypeHeader("application/sdp")
		res.AppendHeader(&ct)
		res.SetBody(c.local(d).answer(desc, sess))
	} else if req.Method == sip.INVITE {
		ct := sip.ContentTypeHeader("application/sdp")
		res.AppendHeader(&ct)
		res.SetBody(c.repeatOffer(d))
	}
	c.mu.Lock()
	if timer.interval > 0 {
		c.timer = timer
	}
	c.timer.refreshed(s.now())
	timer.answer(res, req)
	c.mu.Unlock()
	s.respond(tx, res)
	if held != was {
		c.hold(held)
	}
	if req.Method == sip.INVITE {
		c.repeatUntilAck(tx, res)
	}
}

// repeatUntilAck sends the 200 of a re-INVITE again until the stack or the transaction's end says enough; the
// dialog outlives a lost ACK.
func (c *call) repeatUntilAck(tx sip.ServerTransaction, res *sip.Response) {
	if sip.IsReliable(res.Transport()) {
		return
	}
	seq := res.CSeq().SeqNo
	c.reack.Store(0)
	for interval := sip.T1; interval <= sip.T2; interval *= 2 {
		t := time.NewTimer(interval)
		select {
		case <-c.settled:
			t.Stop()
			return
		case <-tx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if c.reack.Load() >= seq {
			return
		}
		_ = tx.Respond(res)
	}
}

func (s *Server) refuseSDP(req *sip.Request, tx sip.ServerTransaction, err error) {
	s.counters.BadSDP.Add(1)
	code, reason := 488, "Not Acceptable Here"
	if errors.Is(err, errBadSDP) {
		code, reason = 400, "Bad Session Description"
	}
	s.respond(tx, sip.NewResponseFromRequest(req, code, reason, nil))
}

// renegotiate takes a new description. The codec stays, for whoever listens has been told of it.
func (c *call) renegotiate(d description) (session, error) {
	old := c.m.session()
	keep := d
	keep.formats = nil
	for _, f := range d.formats {
		if f.event || f.id == old.codec || old.codec == 0 {
			keep.formats = append(keep.formats, f)
		}
	}
	sess, err := c.agree(keep)
	if err != nil {
		return sess, err
	}
	if !sess.addr.Addr().IsValid() || sess.addr.Addr().IsUnspecified() {
		sess.addr, sess.rtcp = old.addr, old.rtcp
	}
	return sess, c.settle(sess)
}

// repeatOffer offers again what is agreed, to an INVITE without an offer.
func (c *call) repeatOffer(d *dialog) []byte {
	s := c.m.session()
	desc := description{index: 0, media: []string{"audio"}, secure: s.out != nil, mux: s.mux}
	if s.hasEvent {
		desc.formats = []format{{pt: s.event, event: true, clock: s.codec.Clock()}}
		if s.codec != 0 && s.event != eventPT48 {
			desc.formats[0].clock = 8000
		}
	}
	s.send, s.recv = true, true
	return c.local(d).answer(desc, s)
}

// hold tells seat and switchboard.
func (c *call) hold(held bool) {
	c.mu.Lock()
	seat := c.seat
	if held {
		c.keys.reset()
	}
	c.mu.Unlock()
	if seat != nil {
		seat.Hold(held)
	}
	c.s.deps.Events.Held(c, held)
}

// gone is the far end's RTCP BYE: it only says that its stream ends, so the call is asked.
func (c *call) gone() { c.s.background.Go(c.ping) }

// tick does what is due on a call that is up: the session timer, a question to a peer that is silent, reports, keep-alives.
func (c *call) tick(now time.Time) {
	c.mu.Lock()
	if c.state != up {
		c.mu.Unlock()
		return
	}
	refresh, expired := c.timer.due(now)
	playing, params := c.player != nil, c.params
	c.mu.Unlock()
	if expired {
		c.s.counters.CallsSilent.Add(1)
		c.finish(desk.Failed, true)
		return
	}
	if refresh {
		c.s.background.Go(c.refresh)
	}
	heard := max(c.m.heard.Load(), c.heardSIP.Load())
	if now.UnixNano()-heard > int64(c.s.cfg.Timers.PeerSilence) {
		c.s.background.Go(c.ping)
	}
	if last := c.reported.Load(); now.UnixNano()-last > int64(5*time.Second) {
		c.reported.Store(now.UnixNano())
		c.m.report(now)
	}
	if !playing && now.UnixNano()-c.m.lastSent.Load() > int64(c.s.cfg.Timers.KeepAlive) {
		if f, err := c.s.library.silence(params); err == nil {
			c.m.frame(new(scratch), f, true, now)
		}
	}
}

// ping asks a silent peer by OPTIONS inside the dialog. Any answer but "no such call" is a sign of life; two questions without
// one end the call.
func (c *call) ping() {
	if !c.pinging.CompareAndSwap(false, true) {
		return
	}
	defer c.pinging.Store(false)
	c.mu.Lock()
	d, over := c.d, c.state != up
	c.mu.Unlock()
	if over {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.s.cfg.Timers.PingTimeout)
	defer cancel()
	res, err := c.s.roundTrip(ctx, c.s.inDialog(d, sip.OPTIONS, 0))
	switch {
	case err == nil && res.StatusCode != 481 && res.StatusCode != 408:
		c.misses.Store(0)
		c.heardSIP.Store(c.s.now().UnixNano())
	case err == nil || c.misses.Add(1) >= 2:
		c.s.counters.CallsSilent.Add(1)
		c.s.deps.Log.Info("telephone: call cleared, the peer is gone", "call", c.id, "addr", c.caller.Addr)
		c.finish(desk.Failed, true)
	}
}

// refresh is ours of the session timer: UPDATE where the peer takes it (RFC 4028 §7.4), else INVITE with what is agreed.
func (c *call) refresh() {
	if !c.changing.CompareAndSwap(false, true) {
		return
	}
	defer c.changing.Store(false)
	c.mu.Lock()
	d, st, over := c.d, c.timer, c.state != up
	c.mu.Unlock()
	if over {
		return
	}
	method := sip.INVITE
	if st.update {
		method = sip.UPDATE
	}
	req := c.s.inDialog(d, method, 0)
	req.AppendHeader(sip.NewHeader("Supported", "timer"))
	req.AppendHeader(sip.NewHeader("Session-Expires", seconds(st.interval)+";refresher=uac"))
	if method == sip.INVITE {
		ct := sip.ContentTypeHeader("application/sdp")
		req.AppendHeader(&ct)
		req.SetBody(c.repeatOffer(d))
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.s.cfg.Timers.PingTimeout)
	defer cancel()
	res, err := c.s.roundTrip(ctx, req)
	if err != nil {
		return // the next tick tries again until the session expires
	}
	if res.IsSuccess() {
		if method == sip.INVITE {
			c.s.ack(d, res)
		}
		c.heardSIP.Store(c.s.now().UnixNano())
		c.mu.Lock()
		c.timer.refreshed(c.s.now())
		c.mu.Unlock()
	} else if res.StatusCode == 481 || res.StatusCode == 408 {
		c.finish(desk.Failed, true)
	}
}

// ack sends the ACK of a 2xx (§13.2.2.4).
func (s *Server) ack(d *dialog, res *sip.Response) {
	req := s.inDialog(d, sip.ACK, res.CSeq().SeqNo)
	if err := s.client.WriteRequest(req, asBuilt); err != nil {
		s.deps.Log.Debug("telephone: ACK", "error", err)
	}
}
