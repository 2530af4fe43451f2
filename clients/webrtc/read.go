package webrtc

import (
	"errors"
	"net"
	"net/netip"

	"github.com/pion/rtp"
	"github.com/pion/stun/v4"

	"github.com/guantong-net/guantong/fusion/voice"
)

// reader is what one reading goroutine uses again for each datagram.
type reader struct {
	buf    [datagramMax]byte
	plain  [datagramMax]byte
	oob    [256]byte
	msg    stun.Message
	header rtp.Header
	packet voice.Packet
}

// origin is where a datagram came from, and which of our addresses it came to.
type origin struct {
	remote netip.AddrPort
	local  netip.Addr
	index  uint32 // of the interface; matters for link-local addresses only
}

// read serves datagrams until the socket is closed.
func (s *Server) read() error {
	r := new(reader)
	for {
		n, from, err := s.sock.read(r.buf[:], r.oob[:])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			s.count.unknown.Add(1) // an ICMP error of an earlier send, say
			continue
		}
		s.count.received.Add(1)
		s.handle(r, r.buf[:n], from)
	}
}

// handle tells protocols apart by the first byte (RFC 7983 §7).
func (s *Server) handle(r *reader, data []byte, from origin) {
	if len(data) == 0 {
		s.count.unknown.Add(1)
		return
	}
	switch b := data[0]; {
	case b <= 3:
		s.handleSTUN(r, data, from)
	case b >= 20 && b <= 63:
		s.handleDTLS(data, from)
	case b >= 128 && b <= 191 && len(data) >= 8:
		x := s.sessionAt(from.remote)
		if x == nil {
			s.count.unknown.Add(1)
			return
		}
		// RFC 5761 §4: payload types 64 to 95 with the marker's bit are RTCP.
		if pt := data[1] & 0x7F; pt >= 64 && pt <= 95 {
			x.handleSRTCP(r, data)
		} else {
			x.handleSRTP(r, data)
		}
	default:
		s.count.unknown.Add(1)
	}
}

func (s *Server) sessionAt(a netip.AddrPort) *Session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byAddr[a]
}
