package telephone

import (
	"net/netip"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// dialog is the state of RFC 3261 §12. Requests go to the hop that the first one came from or went to: that keeps to the
// flow through address translators, and is the first of the route set wherever there is one.
type dialog struct {
	callID, localTag, remoteTag string
	local, remote               party
	target                      sip.Uri
	routes                      []string // Route header values
	transport                   string
	dest                        netip.AddrPort
	contact                     string // our user part

	mu   sync.Mutex
	lseq uint32
	rseq uint32
}

// party is one end as From and To show it.
type party struct {
	name string
	uri  sip.Uri
}

// uasDialog is the dialog that an INVITE makes for the one who is called (§12.1.1).
func (s *Server) uasDialog(req *sip.Request) *dialog {
	d := &dialog{
		callID: req.CallID().Value(), localTag: s.newTag(), rseq: req.CSeq().SeqNo, lseq: 1,
		local:     party{req.To().DisplayName, *req.To().Address.Clone()},
		remote:    party{req.From().DisplayName, *req.From().Address.Clone()},
		transport: sip.NetworkToUpper(req.Transport()), dest: sourceOf(req), contact: req.Recipient.User,
	}
	d.remoteTag, _ = req.From().Params.Get("tag")
	d.target = d.remote.uri
	if c := req.Contact(); c != nil {
		d.target = *c.Address.Clone()
	}
	for _, h := range req.GetHeaders("Record-Route") {
		d.routes = append(d.routes, h.Value())
	}
	return d
}

// confirm takes what the answer to our INVITE says (§12.1.2).
func (d *dialog) confirm(res *sip.Response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remoteTag, _ = res.To().Params.Get("tag")
	if c := res.Contact(); c != nil {
		d.target = *c.Address.Clone()
	}
	d.routes = nil
	for _, h := range res.GetHeaders("Record-Route") {
		d.routes = append([]string{h.Value()}, d.routes...)
	}
}

// newer takes the number of a request of the peer's; false when it goes back (§12.2.2).
func (d *dialog) newer(req *sip.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := req.CSeq().SeqNo
	if n <= d.rseq {
		return false
	}
	d.rseq = n
	if c := req.Contact(); c != nil && (req.Method == sip.INVITE || req.Method == sip.UPDATE) {
		d.target = *c.Address.Clone()
	}
	return true
}

// request makes a request inside the dialog (§12.2.1.1). The ACK of a 2xx has the number of its INVITE.
func (s *Server) inDialog(d *dialog, method sip.RequestMethod, ackOf uint32) *sip.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	seq := ackOf
	if method != sip.ACK {
		d.lseq++
		seq = d.lseq
	}
	req := sip.NewRequest(method, *d.target.Clone())
	req.AppendHeader(s.via(d.transport, d.dest.Addr()))
	for _, r := range d.routes {
		req.AppendHeader(sip.NewHeader("Route", r))
	}
	mf := sip.MaxForwardsHeader(70)
	req.AppendHeader(&mf)
	from := &sip.FromHeader{DisplayName: d.local.name, Address: *d.local.uri.Clone()}
	from.Params.Add("tag", d.localTag)
	to := &sip.ToHeader{DisplayName: d.remote.name, Address: *d.remote.uri.Clone()}
	if d.remoteTag != "" {
		to.Params.Add("tag", d.remoteTag)
	}
	id := sip.CallIDHeader(d.callID)
	req.AppendHeader(from)
	req.AppendHeader(to)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	if method != sip.BYE && method != sip.ACK {
		req.AppendHeader(s.contact(d.contact, d.transport, d.dest.Addr()))
	}
	s.aim(req, d.transport, d.dest)
	req.SetBody(nil)
	return req
}

// dialogKey finds a call by what a request of the peer's says of our side.
func dialogKey(callID, localTag string) string { return callID + "\x00" + localTag }

// has reports whether a header lists a token (Supported, Allow, Require).
func has(m interface{ GetHeaders(string) []sip.Header }, name, token string) bool {
	for _, h := range m.GetHeaders(name) {
		for t := range strings.SplitSeq(h.Value(), ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
