package telephone

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

type clientOf = sipgo.Client

func itoa(n int) string { return strconv.Itoa(n) }

// onInvite takes a new call, or a change of one that is there. The stack ends the transaction when this returns, so a
// new call stays in here until it is settled.
func (s *Server) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if req.To().Params.Has("tag") {
		s.onReinvite(req, tx)
		return
	}
	if req.GetHeader("Require") != nil && !onlyRequires(req, "timer") {
		res := sip.NewResponseFromRequest(req, 420, "Bad Extension", nil)
		res.AppendHeader(sip.NewHeader("Unsupported", req.GetHeader("Require").Value()))
		s.respond(tx, res)
		return
	}
	acc, t, ok := s.whoCalls(req, tx)
	if !ok {
		return
	}
	c, code, reason := s.incoming(req, tx, acc, t)
	if c == nil {
		s.counters.CallsRefused.Add(1)
		res := sip.NewResponseFromRequest(req, code, reason, nil)
		if code == 503 {
			res.AppendHeader(sip.NewHeader("Retry-After", "5"))
		}
		if code == 422 {
			res.AppendHeader(sip.NewHeader("Min-SE", seconds(s.cfg.Timers.MinSE)))
		}
		s.respond(tx, res)
		return
	}
	s.counters.CallsIn.Add(1)
	if !tx.OnCancel(func(*sip.Request) { c.finish(desk.Normal, false) }) {
		c.finish(desk.Normal, false)
		return
	}
	s.respond(tx, c.response(c.d, 100, "Trying"))
	s.deps.Incoming.Incoming(c, req.Recipient.User)
	c.await()
}

func onlyRequires(req *sip.Request, token string) bool {
	for _, h := range req.GetHeaders("Require") {
		for t := range strings.SplitSeq(h.Value(), ",") {
			if !strings.EqualFold(strings.TrimSpace(t), token) {
				return false
			}
		}
	}
	return true
}

// whoCalls finds the extension by its digest or the trunk by its address. When it is neither, the request has been answered.
func (s *Server) whoCalls(req *sip.Request, tx sip.ServerTransaction) (Account, *trunk, bool) {
	src := sourceOf(req).Addr()
	if _, hasDigest := authorization(req); !hasDigest {
		for _, t := range s.trunks {
			if t.owns(src) {
				return Account{}, t, true
			}
		}
	}
	acc, ok := s.authenticate(req, tx)
	if ok {
		s.conns.trust(sourceOf(req))
	}
	return acc, nil, ok
}

// incoming makes the call, or says why not.
func (s *Server) incoming(req *sip.Request, tx sip.ServerTransaction, acc Account, t *trunk) (*call, int, string) {
	transport := sip.NetworkToUpper(req.Transport())
	timer, ok := readTimer(req, s.cfg.Timers)
	if !ok {
		return nil, 422, "Session Interval Too Small"
	}
	c := &call{s: s, account: acc, trunk: t}
	if !s.calls.fits(c, s.cfg.Limits, s.registrar.isDuty(acc.Unit)) {
		return nil, 503, "Service Unavailable"
	}
	c, err := s.newCall(acc, t)
	if err != nil {
		return nil, 503, "Service Unavailable"
	}
	c.invite, c.tx, c.secure, c.timer = req, tx, transport == "TLS", timer
	c.caller = s.callerOf(req, acc, t)
	c.m.signal = sourceOf(req).Addr()
	if body := req.Body(); len(body) > 0 {
		if code, reason := c.takeOffer(body, contentType(req)); code != 0 {
			s.counters.BadSDP.Add(1)
			c.m.close()
			return nil, code, reason
		}
	}
	c.d = s.uasDialog(req)
	if !s.calls.admit(c, s.cfg.Limits, s.registrar.isDuty(acc.Unit)) {
		c.m.close()
		return nil, 503, "Service Unavailable"
	}
	s.guard.hold(c.d.dest)
	s.calls.addDialog(c.d, c)
	c.heardSIP.Store(s.now().UnixNano())
	c.m.start(c)
	return c, 0, ""
}

