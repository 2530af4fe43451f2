package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// Flood sends REGISTER and INVITE requests at a server from a hundred addresses, with credentials that are wrong, missing or broken, and asks for nothing back.
type Flood struct {
	Server netip.AddrPort
	Rate   int // datagrams per second
	Rand   *rand.Rand
}

// floodSources is how many addresses of 127/8 the flood comes from; they are none of the telephones' own.
const floodSources = 100

// Run floods until ctx ends, and says how many datagrams it sent. Give it a context with a deadline.
func (f Flood) Run(ctx context.Context) (int, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return 0, fmt.Errorf("load: a flood without an end")
	}
	var conns []*net.UDPConn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for i := range floodSources {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 200, byte(i/250), byte(1+i%250))})
		if err != nil {
			return 0, fmt.Errorf("load: flood: %w", err)
		}
		conns = append(conns, c)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	sent := 0
	for start := time.Now(); ; {
		select {
		case <-ctx.Done():
			return sent, nil
		case now := <-tick.C:
			for due := int(now.Sub(start).Seconds() * float64(f.Rate)); sent < due; sent++ {
				c := conns[f.Rand.IntN(len(conns))]
				if _, err := c.WriteToUDPAddrPort(f.datagram(c.LocalAddr().String()), f.Server); err != nil {
					return sent, fmt.Errorf("load: flood: %w", err)
				}
			}
		}
	}
}

// datagram makes one request; one in ten is cut short or has a byte changed.
func (f Flood) datagram(from string) []byte {
	user := fmt.Sprint(1000 + f.Rand.IntN(9000))
	tag := fmt.Sprintf("%016x", f.Rand.Uint64())
	m := &message{method: "REGISTER", uri: "sip:" + f.Server.String()}
	to := "<sip:" + user + "@" + f.Server.String() + ">"
	if f.Rand.IntN(2) == 0 {
		m.method, m.uri, m.body = "INVITE", "sip:"+user+"@"+f.Server.String(), offerSDP(netip.MustParseAddrPort("127.200.0.1:40000"), PCMA)
		m.header = append(m.header, field{"content-type", "application/sdp"})
	}
	m.header = append(m.header, field{"via", "SIP/2.0/UDP " + from + ";rport;branch=z9hG4bK" + tag}, field{"max-forwards", "70"}, field{"from", to + ";tag=" + tag}, field{"to", to},
		field{"call-id", tag}, field{"cseq", "1 " + m.method}, field{"contact", "<sip:" + user + "@" + from + ">"})
	if f.Rand.IntN(3) == 0 {
		m.header = append(m.header, field{"authorization", fmt.Sprintf(`Digest username="%s", realm="guantong", nonce="%s", uri="%s", response="%032x"`, user, tag, m.uri, f.Rand.Uint64())})
	}
	raw := m.bytes()
	switch f.Rand.IntN(20) {
	case 0:
		return raw[:f.Rand.IntN(len(raw))]
	case 1:
		raw[f.Rand.IntN(len(raw))] ^= 0x55
	}
	return raw
}
