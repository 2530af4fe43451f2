package telephone

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// screenedConn is the UDP socket as the SIP stack sees it: only what passed the screen comes out of it. The stack remembers each
// source that it reads from, so a source must be worth it.
type screenedConn struct {
	*net.UDPConn
	server *Server
}

// ReadFrom gives the next datagram that may pass.
func (c *screenedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, src, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return n, nil, err
		}
		if c.server.screen(c.UDPConn, b[:n], src) {
			return n, net.UDPAddrFromAddrPort(canonical(src)), nil
		}
	}
}

// pong is the answer to a keep-alive (RFC 5626 §3.5.1).
var pong = []byte("\r\n")

// screen decides on one datagram. A stranger's request that proves nothing is answered from here, and forgotten.
func (s *Server) screen(conn *net.UDPConn, b []byte, src netip.AddrPort) bool {
	v := s.guard.admit(src)
	if v == drop {
		s.counters.Limited.Add(1)
		return false
	}
	if len(b) <= 4 {
		if v == known && bytes.Equal(b, []byte("\r\n\r\n")) {
			_, _ = conn.WriteToUDPAddrPort(pong, src)
		}
		return false
	}
	if !plausible(b, s.cfg.Limits.MessageBytes) {
		s.counters.Malformed.Add(1)
		return false
	}
	if v == known {
		return true
	}
	msg, err := s.parser.ParseSIP(b)
	if err != nil {
		s.counters.Malformed.Add(1)
		return false
	}
	req, ok := msg.(*sip.Request)
	if !ok {
		return false
	}
	return s.screenRequest(req, src, func(res *sip.Response) {
		_, _ = conn.WriteToUDPAddrPort([]byte(res.String()), src)
	})
}

// plausible is the cheap look at what claims to be SIP: a start line with the version, and an end of the headers.
func plausible(b []byte, max int) bool {
	if len(b) < 32 || len(b) > max || b[0] < 'A' || b[0] > 'Z' {
		return false
	}
	eol := bytes.IndexByte(b, '\n')
	if eol < 12 || eol > 1024 {
		return false
	}
	line := bytes.TrimRight(b[:eol], "\r")
	if !bytes.HasPrefix(line, []byte("SIP/2.0 ")) && !bytes.HasSuffix(line, []byte(" SIP/2.0")) {
		return false
	}
	return bytes.Contains(b, []byte("\r\n\r\n"))
}

// screenRequest reports whether a stranger's request may go on; if not it may have been answered.
func (s *Server) screenRequest(req *sip.Request, src netip.AddrPort, answer func(*sip.Response)) bool {
	if req.Via() == nil || req.From() == nil || req.To() == nil || req.CallID() == nil || req.CSeq() == nil {
		s.counters.Malformed.Add(1)
		return false
	}
	if s.calls.byRequest(req) != nil {
		return true
	}
	stale := false
	if c, ok := authorization(req); ok {
		state, _ := s.nonces.check(s.now(), c.nonce, src.Addr())
		if state == nonceGood {
			return true
		}
		stale = state == nonceStale
	}
	switch req.Method {
	case sip.ACK:
	case sip.REGISTER, sip.INVITE:
		s.counters.Challenged.Add(1)
		answer(s.challenge(req, src.Addr(), stale))
	case sip.OPTIONS:
		answer(s.optionsAnswer(req))
	case sip.BYE, sip.CANCEL, sip.INFO, sip.UPDATE, sip.REFER, sip.NOTIFY, sip.PRACK:
		answer(sip.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
	default:
		answer(notAllowed(req))
	}
	return false
}

// authorization reads the digest of a request, of either header.
func authorization(req *sip.Request) (credentials, bool) {
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		if h := req.GetHeader(name); h != nil {
			return parseCredentials(h.Value())
		}
	}
	return credentials{}, false
}

func (s *Server) challenge(req *sip.Request, addr netip.Addr, stale bool) *sip.Response {
	res := sip.NewResponseFromRequest(req, sip.StatusUnauthorized, "Unauthorized", nil)
	nonce := s.nonces.make(s.now(), addr)
	for _, v := range challenges(s.cfg.Realm, nonce, s.algorithms(req), stale) {
		res.AppendHeader(sip.NewHeader("WWW-Authenticate", v))
	}
	return res
}

// algorithms are those that the caller may be asked for. Telephones that know MD5 only give up at the sight of another challenge
// beside it (libre does), so SHA-256 is asked of an extension that has no MD5 secret, or of all when so configured.
func (s *Server) algorithms(req *sip.Request) []string {
	user := req.From().Address.User
	if acc, ok := s.deps.Accounts.ByUser(user); ok && acc.HA1MD5 == "" {
		return []string{"SHA-256"}
	}
	return s.cfg.Digest
}

const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, REGISTER, NOTIFY"

func notAllowed(req *sip.Request) *sip.Response {
	res := sip.NewResponseFromRequest(req, 405, "Method Not Allowed", nil)
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	return res
}

func (s *Server) optionsAnswer(req *sip.Request) *sip.Response {
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	res.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	res.AppendHeader(sip.NewHeader("Supported", "timer, outbound"))
	return res
}