func contentType(req *sip.Request) string {
	if h := req.ContentType(); h != nil {
		return h.Value()
	}
	return ""
}

// callerOf says who calls. What a trunk's call says of its caller is a claim.
func (s *Server) callerOf(req *sip.Request, acc Account, t *trunk) desk.Caller {
	from := req.From()
	who := desk.Caller{Name: clean(from.DisplayName), Digits: clean(from.Address.User), Addr: sourceOf(req).String()}
	if t != nil {
		who.Trunk = t.cfg.Name
		return who
	}
	who.Unit, who.Name, who.Digits = acc.Unit, acc.Name, acc.User
	return who
}

// clean takes control characters out of a claim and bounds it, for it goes to screens.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > 64 {
		return string(r[:64])
	}
	return s
}

// takeOffer reads the caller's offer and agrees on it. A code that is not 0 refuses the call.
func (c *call) takeOffer(body []byte, typ string) (int, string) {
	if t, _, _ := strings.Cut(typ, ";"); !strings.EqualFold(strings.TrimSpace(t), "application/sdp") {
		return 415, "Unsupported Media Type"
	}
	d, err := parseSDP(body)
	if errors.Is(err, errBadSDP) {
		return 400, "Bad Session Description"
	}
	if err != nil {
		return 488, "Not Acceptable Here"
	}
	sess, err := c.agree(d)
	if err != nil {
		return 488, "Not Acceptable Here"
	}
	if c.settle(sess) != nil {
		return 500, "Server Internal Error"
	}
	c.offer, c.offered, c.held = d, true, !d.recv
	return 0, ""
}

// agree settles a description of the peer's, with a key of ours where it is secure.
func (c *call) agree(d description) (session, error) {
	sess, err := agree(d, c.codecs(), c.secure)
	if err != nil || sess.in == nil {
		return sess, err
	}
	if old := c.m.session(); old.out != nil && old.out.suite == sess.in.suite {
		sess.out = old.out // re-INVITE: our key stays
		return sess, nil
	}
	out, err := newCrypto(sess.in.tag, sess.in.suite, randReader{c.s})
	sess.out = &out
	return sess, err
}

// randReader lends out the server's randomness.
type randReader struct{ s *Server }

func (r randReader) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		v := r.s.random()
		for j := i; j < min(i+8, len(b)); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return len(b), nil
}

func (c *call) codecs() []codec.ID {
	if c.trunk != nil {
		return c.trunk.cfg.Codecs
	}
	return c.s.cfg.Codecs
}

// await stays until the call is settled: answered and acknowledged, refused, cancelled, or not answered in time.
func (c *call) await() {
	setup := time.NewTimer(c.s.cfg.Timers.Setup)
	defer setup.Stop()
	select {
	case <-c.settled:
	case <-c.acked:
	case <-setup.C:
		c.mu.Lock()
		rings := c.state == ringing
		c.mu.Unlock()
		if rings {
			c.finish(desk.NoAnswer, true)
		}
		select {
		case <-c.settled:
		case <-c.acked:
		}
	}
}

// local is our side of the next description.
func (c *call) local(d *dialog) local {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sdpVers++
	return local{
		addr: netip.AddrPortFrom(c.s.localAddr(d.dest.Addr()), c.m.port),
		id:   uint64(c.m.ssrc), vers: c.sdpVers, send: true,
	}
}

