package floating

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// System is the kernel of this machine, by netlink (rtnetlink(7)) and packet sockets (packet(7)).
type System struct{}

// Add implements Kernel. An address that is there gets the lifetime anew.
func (System) Add(a Address, lifetime time.Duration) error {
	dev, err := net.InterfaceByName(a.Device)
	if err != nil {
		return fmt.Errorf("floating: %s: %w", a.Device, err)
	}
	seconds := uint32(max(1, (lifetime+time.Second-1)/time.Second))
	var cache []byte // struct ifa_cacheinfo: preferred and valid lifetime, two stamps
	for _, v := range []uint32{seconds, seconds, 0, 0} {
		cache = binary.NativeEndian.AppendUint32(cache, v)
	}
	m := addressMessage(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, a, dev.Index)
	m = attribute(m, unix.IFA_CACHEINFO, cache)
	if a.Prefix.Addr().Is6() { // no duplicate detection: the one who had it may have it for a moment still
		m = attribute(m, unix.IFA_FLAGS, binary.NativeEndian.AppendUint32(nil, unix.IFA_F_NODAD))
	}
	return netlink(m)
}

// Remove implements Kernel.
func (System) Remove(a Address) error {
	dev, err := net.InterfaceByName(a.Device)
	if err != nil {
		return nil // with the device went the address
	}
	err = netlink(addressMessage(unix.RTM_DELADDR, 0, a, dev.Index))
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return err
}

// addressMessage begins a message about an address: nlmsghdr, ifaddrmsg, IFA_LOCAL and IFA_ADDRESS.
func addressMessage(kind, flags uint16, a Address, device int) []byte {
	family := byte(unix.AF_INET)
	if a.Prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	m := make([]byte, unix.SizeofNlMsghdr, 128)
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
	m = append(m, family, byte(a.Prefix.Bits()), 0, unix.RT_SCOPE_UNIVERSE)
	m = binary.NativeEndian.AppendUint32(m, uint32(device))
	ip := a.Prefix.Addr().AsSlice()
	return attribute(attribute(m, unix.IFA_LOCAL, ip), unix.IFA_ADDRESS, ip)
}

// attribute appends one, padded to four octets.
func attribute(m []byte, kind uint16, data []byte) []byte {
	m = binary.NativeEndian.AppendUint16(m, uint16(unix.SizeofRtAttr+len(data)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = append(m, data...)
	for len(m)%4 != 0 {
		m = append(m, 0)
	}
	return m
}

// netlink sends one message and waits for its acknowledgement.
func netlink(m []byte) error {
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("floating: netlink: %w", err)
	}
	defer func() { _ = unix.Close(s) }()
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return fmt.Errorf("floating: netlink: %w", err)
	}
	if err := unix.Sendto(s, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("floating: netlink: %w", err)
	}
	var buf [4096]byte
	n, _, err := unix.Recvfrom(s, buf[:], 0)
	if err != nil {
		return fmt.Errorf("floating: netlink: %w", err)
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(buf[4:]) != unix.NLMSG_ERROR {
		return errors.New("floating: netlink: no acknowledgement")
	}
	if code := int32(binary.NativeEndian.Uint32(buf[unix.SizeofNlMsghdr:])); code != 0 {
		return fmt.Errorf("floating: netlink: %w", unix.Errno(-code))
	}
	return nil
}

// Announce implements Kernel.
func (System) Announce(a Address) error {
	dev, err := net.InterfaceByName(a.Device)
	if err != nil {
		return fmt.Errorf("floating: %s: %w", a.Device, err)
	}
	if len(dev.HardwareAddr) != 6 {
		return nil // a device without neighbours
	}
	frame, kind := []byte(nil), uint16(unix.ETH_P_ARP)
	if a.Prefix.Addr().Is6() {
		frame, kind = advertisement(dev.HardwareAddr, a.Prefix.Addr()), unix.ETH_P_IPV6
	} else {
		frame = gratuitousARP(dev.HardwareAddr, a.Prefix.Addr())
	}
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("floating: packet socket: %w", err)
	}
	defer func() { _ = unix.Close(s) }()
	to := &unix.SockaddrLinklayer{Ifindex: dev.Index, Protocol: kind<<8 | kind>>8, Halen: 6}
	copy(to.Addr[:], frame[:6])
	if err := unix.Sendto(s, frame, 0, to); err != nil {
		return fmt.Errorf("floating: announce: %w", err)
	}
	return nil
}

// gratuitousARP is a request for the own address from it, to all (RFC 5227 §3).
func gratuitousARP(mac net.HardwareAddr, ip netip.Addr) []byte {
	f := append([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, mac...)
	f = append(f, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	f = append(append(f, mac...), ip.AsSlice()...)
	f = append(append(f, 0, 0, 0, 0, 0, 0), ip.AsSlice()...)
	return append(f, make([]byte, 60-len(f))...)
}

// advertisement is an unsolicited neighbour advertisement to all nodes, which overrides what they know (RFC 4861 §4.4).
func advertisement(mac net.HardwareAddr, ip netip.Addr) []byte {
	all := netip.MustParseAddr("ff02::1")
	body := append([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, ip.AsSlice()...)
	body = append(append(body, 2, 1), mac...) // target link-layer address
	sum := checksum(ip, all, body)
	body[2], body[3] = byte(sum>>8), byte(sum)
	f := append([]byte{0x33, 0x33, 0, 0, 0, 1}, mac...)
	f = append(f, 0x86, 0xDD, 0x60, 0, 0, 0, 0, byte(len(body)), 58, 255)
	f = append(append(f, ip.AsSlice()...), all.AsSlice()...)
	return append(f, body...)
}

// checksum is that of ICMPv6, with its pseudo-header (RFC 8200 §8.1).
func checksum(from, to netip.Addr, body []byte) uint16 {
	data := append(append(from.AsSlice(), to.AsSlice()...), 0, 0, 0, byte(len(body)), 0, 0, 0, 58)
	data = append(data, body...)
	var sum uint32
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(data[i])<<8 | uint32(data[i+1])
	}
	for sum > 0xFFFF {
		sum = sum&0xFFFF + sum>>16
	}
	return ^uint16(sum)
}
