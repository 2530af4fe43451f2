package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// PhoneConfig is one telephone.
type PhoneConfig struct {
	Server   netip.AddrPort // the registrar, UDP
	Local    netip.Addr     // our own address in 127/8
	User     string
	Password string
	Payload  int    // PCMA or PCMU
	Seed     uint64 // of tags, branches, SSRC
	Heard    func(at time.Time, packet []byte)
}

// Phone is a telephone that registers, calls, presses keys, talks, and counts what it hears.
type Phone struct {
	c       PhoneConfig
	sip     *net.UDPConn
	rtp     *net.UDPConn
	rand    *rand.Rand // guarded by mu
	mu      sync.Mutex
	pending map[string]chan *message // by branch and method
	call    *dialog
	cseq    int
	done    sync.WaitGroup

	count  counter
	remote atomic.Pointer[netip.AddrPort]
	seq    uint16
	stamp  uint32
	ssrc   uint32
	Ended  atomic.Bool // the other side hung up
}

// dialog is the call that is up (RFC 3261 §12).
type dialog struct {
	id, local, remote, target string
	routes                    []string
}

// NewPhone opens the telephone's sockets. Close it.
func NewPhone(c PhoneConfig) (*Phone, error) {
	p := &Phone{c: c, pending: map[string]chan *message{}, rand: rand.New(rand.NewPCG(c.Seed, 77))}
	p.ssrc, p.seq, p.stamp = p.rand.Uint32(), uint16(p.rand.Uint32()), p.rand.Uint32()
	p.count.reset()
	var err error
	if p.sip, err = net.ListenUDP("udp4", &net.UDPAddr{IP: c.Local.AsSlice()}); err != nil {
		return nil, fmt.Errorf("load: telephone %s: %w", c.User, err)
	}
	if p.rtp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: c.Local.AsSlice()}); err != nil {
		_ = p.sip.Close()
		return nil, fmt.Errorf("load: telephone %s: %w", c.User, err)
	}
	p.done.Add(2)
	go p.readSIP()
	go p.readRTP()
	return p, nil
}

// Close closes the sockets without a word, as a telephone does whose plug was pulled. Hang up first to be polite.
func (p *Phone) Close() {
	_ = p.sip.Close()
	_ = p.rtp.Close()
	p.done.Wait()
}

func (p *Phone) readSIP() {
	defer p.done.Done()
	buf := make([]byte, 65536)
	for {
		n, from, err := p.sip.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		m, err := parseSIP(buf[:n])
		if err != nil {
			continue // keep-alives and the like
		}
		if m.method != "" {
			p.answer(m, from)
			continue
		}
		p.mu.Lock()
		ch := p.pending[m.branch()]
		p.mu.Unlock()
		if ch != nil {
			select {
			case ch <- m:
			default:
			}
		}
	}
}

// answer serves what the server asks within a call: re-INVITE and UPDATE are agreed to, OPTIONS too, BYE ends it.
func (p *Phone) answer(m *message, from netip.AddrPort) {
	if m.method == "ACK" {
		return
	}
	r := m.reply(200, "OK", "phone")
	r.header = append(r.header, field{"contact", p.contact()})
	switch m.method {
	case "INVITE", "UPDATE":
		if to, err := mediaOf(m.body); err == nil {
			p.remote.Store(&to)
		}
		if m.method == "INVITE" || m.body != "" {
			r.header = append(r.header, field{"content-type", "application/sdp"})
			r.body = offerSDP(p.rtpAddr(), p.c.Payload)
		}
	case "BYE":
		p.Ended.Store(true)
		p.remote.Store(nil)
	}
	_, _ = p.sip.WriteToUDPAddrPort(r.bytes(), from) // the server asks again when it is lost
}

func (p *Phone) rtpAddr() netip.AddrPort { return p.rtp.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *Phone) contact() string {
	return fmt.Sprintf("<sip:%s@%s>", p.c.User, p.sip.LocalAddr())
}

