package telephone

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"github.com/guantong-net/guantong/fusion/desk"
)

// trunk is another SIP server as this one sees it.
type trunk struct {
	s          *Server
	cfg        Trunk
	registered atomic.Bool

	mu    sync.Mutex
	addrs []netip.AddrPort // of the hosts, the one in use first
}

func newTrunk(s *Server, cfg Trunk) *trunk { return &trunk{s: s, cfg: cfg} }

func (s *Server) trunk(name string) *trunk {
	for _, t := range s.trunks {
		if t.cfg.Name == name {
			return t
		}
	}
	return nil
}

// TrunkRegistered reports whether the trunk has registered with its server.
func (s *Server) TrunkRegistered(name string) bool {
	t := s.trunk(name)
	return t != nil && t.registered.Load()
}

// owns reports whether calls from the address are the trunk's.
func (t *trunk) owns(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range t.cfg.Peers {
		if p.Contains(a) {
			return true
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.addrs {
		if h.Addr() == a {
			return true
		}
	}
	return false
}

// targets gives the addresses of the hosts, the one in use first.
func (t *trunk) targets(ctx context.Context) []netip.AddrPort {
	t.mu.Lock()
	have := append([]netip.AddrPort(nil), t.addrs...)
	t.mu.Unlock()
	if len(have) > 0 {
		return have
	}
	t.resolve(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]netip.AddrPort(nil), t.addrs...)
}

// resolve looks the hosts up and lets the screen know whom to expect.
func (t *trunk) resolve(ctx context.Context) {
	var addrs []netip.AddrPort
	for _, h := range t.cfg.Hosts {
		host, port := splitHost(h, sip.DefaultPort(t.cfg.Transport))
		if a, err := netip.ParseAddr(host); err == nil {
			addrs = append(addrs, netip.AddrPortFrom(a.Unmap(), port))
			continue
		}
		if t.s.deps.Resolve == nil {
			continue
		}
		found, err := t.s.deps.Resolve(ctx, host)
		if err != nil {
			t.s.deps.Log.Warn("telephone: trunk host", "trunk", t.cfg.Name, "host", host, "error", err)
		}
		for _, a := range found {
			addrs = append(addrs, netip.AddrPortFrom(a.Unmap(), port))
		}
	}
	t.mu.Lock()
	if len(addrs) > 0 {
		t.addrs = addrs
	}
	t.mu.Unlock()
	t.s.expectTrunks()
}

func splitHost(h string, port int) (string, uint16) {
	host, p, err := net.SplitHostPort(h)
	if err != nil {
		return h, uint16(port)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return host, uint16(port)
	}
	return host, uint16(n)
}

func (s *Server) expectTrunks() {
	var all []netip.Prefix
	for _, t := range s.trunks {
		all = append(all, t.cfg.Peers...)
		t.mu.Lock()
		for _, a := range t.addrs {
			all = append(all, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
		}
		t.mu.Unlock()
	}
	s.guard.setTrunks(all)
}

// prefer puts an address first.
func (t *trunk) prefer(a netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, h := range t.addrs {
		if h == a {
			copy(t.addrs[1:i+1], t.addrs[:i])
			t.addrs[0] = a
		}
	}
}

func (t *trunk) domain(a netip.AddrPort) string {
	if t.cfg.Domain != "" {
		return t.cfg.Domain
	}
	return hostOf(a.Addr())
}

// branch is a call by this trunk.
func (t *trunk) branch(to desk.Target, host netip.AddrPort) branch {
	user := t.cfg.User
	if user == "" {
		user = to.From
	}
	target := sip.Uri{Scheme: "sip", User: to.Digits, Host: hostOf(host.Addr()), Port: int(host.Port())}
	return branch{
		target: target, transport: sip.NetworkToUpper(t.cfg.Transport), dest: host, user: user, trunk: t,
		from: party{to.From, sip.Uri{Scheme: "sip", User: user, Host: t.domain(host)}},
		to:   party{"", sip.Uri{Scheme: "sip", User: to.Digits, Host: t.domain(host)}},
	}
}

// answer answers a challenge (RFC 7616 §3.4).
func (t *trunk) answer(res *sip.Response, req *sip.Request) (string, error) {
	name := "WWW-Authenticate"
	if res.StatusCode == 407 {
		name = "Proxy-Authenticate"
	}
	for _, h := range res.GetHeaders(name) {
		chal, err := digest.ParseChallenge(h.Value())
		if err != nil || !digest.CanDigest(chal) {
			continue
		}
		cred, err := digest.Digest(chal, digest.Options{
			Method: string(req.Method), URI: req.Recipient.String(), Username: t.cfg.User, Password: t.cfg.Password, Count: 1,
		})
		if err == nil {
			return cred.String(), nil
		}
	}
	return "", fmt.Errorf("telephone: trunk %s: no challenge that we can answer", t.cfg.Name)
}

// run keeps the trunk's addresses, and its registration if it has one, until ctx ends. Failures go to the next host,
// and wait twice as long each round, up to a minute.
func (t *trunk) run(ctx context.Context) {
	backoff := time.Second
	d := t.registration()
	for {
		t.resolve(ctx)
		next := 5 * time.Minute
		if t.cfg.Register {
			granted, err := t.registerAny(ctx, d, t.cfg.Expires)
			t.registered.Store(err == nil)
			if err != nil && ctx.Err() == nil {
				t.s.deps.Log.Warn("telephone: trunk not registered", "trunk", t.cfg.Name, "error", err)
				next = backoff
				backoff = min(2*backoff, time.Minute)
			} else {
				backoff = time.Second
				next = max(granted*4/5, time.Second)
			}
			next -= time.Duration(t.s.random() % uint64(next/5+1)) // so that a thousand sites do not come at once
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			t.unregister(d)
			return
		case <-timer.C:
		}
	}
}

func (t *trunk) registration() *dialog {
	return &dialog{callID: t.s.newTag() + t.s.newTag(), localTag: t.s.newTag(), contact: t.cfg.User,
		transport: sip.NetworkToUpper(t.cfg.Transport)}
}

func (t *trunk) unregister(d *dialog) {
	if !t.cfg.Register || !t.registered.Load() {
		return
	}
	t.registered.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = t.registerAny(ctx, d, 0)
}

func (t *trunk) registerAny(ctx context.Context, d *dialog, expires time.Duration) (granted time.Duration, err error) {
	err = fmt.Errorf("telephone: trunk %s: no address", t.cfg.Name)
	for _, a := range t.targets(ctx) {
		try, cancel := context.WithTimeout(ctx, 8*time.Second)
		granted, err = t.register(try, d, a, expires)
		cancel()
		if err == nil {
			t.prefer(a)
			return granted, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return 0, err
}

// register registers with one host (§10.2).
func (t *trunk) register(ctx context.Context, d *dialog, host netip.AddrPort, expires time.Duration) (time.Duration, error) {
	d.dest = host
	d.local = party{"", sip.Uri{Scheme: "sip", User: t.cfg.User, Host: t.domain(host)}}
	d.remote = d.local
	d.target = sip.Uri{Scheme: "sip", Host: hostOf(host.Addr()), Port: int(host.Port())}
	auth, proxy := "", false
	for range 3 {
		req := t.s.inDialog(d, sip.REGISTER, 0)
		req.AppendHeader(sip.NewHeader("Expires", seconds(expires)))
		if auth != "" {
			req.AppendHeader(sip.NewHeader(authHeader(proxy), auth))
		}
		res, err := t.s.roundTrip(ctx, req)
		if err != nil {
			return 0, err
		}
		switch {
		case res.IsSuccess():
			return grantedExpires(res, expires), nil
		case res.StatusCode == 401 || res.StatusCode == 407:
			proxy = res.StatusCode == 407
			if auth, err = t.answer(res, req); err != nil {
				return 0, err
			}
		case res.StatusCode == 423 && res.GetHeader("Min-Expires") != nil:
			n, err := strconv.ParseUint(res.GetHeader("Min-Expires").Value(), 10, 20)
			if err != nil {
				return 0, fmt.Errorf("telephone: trunk %s: Min-Expires: %w", t.cfg.Name, err)
			}
			expires = time.Duration(n) * time.Second
		default:
			return 0, fmt.Errorf("telephone: trunk %s: REGISTER answered %d", t.cfg.Name, res.StatusCode)
		}
	}
	return 0, fmt.Errorf("telephone: trunk %s: REGISTER refused", t.cfg.Name)
}

// grantedExpires is the least time of our contacts in the answer.
func grantedExpires(res *sip.Response, asked time.Duration) time.Duration {
	granted := asked
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			continue
		}
		if v, ok := c.Params.Get("expires"); ok {
			if n, err := strconv.ParseUint(v, 10, 31); err == nil && n > 0 {
				granted = min(granted, time.Duration(n)*time.Second)
			}
		}
	}
	if h := res.GetHeader("Expires"); h != nil {
		if n, err := strconv.ParseUint(h.Value(), 10, 31); err == nil && n > 0 {
			granted = min(granted, time.Duration(n)*time.Second)
		}
	}
	return granted
}

// stray is a response without a transaction: a late 200 to an INVITE is the only one that matters, and its peer will give up
// by itself.
func (s *Server) stray(*sip.Response) {}
