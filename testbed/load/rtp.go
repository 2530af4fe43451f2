package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	rtpHeader = 12
	frame     = 160 // samples and octets of 20 ms of G.711
)

// Count is what a telephone has heard.
type Count struct {
	Packets int // of audio
	Missing int // sequence numbers that were skipped within what was heard, less those that came late
	Twice   int // packets whose number had come before
	First   time.Time
	Last    time.Time
}

// counter counts packets of the audio payload; sequence numbers are followed within one SSRC (RFC 3550 §5.1).
type counter struct {
	mu   sync.Mutex
	c    Count
	ssrc uint32
	next uint16
	seen [1024]bool // by number modulo, behind next
	any  bool
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c, c.any = Count{}, false
}

func (c *counter) add(packet []byte, at time.Time) {
	seq, ssrc := binary.BigEndian.Uint16(packet[2:]), binary.BigEndian.Uint32(packet[8:])
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.any || ssrc != c.ssrc {
		c.any, c.ssrc, c.next = true, ssrc, seq
		c.seen = [1024]bool{}
		if c.c.First.IsZero() {
			c.c.First = at
		}
	}
	c.c.Last = at
	ahead := int16(seq - c.next)
	switch {
	case ahead >= 0:
		for n := c.next; n != seq; n++ {
			c.seen[n%1024] = false
		}
		c.c.Missing += int(ahead)
		c.next = seq + 1
	case c.seen[seq%1024]:
		c.c.Twice++
		return
	default:
		c.c.Missing--
	}
	c.seen[seq%1024] = true
	c.c.Packets++
}

// Count gives what was heard since the last Reset.
func (p *Phone) Count() Count {
	p.count.mu.Lock()
	defer p.count.mu.Unlock()
	return p.count.c
}

// Reset counts from nothing again.
func (p *Phone) Reset() { p.count.reset() }

func (p *Phone) readRTP() {
	defer p.done.Done()
	buf := make([]byte, 2048)
	for {
		n, err := p.rtp.Read(buf)
		if err != nil {
			return
		}
		if n <= rtpHeader || buf[0]>>6 != 2 || int(buf[1]&0x7f) != p.c.Payload {
			continue
		}
		at := time.Now()
		p.count.add(buf[:n], at)
		if p.c.Heard != nil {
			p.c.Heard(at, buf[:n])
		}
	}
}

func (p *Phone) send(payload int, marker bool, stamp uint32, body []byte) error {
	to := p.remote.Load()
	if to == nil {
		return fmt.Errorf("load: %s is in no call", p.c.User)
	}
	b := make([]byte, rtpHeader, rtpHeader+len(body))
	b[0], b[1] = 0x80, byte(payload)
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], p.seq)
	binary.BigEndian.PutUint32(b[4:], stamp)
	binary.BigEndian.PutUint32(b[8:], p.ssrc)
	p.seq++
	_, err := p.rtp.WriteToUDPAddrPort(append(b, body...), *to)
	return err
}

// Key presses one key of 0–9, * and # for 100 ms (RFC 4733 §2.5: three updates, three ends, one time stamp).
func (p *Phone) Key(ctx context.Context, key byte) error {
	code := map[byte]byte{'*': 10, '#': 11}[key]
	if key >= '0' && key <= '9' {
		code = key - '0'
	}
	stamp := p.stamp
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range 8 {
		length := uint16(frame * (min(i, 5) + 1))
		end := byte(0)
		if i >= 5 {
			end = 0x80
		}
		if err := p.send(event, i == 0, stamp, []byte{code, end | 10, byte(length >> 8), byte(length)}); err != nil {
			return err
		}
		if i < 5 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	p.stamp += 6 * frame
	return nil
}

// Talk sends G.711 frames of 20 ms at 50 packets a second, and says when the first and the last one left.
func (p *Phone) Talk(ctx context.Context, frames [][]byte) (first, last time.Time, err error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i, f := range frames {
		if err := p.send(p.c.Payload, i == 0, p.stamp, f); err != nil {
			return first, last, err
		}
		p.stamp += uint32(len(f))
		last = time.Now()
		if i == 0 {
			first = last
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return first, last, ctx.Err()
		}
	}
	return first, last, nil
}

// Address is the n-th telephone's own address in 127/8; 127.0.x.y is left to others.
func Address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + n/62500), byte(n / 250 % 250), byte(1 + n%250)})
}
