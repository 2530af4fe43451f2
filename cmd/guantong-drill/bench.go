package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/load"
	"github.com/guantong-net/guantong/testbed/peer"
)

// settle is how long the server is left alone before it is measured, so that what came before is over.
const settle = 3 * time.Second

// limits are what targets ask of one kind of leg.
type limits struct{ perMillion, toBare, idle, memory, join float64 }

var wanted = map[string]limits{
	"browser": {perMillion: 15, idle: 0.3, memory: 300, join: 10},
	"phone":   {toBare: 1.3, idle: 0.1, memory: 100, join: 10},
}

// bench is one measurement.
type bench struct {
	d    *drill
	s    *peer.Server
	legs *child
	n    float64 // listeners
}

// benchVoice measures, in this order: the server alone, the joining, the silence, the talk; and the same packets by a bare sender.
func benchVoice(ctx context.Context, d *drill) error {
	limit, known := wanted[d.options.legs]
	if !known || d.listeners < 1 || d.seconds < 1 {
		return fmt.Errorf("bench voice: -legs browser or phone, -listeners and -seconds at least 1")
	}
	s, admin, err := d.startServer(ctx, d.dir+"/server", d.dir+"/data")
	if err != nil {
		return err
	}
	b := &bench{d: d, s: s, n: float64(d.listeners)}
	c, err := b.accounts(ctx, admin)
	if err != nil {
		return err
	}
	if b.legs, err = spawn(d.life, "legs"); err != nil {
		return err
	}
	defer b.legs.close()
	if err := b.legs.tell(c); err != nil {
		return err
	}
	if _, err := b.legs.do(order{Do: "prepare"}); err != nil {
		return err
	}
	d.say("%d %s legs are ready", d.listeners, d.options.legs)
	before, err := b.idle(ctx, "server_idle_millicores", 1)
	if err != nil {
		return err
	}
	if err := b.joining(ctx, limit); err != nil {
		return err
	}
	if err := b.silence(ctx, limit, before); err != nil {
		return err
	}
	heard, cpu, err := b.talk(ctx, limit)
	if err != nil {
		return err
	}
	return b.bare(ctx, limit, heard, cpu)
}

// accounts makes a telephone for each listener; or a user for each 16 consoles, whose session they share: to log in costs the server a deliberate 50 ms
// (argon2id), and that is not what is measured.
func (b *bench) accounts(ctx context.Context, admin *peer.API) (load.LegsConfig, error) {
	c := load.LegsConfig{Kind: b.d.options.legs, HTTP: b.s.HTTP, Certificate: b.s.Trust.Raw, SIP: b.s.SIP, Group: local(1).String(), Seed: b.d.seed}
	var err error
	if c.Kind == "phone" {
		c.Talker = b.s.Phones[0]
		for i := range b.d.listeners {
			a, err := addPhone(ctx, admin, fmt.Sprintf("phone %d", i), local(uint16(2000+i)))
			if err != nil {
				return c, err
			}
			c.Listeners = append(c.Listeners, a)
		}
		return c, nil
	}
	if c.Talker, err = b.console(ctx, admin, "talker", local(120)); err != nil {
		return c, err
	}
	var shared peer.Account
	for i := range b.d.listeners {
		if i%16 == 0 {
			if shared, err = b.console(ctx, admin, fmt.Sprintf("listener%d", i/16), local(uint16(200+i/16))); err != nil {
				return c, err
			}
		}
		c.Listeners = append(c.Listeners, shared)
	}
	return c, nil
}

// console makes a user and logs it in; what is handed on as its password is the session's token.
func (b *bench) console(ctx context.Context, admin *peer.API, name string, n fusion.Number) (peer.Account, error) {
	a, err := addUser(ctx, b.s, admin, name, n, fusion.UnitRole)
	if err != nil {
		return a, err
	}
	_, reply, err := b.s.API().Login(ctx, a.User, a.Password)
	a.Password = reply.Token
	return a, err
}

// idle measures the server while nothing happens, in milli-cores for each of n.
func (b *bench) idle(ctx context.Context, name string, n float64) (float64, error) {
	if err := pause(ctx, settle); err != nil {
		return 0, err
	}
	cpu, took, err := b.over(func() error { return pause(ctx, time.Duration(b.d.seconds)*time.Second) })
	v := cpu.Seconds() / took.Seconds() * 1000
	b.d.figure(name, v/n)
	return v, err
}

// over gives the server's CPU time over a piece of work, and how long it took.
func (b *bench) over(work func() error) (cpu, took time.Duration, err error) {
	before, err := b.s.Usage()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	err = work()
	took = time.Since(start)
	after, err2 := b.s.Usage()
	return after.CPU - before.CPU, took, errors.Join(err, err2)
}

func (b *bench) joining(ctx context.Context, limit limits) error {
	before, err := b.memory(ctx)
	if err != nil {
		return err
	}
	cpu, took, err := b.over(func() error { _, err := b.legs.do(order{Do: "join"}); return err })
	if err != nil {
		return err
	}
	b.d.atMost("join_cpu_ms", cpu.Seconds()*1000/b.n, limit.join)
	b.d.figure("join_s", took.Seconds())
	if err := pause(ctx, settle); err != nil {
		return err
	}
	after, err := b.memory(ctx)
	b.d.figure("server_mib", float64(after.rss)/(1<<20))
	b.d.figure("server_mib_before", float64(before.rss)/(1<<20))
	inUse := float64(after.inUse-before.inUse) / 1024 / b.n
	b.d.figure("in_use_kib_per_leg", inUse)
	// Resident memory also falls as the runtime gives some back: what the legs use is never less than what is in use for them.
	b.d.atMost("kib_per_leg", max(inUse, float64(after.rss-before.rss)/1024/b.n), limit.memory)
	return err
}

