//go:build !linux

package telephone

import (
	"net"
	"net/netip"
)

// sender sends datagrams of one socket.
type sender struct {
	conn *net.UDPConn
	to   netip.AddrPort
}

func newSender(c *net.UDPConn) (sender, error) { return sender{conn: c}, nil }

func (s *sender) aim(to netip.AddrPort) { s.to = to }

func (s *sender) lock(to netip.AddrPort) error { s.to = to; return nil }

func (s *sender) unlock() {}

func (s *sender) send(b []byte) bool {
	_, err := s.conn.WriteToUDPAddrPort(b, s.to)
	return err == nil
}
