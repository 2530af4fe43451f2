package api

import (
	"net"

	"golang.org/x/sys/unix"
)

// writable asks the kernel whether a socket has room for a short message.
func writable(c *net.TCPConn) func() bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return func() bool { return true }
	}
	ask := []unix.PollFd{{Events: unix.POLLOUT}}
	var free bool
	poll := func(fd uintptr) {
		ask[0].Fd, ask[0].Revents = int32(fd), 0
		n, err := unix.Poll(ask, 0)
		free = err == nil && n > 0 && ask[0].Revents&unix.POLLOUT != 0
	}
	return func() bool {
		free = false
		return raw.Control(poll) == nil && free
	}
}
