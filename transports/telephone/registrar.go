package telephone

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion"
)

// registrar knows where the extensions are (RFC 3261 §10), in memory.
type registrar struct {
	mu       sync.Mutex
	bindings map[fusion.Number][]*binding
	duty     map[netip.Addr]int // addresses that duty telephones are registered from
	isDuty   func(fusion.Number) bool
	guard    *guard
	told     func(fusion.Number, []Contact) // called with the lock held
}

// binding is one contact of an extension. What is sent to it goes along the flow that it registered by (RFC 5626).
type binding struct {
	unit      fusion.Number
	contact   sip.Uri
	key       string
	transport string // "UDP", "TCP", "TLS"
	flow      netip.AddrPort
	callID    string
	cseq      uint32
	expires   time.Time
	patience  time.Duration // with the first answer; 0: any
}

func newRegistrar(g *guard, duty []fusion.Number) *registrar {
	return &registrar{
		bindings: make(map[fusion.Number][]*binding), duty: make(map[netip.Addr]int), guard: g,
		isDuty: func(n fusion.Number) bool { return slices.Contains(duty, n) },
	}
}

// dutyAddr reports whether a duty telephone is registered from the address.
func (r *registrar) dutyAddr(a netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.duty[a] > 0
}

// add takes a binding in place of one with the same key. It fails on a CSeq that goes back (§10.3 step 7).
func (r *registrar) add(b *binding, maxContacts, maxUnits int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.bindings[b.unit]
	i := slices.IndexFunc(list, func(o *binding) bool { return o.key == b.key })
	if i >= 0 {
		if list[i].callID == b.callID && b.cseq <= list[i].cseq {
			return fusion.E(fusion.Conflict, "registration_old", "CSeq %d", b.cseq)
		}
		r.gone(list[i])
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 && i < 0 && len(r.bindings) >= maxUnits {
		return fusion.E(fusion.Busy, "registrations_full", "")
	}
	if len(list) >= maxContacts {
		r.gone(list[0])
		list = list[1:]
	}
	r.bindings[b.unit] = append(list, b)
	r.tell(b.unit)
	r.guard.hold(b.flow)
	if r.isDuty(b.unit) {
		r.duty[b.flow.Addr()]++
	}
	return nil
}

// gone undoes what add did for the flow. The caller holds the lock and removes the binding.
func (r *registrar) gone(b *binding) {
	r.guard.release(b.flow)
	if r.isDuty(b.unit) {
		if r.duty[b.flow.Addr()]--; r.duty[b.flow.Addr()] <= 0 {
			delete(r.duty, b.flow.Addr())
		}
	}
}

// removeIf drops the bindings that match.
func (r *registrar) removeIf(match func(*binding) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for unit, list := range r.bindings {
		kept := slices.DeleteFunc(list, func(b *binding) bool {
			if match(b) {
				r.gone(b)
				return true
			}
			return false
		})
		if len(kept) == len(list) {
			continue
		}
		if len(kept) == 0 {
			delete(r.bindings, unit)
		} else {
			r.bindings[unit] = kept
		}
		r.tell(unit)
	}
}

// tell says what an extension has now. The lock is held.
func (r *registrar) tell(unit fusion.Number) {
	if r.told == nil {
		return
	}
	list := make([]Contact, 0, len(r.bindings[unit]))
	for _, b := range r.bindings[unit] {
		list = append(list, Contact{Key: b.key, URI: b.contact.String(), Transport: b.transport, Flow: b.flow, Expires: b.expires})
	}
	r.told(unit, list)
}

func (r *registrar) flowClosed(src netip.AddrPort) {
	r.removeIf(func(b *binding) bool { return b.transport != "UDP" && b.flow == src })
}

func (r *registrar) sweep(now time.Time) {
	r.removeIf(func(b *binding) bool { return now.After(b.expires) })
}

// contacts gives where a unit is, the newest first.
func (r *registrar) contacts(unit fusion.Number, now time.Time) []*binding {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*binding
	for _, b := range slices.Backward(r.bindings[unit]) {
		if now.Before(b.expires) {
			out = append(out, b)
		}
	}
	return out
}

func (r *registrar) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bindings)
}

