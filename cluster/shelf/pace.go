package shelf

import (
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/time/rate"
)

const (
	piece      = 32 << 10         // octets that are sent at once
	pieceLimit = 10 * time.Second // for one of them to be taken: past it the peer is taken for dead
)

// DefaultRate is what a node sends to the others, in octets a second: about a seventh of gigabit Ethernet.
const DefaultRate = 16 << 20

// pace bounds what this node sends. What nobody waits for has half of it.
type pace struct{ all, background *rate.Limiter }

func newPace(octetsPerSecond int) *pace {
	return &pace{
		all:        rate.NewLimiter(rate.Limit(octetsPerSecond), max(piece, octetsPerSecond/20)),
		background: rate.NewLimiter(rate.Limit(octetsPerSecond)/2, max(piece, octetsPerSecond/40)),
	}
}

func (p *pace) wait(ctx context.Context, n int, background bool) error {
	if background {
		if err := p.background.WaitN(ctx, n); err != nil {
			return err
		}
	}
	return p.all.WaitN(ctx, n)
}

// send sends n octets of r, no faster than the pace allows.
func (p *pace) send(ctx context.Context, conn net.Conn, r io.Reader, n int64, background bool) error {
	buf := make([]byte, piece)
	for n > 0 {
		b := buf[:min(n, piece)]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		if err := p.wait(ctx, len(b), background); err != nil {
			return err
		}
		if err := conn.SetWriteDeadline(time.Now().Add(pieceLimit)); err != nil {
			return err
		}
		if _, err := conn.Write(b); err != nil {
			return err
		}
		n -= int64(len(b))
	}
	return nil
}

// take reads n octets into w. A peer that stands still is given up.
func take(conn net.Conn, r io.Reader, w io.Writer, n int64) error {
	buf := make([]byte, piece)
	for n > 0 {
		if err := conn.SetReadDeadline(time.Now().Add(pieceLimit)); err != nil {
			return err
		}
		k, err := r.Read(buf[:min(n, piece)])
		if _, bad := w.Write(buf[:k]); bad != nil {
			return bad
		}
		if n -= int64(k); err != nil && n > 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}