func (p *Phone) token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%016x", p.rand.Uint64())
}

// request sends a request and gives its final response, having answered one challenge.
func (p *Phone) request(ctx context.Context, m *message) (*message, error) {
	r, err := p.transact(ctx, m)
	if err != nil || (r.status != 401 && r.status != 407) {
		return r, err
	}
	ask, say := "www-authenticate", "authorization"
	if r.status == 407 {
		ask, say = "proxy-authenticate", "proxy-authorization"
	}
	auth, err := authorize(r.all(ask), p.c.User, p.c.Password, m.method, m.uri, p.token(), 1)
	if err != nil {
		return nil, err
	}
	again := *m
	again.header = append(append([]field(nil), m.header...), field{say, auth})
	return p.transact(ctx, &again)
}

// transact is one client transaction over UDP (RFC 3261 §17.1): sent again after 500 ms, doubling, until there is a response.
func (p *Phone) transact(ctx context.Context, m *message) (*message, error) {
	out := *m
	branch := "z9hG4bK" + p.token()
	p.mu.Lock()
	p.cseq++
	number := p.cseq
	ch := make(chan *message, 8)
	p.pending[branch] = ch
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pending, branch)
		p.mu.Unlock()
	}()
	out.header = append([]field{{"via", fmt.Sprintf("SIP/2.0/UDP %s;rport;branch=%s", p.sip.LocalAddr(), branch)}, {"max-forwards", "70"}, {"cseq", fmt.Sprintf("%d %s", number, m.method)}}, m.header...)
	final, err := p.exchange(ctx, &out, ch)
	switch {
	case err == nil && m.method == "INVITE":
		p.acknowledge(&out, final, number)
	case err != nil && m.method == "INVITE" && ctx.Err() != nil:
		p.cancel(&out, ch, number)
	}
	return final, err
}

// cancelWait is how long a caller who has given up waits for the word that ends its transaction.
const cancelWait = 2 * time.Second

// cancel takes an INVITE back that nobody has answered (RFC 3261 §9.1).
func (p *Phone) cancel(invite *message, ch chan *message, number int) {
	c := &message{method: "CANCEL", uri: invite.uri, header: []field{{"via", invite.get("via")}, {"max-forwards", "70"}, {"cseq", fmt.Sprintf("%d CANCEL", number)},
		{"call-id", invite.get("call-id")}, {"from", invite.get("from")}, {"to", invite.get("to")}}}
	if _, err := p.sip.WriteToUDPAddrPort(c.bytes(), p.c.Server); err != nil {
		return
	}
	late := time.NewTimer(cancelWait)
	defer late.Stop()
	for {
		select {
		case r := <-ch:
			if r.status >= 200 && strings.HasSuffix(r.get("cseq"), "INVITE") {
				p.acknowledge(invite, r, number)
				return
			}
		case <-late.C:
			return
		}
	}
}

func (p *Phone) exchange(ctx context.Context, m *message, ch chan *message) (*message, error) {
	raw := m.bytes()
	wait := 500 * time.Millisecond
	timer := time.NewTimer(0)
	defer timer.Stop()
	provisional := false
	for sent := 0; ; {
		select {
		case <-timer.C:
			if sent++; sent > 7 && !provisional {
				return nil, fmt.Errorf("load: %s %s: no response", p.c.User, m.method)
			}
			if !provisional || m.method != "INVITE" {
				if _, err := p.sip.WriteToUDPAddrPort(raw, p.c.Server); err != nil {
					return nil, fmt.Errorf("load: %s %s: %w", p.c.User, m.method, err)
				}
			}
			timer.Reset(wait)
			wait = min(2*wait, 4*time.Second)
		case r := <-ch:
			if r.status >= 200 {
				return r, nil
			}
			provisional = true
		case <-ctx.Done():
			return nil, fmt.Errorf("load: %s %s: %w", p.c.User, m.method, ctx.Err())
		}
	}
}