// onRegister answers REGISTER (§10.3).
func (s *Server) onRegister(req *sip.Request, tx sip.ServerTransaction) {
	acc, ok := s.authenticate(req, tx)
	if !ok {
		return
	}
	if to := req.To(); to == nil || to.Address.User != acc.User {
		s.respond(tx, sip.NewResponseFromRequest(req, 403, "Forbidden", nil))
		return
	}
	headers := req.GetHeaders("Contact")
	if len(headers) > s.cfg.Limits.Contacts {
		s.respond(tx, sip.NewResponseFromRequest(req, 400, "Too Many Contacts", nil))
		return
	}
	for _, h := range headers {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			s.respond(tx, sip.NewResponseFromRequest(req, 400, "Bad Contact", nil))
			return
		}
		if code, reason := s.bind(acc, c, req); code != 0 {
			res := sip.NewResponseFromRequest(req, code, reason, nil)
			res.AppendHeader(sip.NewHeader("Min-Expires", seconds(s.cfg.Timers.MinExpires)))
			s.respond(tx, res)
			return
		}
	}
	s.counters.Registered.Add(1)
	s.conns.trust(sourceOf(req))
	s.respond(tx, s.registered(acc, req))
}

// bind takes or removes one contact. A code that is not 0 is the refusal.
func (s *Server) bind(acc Account, c *sip.ContactHeader, req *sip.Request) (code int, reason string) {
	now, expires := s.now(), expiresOf(c, req, s.cfg.Timers.MaxExpires)
	if c.Address.Wildcard {
		if expires != 0 {
			return 400, "Bad Contact"
		}
		s.registrar.removeIf(func(b *binding) bool { return b.unit == acc.Unit })
		return 0, ""
	}
	key := contactKey(c)
	if expires == 0 {
		s.registrar.removeIf(func(b *binding) bool { return b.unit == acc.Unit && b.key == key })
		return 0, ""
	}
	if expires < s.cfg.Timers.MinExpires {
		return 423, "Interval Too Brief"
	}
	b := &binding{
		unit: acc.Unit, contact: *c.Address.Clone(), key: key, transport: sip.NetworkToUpper(req.Transport()),
		flow: sourceOf(req), callID: req.CallID().Value(), cseq: req.CSeq().SeqNo,
		expires: now.Add(min(expires, s.cfg.Timers.MaxExpires)),
	}
	err := s.registrar.add(b, s.cfg.Limits.Contacts, s.cfg.Limits.Registrations)
	switch fusion.FaultOf(err) {
	case fusion.Conflict:
		return 500, "Server Internal Error"
	case fusion.Busy:
		return 503, "Service Unavailable"
	}
	return 0, ""
}

// flowMark parts a telephone's instance from the flow by which it registered.
const flowMark = "/"

// contactKey tells contacts apart: by instance where there is one (RFC 5626 §4.1), else by URI.
func contactKey(c *sip.ContactHeader) string {
	if id, ok := c.Params.Get("+sip.instance"); ok && len(id) <= 128 {
		reg, _ := c.Params.Get("reg-id")
		return id + flowMark + reg
	}
	return fmt.Sprintf("%s@%s:%d", c.Address.User, c.Address.Host, c.Address.Port)
}

// expiresOf is what the contact, or else the header, asks for; without either the longest.
func expiresOf(c *sip.ContactHeader, req *sip.Request, longest time.Duration) time.Duration {
	v, ok := c.Params.Get("expires")
	if !ok {
		if h := req.GetHeader("Expires"); h != nil {
			v, ok = h.Value(), true
		}
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if !ok || err != nil {
		return longest
	}
	return min(time.Duration(n)*time.Second, longest)
}

// registered is the 200 with all contacts and what is left of each.
func (s *Server) registered(acc Account, req *sip.Request) *sip.Response {
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	now := s.now()
	for _, b := range s.registrar.contacts(acc.Unit, now) {
		h := &sip.ContactHeader{Address: *b.contact.Clone()}
		h.Params.Add("expires", seconds(b.expires.Sub(now)))
		res.AppendHeader(h)
	}
	res.AppendHeader(sip.NewHeader("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")))
	return res
}

func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }
