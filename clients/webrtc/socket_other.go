//go:build !linux

package webrtc

import (
	"net"
	"net/netip"
	"sync"
)

const batchSize = 64

// socket is the one UDP socket where sendmmsg and IP_PKTINFO are not to be had: each datagram is a call of its own, and
// the kernel chooses the address it leaves from.
type socket struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	family int
}

func newSocket(conn *net.UDPConn, buffer int) (*socket, error) {
	_, _ = conn.SetReadBuffer(buffer), conn.SetWriteBuffer(buffer)
	return &socket{conn: conn, local: conn.LocalAddr().(*net.UDPAddr).AddrPort()}, nil
}

func (k *socket) close(wg *sync.WaitGroup) error {
	err := k.conn.Close()
	wg.Wait()
	return err
}

func (k *socket) read(buf, _ []byte) (int, origin, error) {
	n, from, err := k.conn.ReadFromUDPAddrPort(buf)
	return n, origin{remote: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}, err
}

type destination struct {
	local netip.Addr
	to    netip.AddrPort
}

func newDestination(_ int, to origin) destination { return destination{local: to.local, to: to.remote} }

type batch struct {
	sock  *socket
	n     int
	sizes [batchSize]int
	to    [batchSize]netip.AddrPort
	bufs  [batchSize][datagramMax]byte
}

func newBatch(k *socket) *batch { return &batch{sock: k} }

func (b *batch) next() []byte { return b.bufs[b.n][:0] }

func (b *batch) add(size int, d *destination) {
	b.sizes[b.n], b.to[b.n] = size, d.to
	b.n++
}

func (b *batch) full() bool { return b.n == batchSize }

func (b *batch) flush() (failed int) {
	for i := range b.n {
		if _, err := b.sock.conn.WriteToUDPAddrPort(b.bufs[i][:b.sizes[i]], b.to[i]); err != nil {
			failed++
		}
	}
	b.n = 0
	return failed
}

func (k *socket) send(data []byte, d destination) {
	_, _ = k.conn.WriteToUDPAddrPort(data, d.to) // best effort, like every datagram
}
