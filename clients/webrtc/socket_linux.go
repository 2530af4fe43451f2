package webrtc

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize   = 64
	controlSize = 40 // one in6_pktinfo or in_pktinfo with its header, rounded up
)

// socket is the one UDP socket. It knows by which of our addresses a client came (IP_PKTINFO), and answers by the same:
// on a machine with several addresses the kernel's own choice is often another, which ICE refuses.
type socket struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	local  netip.AddrPort
	family int

	mu  sync.Mutex // of one
	one *batch
}

func newSocket(conn *net.UDPConn, buffer int) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	k := &socket{conn: conn, raw: raw, local: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	// A kernel that gives less is no reason not to serve.
	_, _ = conn.SetReadBuffer(buffer), conn.SetWriteBuffer(buffer)
	var opt error
	err = raw.Control(func(fd uintptr) {
		if k.family, opt = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN); opt != nil {
			return
		}
		if k.family == unix.AF_INET6 {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		} else {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	})
	if err = errors.Join(err, opt); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	k.one = newBatch(k)
	return k, nil
}

// close ends the readers and waits for every goroutine of the server.
func (k *socket) close(wg *sync.WaitGroup) error {
	err := k.conn.Close()
	wg.Wait()
	return err
}

// read takes one datagram.
func (k *socket) read(buf, oob []byte) (int, origin, error) {
	n, oobn, _, from, err := k.conn.ReadMsgUDPAddrPort(buf, oob)
	if err != nil {
		return 0, origin{}, err
	}
	o := origin{remote: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
	o.local, o.index = packetInfo(oob[:oobn])
	return n, o, nil
}

// packetInfo finds the address that a datagram was sent to.
func packetInfo(oob []byte) (netip.Addr, uint32) {
	for len(oob) >= unix.CmsgSpace(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			a := netip.AddrFrom16([16]byte(data[:16])).Unmap()
			return a, *(*uint32)(unsafe.Pointer(&data[16]))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(data[8:12])), 0
		}
		oob = rest
	}
	return netip.Addr{}, 0
}

// destination is a remote address, and the local one to send from, as the kernel wants them.
type destination struct {
	local      netip.Addr
	name       [unix.SizeofSockaddrInet6]byte
	control    [controlSize]byte
	nameLen    uint32
	controlLen int
}

func newDestination(family int, to origin) destination {
	d := destination{local: to.local}
	port := to.remote.Port()
	if family == unix.AF_INET6 {
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&d.name))
		sa.Family, sa.Addr = unix.AF_INET6, to.remote.Addr().As16()
		d.name[2], d.name[3] = byte(port>>8), byte(port)
		if to.remote.Addr().IsLinkLocalUnicast() && to.remote.Addr().Is6() {
			sa.Scope_id = to.index
		}
		d.nameLen = unix.SizeofSockaddrInet6
		d.from6(to)
		return d
	}
	sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&d.name))
	sa.Family, sa.Addr = unix.AF_INET, to.remote.Addr().As4()
	d.name[2], d.name[3] = byte(port>>8), byte(port)
	d.nameLen = unix.SizeofSockaddrInet4
	d.from4(to)
	return d
}

func (d *destination) from6(to origin) {
	if !to.local.IsValid() {
		return
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&d.control))
	h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
	info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&d.control[unix.CmsgLen(0)]))
	info.Addr = to.local.As16()
	if to.local.IsLinkLocalUnicast() && to.local.Is6() {
		info.Ifindex = to.index
	}
	d.controlLen = unix.CmsgSpace(unix.SizeofInet6Pktinfo)
}

func (d *destination) from4(to origin) {
	if !to.local.Is4() {
		return
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&d.control))
	h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	(*unix.Inet4Pktinfo)(unsafe.Pointer(&d.control[unix.CmsgLen(0)])).Spec_dst = to.local.As4()
	d.controlLen = unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// batch collects datagrams for one sendmmsg. It is for one goroutine at a time.
type batch struct {
	sock     *socket
	n, from  int
	failed   int
	hdrs     [batchSize]mmsghdr
	iovs     [batchSize]unix.Iovec
	names    [batchSize][unix.SizeofSockaddrInet6]byte
	controls [batchSize][controlSize]byte
	bufs     [batchSize][datagramMax]byte
	fn       func(fd uintptr) bool
}

func newBatch(k *socket) *batch {
	b := &batch{sock: k}
	b.fn = b.attempt
	for i := range b.hdrs {
		h := &b.hdrs[i].hdr
		h.Name = &b.names[i][0]
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		b.iovs[i].Base = &b.bufs[i][0]
	}
	return b
}

// next is the buffer of the next datagram.
func (b *batch) next() []byte { return b.bufs[b.n][:0] }

// add takes the datagram that was written to next.
func (b *batch) add(size int, d *destination) {
	h := &b.hdrs[b.n].hdr
	copy(b.names[b.n][:], d.name[:d.nameLen])
	h.Namelen = d.nameLen
	b.iovs[b.n].SetLen(size)
	h.Control = nil
	if d.controlLen > 0 {
		copy(b.controls[b.n][:], d.control[:d.controlLen])
		h.Control = &b.controls[b.n][0]
	}
	h.SetControllen(d.controlLen)
	b.n++
}

func (b *batch) full() bool { return b.n == batchSize }

// flush sends what was added, and says how many the kernel did not take.
func (b *batch) flush() (failed int) {
	b.from, b.failed = 0, 0
	for b.from < b.n {
		if err := b.sock.raw.Write(b.fn); err != nil { // closed
			b.failed += b.n - b.from
			break
		}
	}
	b.n = 0
	return b.failed
}

// attempt is one sendmmsg. It reports false when the socket's buffer is full, to be called again when it is not.
func (b *batch) attempt(fd uintptr) bool {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.hdrs[b.from])), uintptr(b.n-b.from), unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		b.from += int(n)
	case unix.EAGAIN:
		return false
	case unix.EINTR:
	default: // this one cannot be sent (no route, say); the others can
		b.from++
		b.failed++
	}
	return true
}

// send sends one datagram outside the hot path.
func (k *socket) send(data []byte, d destination) {
	if len(data) > datagramMax {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n := copy(k.one.next()[:datagramMax], data)
	k.one.add(n, &d)
	k.one.flush()
}
