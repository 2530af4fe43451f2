package pipe

import (
	"net"
	"os"
	"sync"
	"time"
)

// depth is how many records wait for the DTLS machine: a flight has at most some six.
const depth = 16

// Conn serves one machine. T says where a record came from and an answer goes to.
type Conn[T any] struct {
	in   chan []byte
	done chan struct{}
	send func(data []byte, to T)
	peer net.Addr

	mu       sync.Mutex
	hangUp   func() // sends close_notify, once DTLS is up
	to       T      // where the last record came from
	mute     bool
	closed   bool
	deadline time.Time
	expired  chan struct{} // replaced when the deadline changes
	timer    *time.Timer
}

// New makes a Conn that tells its machine that it talks to peer.
func New[T any](peer net.Addr, send func(data []byte, to T)) *Conn[T] {
	return &Conn[T]{peer: peer, in: make(chan []byte, depth), done: make(chan struct{}), expired: make(chan struct{}), send: send}
}

// Push gives a record to the machine; it reports false when it was dropped.
func (p *Conn[T]) Push(data []byte, from T) bool {
	p.mu.Lock()
	p.to = from
	p.mu.Unlock()
	select {
	case p.in <- append([]byte(nil), data...):
		return true
	default:
		return false
	}
}

// OnFarewell says how to tell the peer goodbye.
func (p *Conn[T]) OnFarewell(hangUp func()) {
	p.mu.Lock()
	p.hangUp = hangUp
	p.mu.Unlock()
}

// Farewell lets the machine go, after goodbye to the peer if that is polite and was prepared.
func (p *Conn[T]) Farewell(polite bool) {
	p.mu.Lock()
	hangUp := p.hangUp
	p.mu.Unlock()
	if hangUp != nil && polite {
		hangUp()
	}
	p.Silence()
	_ = p.Close() // never fails
}

// Silence drops all that the machine still writes.
func (p *Conn[T]) Silence() {
	p.mu.Lock()
	p.mute = true
	p.mu.Unlock()
}

// ReadFrom implements net.PacketConn.
func (p *Conn[T]) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		p.mu.Lock()
		expired, deadline := p.expired, p.deadline
		p.mu.Unlock()
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return 0, nil, os.ErrDeadlineExceeded
		}
		select {
		case data := <-p.in:
			return copy(b, data), p.peer, nil
		case <-p.done:
			return 0, nil, net.ErrClosed
		case <-expired:
		}
	}
}

// WriteTo implements net.PacketConn. The address is ignored: ICE says where the client is.
func (p *Conn[T]) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.mu.Lock()
	to, mute, closed := p.to, p.mute, p.closed
	p.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	if !mute {
		p.send(b, to)
	}
	return len(b), nil
}

// Close implements net.PacketConn.
func (p *Conn[T]) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.done)
		if p.timer != nil {
			p.timer.Stop()
		}
	}
	return nil
}

// LocalAddr implements net.PacketConn.
func (p *Conn[T]) LocalAddr() net.Addr { return &net.UDPAddr{} }

// SetDeadline implements net.PacketConn.
func (p *Conn[T]) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn: writes do not wait.
func (p *Conn[T]) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (p *Conn[T]) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	old := p.expired
	p.deadline, p.expired = t, make(chan struct{})
	close(old) // whoever reads looks at the new deadline
	if d := time.Until(t); !t.IsZero() && d > 0 && !p.closed {
		mine := p.expired
		p.timer = time.AfterFunc(d, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.expired == mine {
				close(mine)
				p.expired = make(chan struct{})
			}
		})
	}
	return nil
}