// Answer implements desk.Line. The 200 is repeated until its ACK comes (§13.3.1.4).
func (c *call) Answer(ctx context.Context) error {
	c.mu.Lock()
	if c.invite == nil || c.state != ringing {
		was := c.state
		c.mu.Unlock()
		if was == up {
			return nil
		}
		return errGone
	}
	c.state = up
	d := c.d
	c.mu.Unlock()
	res, err := c.accept(d)
	if err != nil {
		c.finish(desk.Failed, true)
		return err
	}
	if err := c.tx.Respond(res); err != nil {
		c.finish(desk.Normal, false)
		return errGone
	}
	c.s.background.Go(func() { c.untilAcked(res) })
	select {
	case <-c.acked:
		return nil
	case <-c.settled:
		return errGone
	case <-ctx.Done():
		return fusion.E(fusion.CutOff, "no_ack", "no ACK: %v", ctx.Err())
	}
}

// accept builds the 200 OK.
func (c *call) accept(d *dialog) (*sip.Response, error) {
	res := c.response(d, 200, "OK")
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	res.AppendHeader(sip.NewHeader("Supported", "timer"))
	c.timer.answer(res, c.invite)
	c.timer.refreshed(c.s.now())
	ct := sip.ContentTypeHeader("application/sdp")
	res.AppendHeader(&ct)
	if c.offered {
		res.SetBody(c.local(d).answer(c.offer, c.m.session()))
		return res, nil
	}
	body, err := c.makeOffer(d, c.secure)
	res.SetBody(body)
	return res, err
}

// makeOffer offers what we take; over TLS with SRTP, as a telephone that comes by TLS expects.
func (c *call) makeOffer(d *dialog, secure bool) ([]byte, error) {
	l := c.local(d)
	c.mu.Lock()
	have := c.keys.offered
	c.mu.Unlock()
	if secure && len(have) > 0 {
		l.keys = have
	} else if secure {
		for i, s := range []suite{suiteGCM, suiteSHA1} {
			k, err := newCrypto(itoa(i+1), s, randReader{c.s})
			if err != nil {
				return nil, err
			}
			l.keys = append(l.keys, k)
		}
	}
	if secure {
		c.mu.Lock()
		c.keys.offered = l.keys
		c.mu.Unlock()
	}
	return l.offer(c.codecs()), nil
}

// takeAnswer settles on the peer's answer to our offer.
func (c *call) takeAnswer(body []byte, secure bool) error {
	d, err := parseSDP(body)
	if err != nil {
		c.s.counters.BadSDP.Add(1)
		return err
	}
	sess, err := agree(d, c.codecs(), secure)
	if err != nil {
		return err
	}
	if sess.in != nil {
		c.mu.Lock()
		for i, k := range c.keys.offered {
			if k.suite == sess.in.suite && k.tag == sess.in.tag {
				sess.out = &c.keys.offered[i]
			}
		}
		c.mu.Unlock()
		if sess.out == nil {
			return errNoAudio
		}
	}
	return c.settle(sess)
}

// untilAcked repeats the 200 with the intervals of §13.3.1.4; without an ACK in 64·T1 the call is over.
func (c *call) untilAcked(res *sip.Response) {
	interval, total := sip.T1, time.Duration(0)
	for total < 64*sip.T1 {
		t := time.NewTimer(interval)
		select {
		case <-c.acked:
			t.Stop()
			return
		case <-c.settled:
			t.Stop()
			return
		case <-t.C:
		}
		total += interval
		interval = min(2*interval, sip.T2)
		_ = c.tx.Respond(res)
	}
	c.finish(desk.Failed, true)
}

// onAck takes the ACK of a 2xx: it may carry the answer to our offer.
func (s *Server) onAck(req *sip.Request, _ sip.ServerTransaction) {
	c := s.calls.byRequest(req)
	if c == nil {
		return
	}
	c.reack.Store(req.CSeq().SeqNo)
	c.mu.Lock()
	first := c.invite != nil && c.state == up && !isClosed(c.acked)
	if first {
		close(c.acked)
	}
	c.mu.Unlock()
	c.heardSIP.Store(s.now().UnixNano())
	if first && !c.offered {
		if err := c.takeAnswer(req.Body(), c.secure); err != nil {
			c.finish(desk.Failed, true)
		}
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
