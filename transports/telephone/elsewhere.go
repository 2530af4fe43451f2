package telephone

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/guantong-net/guantong/fusion"
)

// elsewherePatience is for the first answer of a telephone that registered at another node: that may have died, and the telephone with it.
const elsewherePatience = 4 * time.Second

// contacts gives where a unit can be called from here, the newest first: what it registered here, and what at other nodes. A telephone that is
// registered at several nodes is called once.
func (s *Server) contacts(unit fusion.Number) []*binding {
	now := s.now()
	list := s.registrar.contacts(unit, now)
	if s.deps.Elsewhere == nil {
		return list
	}
	others := s.deps.Elsewhere(unit)
	slices.SortStableFunc(others, func(a, b Contact) int { return b.Expires.Compare(a.Expires) })
	for _, c := range others {
		b, ok := s.foreign(unit, c)
		if !ok || !now.Before(c.Expires) || len(list) >= s.cfg.Limits.Contacts {
			continue
		}
		if !slices.ContainsFunc(list, func(o *binding) bool { return samePhone(o, b) }) {
			list = append(list, b)
		}
	}
	return list
}

// foreign makes a binding of another node's contact, if the telephone can be reached from here: by its own address, over UDP or TCP. Over TLS, and
// from behind an address translator, a telephone answers only the connection that it opened itself.
func (s *Server) foreign(unit fusion.Number, c Contact) (*binding, bool) {
	var uri sip.Uri
	if len(c.URI) > 512 || len(c.Key) > 256 || sip.ParseUri(c.URI, &uri) != nil || !c.Flow.IsValid() {
		return nil, false
	}
	host, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	if err != nil || host.Unmap() != c.Flow.Addr().Unmap() {
		return nil, false
	}
	port := uint16(uri.Port)
	if uri.Port <= 0 || uri.Port > 65535 {
		port = 5060
	}
	switch {
	case c.Transport == "UDP" && s.udp != nil, c.Transport == "TCP" && s.tcp != nil:
	default:
		return nil, false
	}
	return &binding{unit: unit, contact: uri, key: c.Key, transport: c.Transport, flow: netip.AddrPortFrom(host.Unmap(), port), expires: c.Expires, patience: elsewherePatience}, true
}

// samePhone reports whether two contacts are one telephone: the same instance (RFC 5626), or the same address.
func samePhone(a, b *binding) bool {
	instance := func(x *binding) string {
		id, _, ok := strings.Cut(x.key, flowMark)
		if !ok {
			return ""
		}
		return id
	}
	if id := instance(a); id != "" && id == instance(b) {
		return true
	}
	return a.contact.Host == b.contact.Host && a.contact.Port == b.contact.Port && a.contact.User == b.contact.User
}