// silence is the marginal cost of a listener that hears nothing: the server alone is taken off.
func (b *bench) silence(ctx context.Context, limit limits, alone float64) error {
	if _, err := b.legs.do(order{Do: "talker"}); err != nil {
		return err
	}
	all, err := b.idle(ctx, "idle_millicores_per_leg_all", b.n)
	b.d.atMost("idle_millicores_per_leg", (all-alone)/b.n, limit.idle)
	return err
}

// talk measures the server while one talks. Everything that it does in that time is counted, its idle work and the talker's leg too.
func (b *bench) talk(ctx context.Context, limit limits) (load.Heard, time.Duration, error) {
	if _, err := b.legs.do(order{Do: "reset"}); err != nil {
		return load.Heard{}, 0, err
	}
	profile := b.takeProfile(ctx)
	var sent int
	cpu, _, err := b.over(func() error {
		a, err := b.legs.do(order{Do: "talk", Seconds: float64(b.d.seconds)})
		sent = a.Sent
		return err
	})
	if err == nil {
		err = errors.Join(pause(ctx, 500*time.Millisecond), <-profile)
	}
	if err != nil {
		return load.Heard{}, 0, err
	}
	a, err := b.legs.do(order{Do: "count"})
	if err != nil {
		return load.Heard{}, 0, err
	}
	d, h := b.d, a.Heard
	d.say("sent %d; heard %d by %d legs, %d to %d each, %d twice", sent, h.Received, h.Legs, h.Least, h.Most, h.Twice)
	per := cpu.Seconds() / float64(h.Received) * 1e6
	if limit.perMillion > 0 {
		d.atMost("cpu_s_per_mpkt", per, limit.perMillion)
	} else {
		d.figure("cpu_s_per_mpkt", per)
	}
	d.figure("packets_sent", float64(sent))
	d.figure("packets_heard", float64(h.Received))
	d.figure("octets_per_packet", float64(h.Octets))
	d.atMost("lost", float64(h.Lost(sent)), 0)
	d.figure("extra", float64(h.Received+h.Lost(sent)-sent*h.Legs))
	d.atMost("heard_twice", float64(h.Twice), 0)
	return h, cpu, nil
}

// takeProfile fetches a CPU profile from the server beside the talk, when one is wanted.
func (b *bench) takeProfile(ctx context.Context) <-chan error {
	return profileOf(ctx, b.s, b.d.profile, b.d.seconds)
}

// profileOf fetches a CPU profile from a server into a file; no file: none is wanted.
func profileOf(ctx context.Context, s *peer.Server, file string, seconds int) <-chan error {
	done := make(chan error, 1)
	if file == "" {
		done <- nil
		return done
	}
	go func() {
		done <- func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.Profile, seconds), nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return fmt.Errorf("profile: %w", err)
			}
			defer res.Body.Close()
			raw, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusOK {
				return fmt.Errorf("profile: %s: %w", res.Status, err)
			}
			return os.WriteFile(file, raw, 0o644)
		}()
	}()
	return done
}

// bare sends the same number of packets of the same size to as many sockets at the same tick, in a process that does nothing else, and compares. One by one is what
// the ratio is to: it is what a bare sender is. The same with sendmmsg is told beside it.
func (b *bench) bare(ctx context.Context, limit limits, h load.Heard, cpu time.Duration) error {
	d := b.d
	sockets, to, err := receivers(d.listeners)
	defer func() {
		for _, s := range sockets {
			_ = s.Close()
		}
	}()
	if err != nil {
		return err
	}
	ticks := d.seconds * 50
	for _, batched := range []bool{false, true} {
		spent, err := runBare(ctx, bareConfig{To: to, Octets: h.Octets, Ticks: ticks, Batched: batched})
		if err != nil {
			return err
		}
		per := spent / float64(ticks*d.listeners) * 1e6
		ratio := cpu.Seconds() / float64(max(1, h.Received)) * 1e6 / per
		switch {
		case batched:
			d.figure("bare_mmsg_cpu_s_per_mpkt", per)
			d.figure("cpu_ratio_to_bare_mmsg", ratio)
		case limit.toBare > 0:
			d.figure("bare_cpu_s_per_mpkt", per)
			d.atMost("cpu_ratio_to_bare", ratio, limit.toBare)
		default:
			d.figure("bare_cpu_s_per_mpkt", per)
			d.figure("cpu_ratio_to_bare", ratio)
		}
	}
	return nil
}

// receivers opens sockets that are read until they are closed, as the listeners' are.
func receivers(n int) ([]*net.UDPConn, []netip.AddrPort, error) {
	var conns []*net.UDPConn
	var to []netip.AddrPort
	for i := range n {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: load.Address(20000 + i).AsSlice()})
		if err != nil {
			return conns, nil, fmt.Errorf("bare: %w", err)
		}
		conns, to = append(conns, c), append(to, c.LocalAddr().(*net.UDPAddr).AddrPort())
		go func() {
			buf := make([]byte, 2048)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
	}
	return conns, to, nil
}

// runBare runs the bare sender in a child and gives its CPU seconds.
func runBare(ctx context.Context, c bareConfig) (float64, error) {
	p, err := spawn(ctx, "bare")
	if err != nil {
		return 0, err
	}
	defer p.close()
	if err := p.tell(c); err != nil {
		return 0, err
	}
	if !p.out.Scan() {
		return 0, errors.Join(errors.New("bare: no answer"), p.out.Err())
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(p.out.Text()), 64)
	if err != nil {
		return 0, fmt.Errorf("bare: %w", err)
	}
	return v, nil
}
