package telephone

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender sends datagrams of one socket by the bare system call: it never blocks, so the scheduler need not
// know of it. The caller sees to it that the socket is not closed meanwhile.
type sender struct {
	fd    int
	v4    bool // the socket is of family IPv4
	sa    unix.RawSockaddrInet6
	saLen uintptr
}

func newSender(c *net.UDPConn) (sender, error) {
	s := sender{fd: -1}
	raw, err := c.SyscallConn()
	if err != nil {
		return s, err
	}
	err = raw.Control(func(fd uintptr) {
		s.fd = int(fd)
		if sa, err := unix.Getsockname(s.fd); err == nil {
			_, s.v4 = sa.(*unix.SockaddrInet4)
		}
	})
	return s, err
}

// aim sets where the next packets go.
func (s *sender) aim(to netip.AddrPort) {
	port := to.Port()<<8 | to.Port()>>8
	if s.v4 {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.sa))
		*sa = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: to.Addr().Unmap().As4()}
		s.saLen = unix.SizeofSockaddrInet4
		return
	}
	s.sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}
	s.saLen = unix.SizeofSockaddrInet6
}

// lock lets the kernel drop what comes from elsewhere, and spares it the look-up of the route.
func (s *sender) lock(to netip.AddrPort) error {
	s.aim(to)
	_, _, e := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(s.fd), uintptr(unsafe.Pointer(&s.sa)), s.saLen)
	if e != 0 {
		return e
	}
	s.saLen = 0
	return nil
}

// unlock undoes lock.
func (s *sender) unlock() {
	var sa [16]byte
	binary.NativeEndian.PutUint16(sa[:], unix.AF_UNSPEC)
	_, _, _ = syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(s.fd), uintptr(unsafe.Pointer(&sa[0])), 16)
}

func (s *sender) send(b []byte) bool {
	var sa unsafe.Pointer
	if s.saLen != 0 {
		sa = unsafe.Pointer(&s.sa)
	}
	for range 2 {
		_, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(sa), s.saLen)
		if e == 0 {
			return true
		}
		// An ICMP error of an earlier packet is reported by the next call and cleared by it.
		if e != unix.ECONNREFUSED && e != unix.EHOSTUNREACH && e != unix.ENETUNREACH && e != unix.EINTR {
			return false
		}
	}
	return false
}
