package telephone

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/emiago/sipgo/sip"
)

// localAddr is our address as the peer should see it.
func (s *Server) localAddr(peer netip.Addr) netip.Addr {
	if s.cfg.Advertise.IsValid() {
		return s.cfg.Advertise
	}
	// Connecting a UDP socket sends nothing: it asks the kernel for the route.
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, 9)))
	if err != nil {
		return netip.IPv4Unspecified()
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
}

func (s *Server) localPort(transport string) int {
	a := s.Addr(sip.NetworkToLower(transport))
	if a == nil {
		return 0
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return int(ap.Port())
}

// contact is where requests to us go.
func (s *Server) contact(user, transport string, peer netip.Addr) *sip.ContactHeader {
	u := sip.Uri{Scheme: "sip", User: user, Host: hostOf(s.localAddr(peer)), Port: s.localPort(transport)}
	if transport != "UDP" {
		u.UriParams.Add("transport", sip.NetworkToLower(transport))
	}
	return &sip.ContactHeader{Address: u}
}

func hostOf(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// via is our hop; rport asks for answers along the same path (RFC 3581).
func (s *Server) via(transport string, peer netip.Addr) *sip.ViaHeader {
	v := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: transport,
		Host: hostOf(s.localAddr(peer)), Port: s.localPort(transport),
	}
	v.Params.Add("branch", sip.RFC3261BranchMagicCookie+s.newTag())
	v.Params.Add("rport", "")
	return v
}

// send aims a request: along the connection or socket that the peer knows us by.
func (s *Server) aim(req *sip.Request, transport string, dest netip.AddrPort) {
	req.SetTransport(transport)
	req.SetDestination(net.JoinHostPort(dest.Addr().String(), strconv.Itoa(int(dest.Port()))))
	if transport == "UDP" && s.udp != nil {
		a := s.udp.LocalAddr().(*net.UDPAddr)
		req.Laddr = sip.Addr{IP: a.IP, Port: a.Port, Zone: a.Zone}
	}
}
