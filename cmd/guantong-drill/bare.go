package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

// bareConfig is what the bare sender is told: the packets that the server forwarded, without the server.
type bareConfig struct {
	To      []netip.AddrPort `json:"to"`
	Octets  int              `json:"octets"` // of UDP payload
	Ticks   int              `json:"ticks"`  // of 20 ms
	Batched bool             `json:"batched"`
}

// bareCommand is the bare sender: one socket, one packet to each destination at each tick of 20 ms, nothing else. It prints its own CPU time in seconds. It sends one by one, or
// with sendmmsg by x/net's WriteBatch, whichever is asked for.
func bareCommand(ctx context.Context, in io.Reader, out io.Writer) error {
	var c bareConfig
	if err := json.NewDecoder(in).Decode(&c); err != nil {
		return fmt.Errorf("bare: %w", err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("bare: %w", err)
	}
	defer conn.Close()
	before, err := ownCPU()
	if err != nil {
		return err
	}
	packet := make([]byte, c.Octets)
	send := func() error {
		for _, to := range c.To {
			if _, err := conn.WriteToUDPAddrPort(packet, to); err != nil {
				return err
			}
		}
		return nil
	}
	if c.Batched {
		send = batches(conn, packet, c.To)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range c.Ticks {
		if err := send(); err != nil {
			return fmt.Errorf("bare: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	after, err := ownCPU()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%.6f\n", (after - before).Seconds())
	return err
}

// batchSize is how many packets one sendmmsg takes; more gain nothing.
const batchSize = 64

func batches(conn *net.UDPConn, packet []byte, to []netip.AddrPort) func() error {
	p := ipv4.NewPacketConn(conn)
	all := make([]ipv4.Message, len(to))
	for i, a := range to {
		all[i] = ipv4.Message{Buffers: [][]byte{packet}, Addr: net.UDPAddrFromAddrPort(a)}
	}
	return func() error {
		for at := 0; at < len(all); {
			n, err := p.WriteBatch(all[at:min(at+batchSize, len(all))], 0)
			if err != nil {
				return err
			}
			at += n
		}
		return nil
	}
}

func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("bare: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