// acknowledge sends the ACK: in the transaction for a refusal, in the dialog for an answer (RFC 3261 §17.1.1.3, §13.2.2.4).
func (p *Phone) acknowledge(invite, final *message, number int) {
	ack := &message{method: "ACK", uri: invite.uri}
	via := invite.get("via")
	if final.status < 300 {
		via = fmt.Sprintf("SIP/2.0/UDP %s;rport;branch=z9hG4bK%s", p.sip.LocalAddr(), p.token())
		ack.uri = angled(final.get("contact"))
	}
	ack.header = []field{{"via", via}, {"max-forwards", "70"}, {"cseq", fmt.Sprintf("%d ACK", number)}, {"call-id", invite.get("call-id")},
		{"from", invite.get("from")}, {"to", final.get("to")}}
	_, _ = p.sip.WriteToUDPAddrPort(ack.bytes(), p.c.Server) // the server repeats its answer when it is lost
}

func (p *Phone) identity() string { return fmt.Sprintf("<sip:%s@%s>", p.c.User, p.c.Server) }

// Register registers for an hour, or with expires 0 takes the registration back.
func (p *Phone) Register(ctx context.Context, expires time.Duration) error {
	m := &message{method: "REGISTER", uri: fmt.Sprintf("sip:%s", p.c.Server)}
	m.header = []field{{"call-id", p.token()}, {"from", p.identity() + ";tag=" + p.token()}, {"to", p.identity()}, {"contact", p.contact()}, {"expires", fmt.Sprint(int(expires.Seconds()))}}
	r, err := p.request(ctx, m)
	if err == nil && r.status != 200 {
		err = fmt.Errorf("load: %s registers: %d %s", p.c.User, r.status, r.reason)
	}
	return err
}

// Dial calls a number and waits for the answer.
func (p *Phone) Dial(ctx context.Context, number string) error {
	return p.DialWith(ctx, number, offerSDP(p.rtpAddr(), p.c.Payload))
}

// DialWith calls with a session description of the caller's own, which may be nonsense.
func (p *Phone) DialWith(ctx context.Context, number, offer string) error {
	d := &dialog{id: p.token(), local: p.identity() + ";tag=" + p.token()}
	uri := fmt.Sprintf("sip:%s@%s", number, p.c.Server)
	m := &message{method: "INVITE", uri: uri, body: offer}
	m.header = []field{{"call-id", d.id}, {"from", d.local}, {"to", "<" + uri + ">"}, {"contact", p.contact()}, {"content-type", "application/sdp"}, {"allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE"}}
	r, err := p.request(ctx, m)
	if err != nil {
		return err
	}
	if r.status != 200 {
		return fmt.Errorf("load: %s calls %s: %d %s", p.c.User, number, r.status, r.reason)
	}
	to, err := mediaOf(r.body)
	if err != nil {
		return err
	}
	d.remote, d.target = r.get("to"), angled(r.get("contact"))
	d.routes = r.all("record-route")
	p.mu.Lock()
	p.call = d
	p.mu.Unlock()
	p.Ended.Store(false)
	p.remote.Store(&to)
	return nil
}

// Hang ends the call.
func (p *Phone) Hang(ctx context.Context) error {
	p.mu.Lock()
	d := p.call
	p.call = nil
	p.mu.Unlock()
	p.remote.Store(nil)
	if d == nil || p.Ended.Load() {
		return nil
	}
	m := &message{method: "BYE", uri: d.target, header: []field{{"call-id", d.id}, {"from", d.local}, {"to", d.remote}}}
	for i := len(d.routes) - 1; i >= 0; i-- {
		m.header = append(m.header, field{"route", d.routes[i]})
	}
	r, err := p.request(ctx, m)
	if err == nil && r.status/100 != 2 && r.status != 481 {
		err = fmt.Errorf("load: %s hangs up: %d %s", p.c.User, r.status, r.reason)
	}
	return err
}

// String names the telephone.
func (p *Phone) String() string { return strings.TrimSpace(p.c.User + " at " + p.c.Local.String()) }
