package webrtc

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/pion/stun/v4"
)

// stunMax is the largest request that is looked at: a check has some 100 bytes.
const stunMax = 548

// handleSTUN answers a connectivity check (RFC 8445 §7.3, as an ICE-lite agent) and takes consent from it.
func (s *Server) handleSTUN(r *reader, data []byte, from origin) {
	x, err := s.checkSTUN(&r.msg, data)
	if err != nil || x == nil {
		s.count.badSTUN.Add(1)
		return
	}
	m := &r.msg
	_, claimsControlled := m.Attributes.Get(stun.AttrICEControlled)
	reply, err := bindingReply(m, x.pwd, from.remote, claimsControlled)
	if err != nil {
		s.count.badSTUN.Add(1)
		return
	}
	if !claimsControlled {
		_, nominated := m.Attributes.Get(stun.AttrUseCandidate)
		x.consent(from, nominated)
	}
	s.sock.send(reply, newDestination(s.sock.family, from))
}

// checkSTUN finds the session of a request and proves its integrity. Nothing is kept before that.
func (s *Server) checkSTUN(m *stun.Message, data []byte) (*Session, error) {
	if len(data) > stunMax || !stun.IsMessage(data) {
		return nil, stun.ErrUnexpectedHeaderEOF
	}
	m.Raw = append(m.Raw[:0], data...)
	if err := m.Decode(); err != nil {
		return nil, err
	}
	if m.Type != stun.BindingRequest {
		return nil, nil
	}
	name, err := m.Get(stun.AttrUsername)
	if err != nil {
		return nil, err
	}
	local, _, ok := strings.Cut(string(name), ":")
	s.mu.RLock()
	x := s.byUfrag[local]
	s.mu.RUnlock()
	if !ok || x == nil {
		return nil, nil
	}
	if err := x.pwd.Check(m); err != nil {
		return nil, err
	}
	return x, stun.Fingerprint.Check(m)
}

// bindingReply builds the success, or 487 for a client that thinks it is controlled too (RFC 8445 §7.3.1.1).
func bindingReply(m *stun.Message, pwd stun.MessageIntegrity, remote netip.AddrPort, conflict bool) ([]byte, error) {
	id := stun.NewTransactionIDSetter(m.TransactionID)
	var res *stun.Message
	var err error
	if conflict {
		res, err = stun.Build(id, stun.BindingError, stun.CodeRoleConflict, pwd, stun.Fingerprint)
	} else {
		ip := remote.Addr()
		mapped := &stun.XORMappedAddress{IP: ip.AsSlice(), Port: int(remote.Port())}
		res, err = stun.Build(id, stun.BindingSuccess, mapped, pwd, stun.Fingerprint)
	}
	if err != nil {
		return nil, err
	}
	return res.Raw, nil
}

// consent notes an authenticated request from an address, and follows a nomination there.
func (x *Session) consent(from origin, nominated bool) {
	s := x.server
	x.consented.Store(s.cfg.Now().UnixNano())
	s.mu.Lock()
	if !x.closed.Load() && s.byAddr[from.remote] != x {
		x.addPath(from.remote)
	}
	s.mu.Unlock()
	if !nominated {
		return
	}
	x.out.Lock()
	defer x.out.Unlock()
	if x.addr == from.remote && x.remote.local == from.local {
		return
	}
	if x.addr.IsValid() && x.connected.Load() {
		s.count.rebound.Add(1)
	}
	x.addr, x.remote = from.remote, newDestination(s.sock.family, from)
}

// addPath makes an address the session's; the oldest one gives way. An address belongs to one session: a client that
// opens a second one on the same socket takes it along. Server.mu is held.
func (x *Session) addPath(a netip.AddrPort) {
	s := x.server
	if old := s.byAddr[a]; old != nil {
		for i, p := range old.paths {
			if p == a {
				old.paths = append(old.paths[:i], old.paths[i+1:]...)
				break
			}
		}
	}
	if len(x.paths) == maxPaths {
		if s.byAddr[x.paths[0]] == x {
			delete(s.byAddr, x.paths[0])
		}
		x.paths = append(x.paths[:0], x.paths[1:]...)
	}
	x.paths = append(x.paths, a)
	s.byAddr[a] = x
}

// ntp is a time's 64-bit NTP form (RFC 3550 §4).
func ntp(unixNano int64) uint64 {
	const epoch = 2208988800 // 1900 → 1970 in seconds
	sec := uint64(unixNano/1e9) + epoch
	frac := (uint64(unixNano%1e9) << 32) / 1e9
	return sec<<32 | frac
}

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
