package telephone

import (
	"fmt"
	"net"
	"sync"

	"github.com/guantong-net/guantong/fusion"
)

// ports gives out pairs of sockets: RTP on an even port, RTCP on the next (RFC 3550 §11).
type ports struct {
	low, high uint16

	mu   sync.Mutex
	used map[uint16]bool
	next uint16
}

func newPorts(low, high uint16) *ports {
	return &ports{low: low, high: high, used: make(map[uint16]bool), next: low}
}

// pair binds the next free pair. A port just freed comes last, so that stray packets of the last call find nobody.
func (p *ports) pair() (rtp, rtcp *net.UDPConn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range (int(p.high) - int(p.low) + 1) / 2 {
		port := p.next
		if p.next += 2; p.next >= p.high || p.next < p.low {
			p.next = p.low
		}
		if p.used[port] {
			continue
		}
		if rtp, err = net.ListenUDP("udp", &net.UDPAddr{Port: int(port)}); err != nil {
			continue
		}
		if rtcp, err = net.ListenUDP("udp", &net.UDPAddr{Port: int(port) + 1}); err != nil {
			_ = rtp.Close()
			continue
		}
		p.used[port] = true
		return rtp, rtcp, nil
	}
	return nil, nil, fusion.E(fusion.Busy, "rtp_ports_used_up", "no free pair in %s", fmt.Sprintf("%d-%d", p.low, p.high))
}

func (p *ports) free(port uint16) {
	p.mu.Lock()
	delete(p.used, port)
	p.mu.Unlock()
}
