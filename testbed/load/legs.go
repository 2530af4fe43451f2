package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/clients/sdk/media"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/speech"
)

// LegsConfig says who listens and who talks. It travels to a child process as JSON.
type LegsConfig struct {
	Kind        string         `json:"kind"` // "browser" or "phone"
	HTTP        string         `json:"http"`
	Certificate []byte         `json:"certificate"` // DER
	SIP         string         `json:"sip"`
	Group       string         `json:"group"`
	Listeners   []peer.Account `json:"listeners"` // telephones' accounts; or of consoles, whose password is a session's token
	Talker      peer.Account   `json:"talker"`
	Seed        uint64         `json:"seed"`
}

// Heard is what all listeners together have heard since the last reset.
type Heard struct {
	Legs     int   `json:"legs"`
	Received int   `json:"received"`
	Least    int   `json:"least"` // of one leg
	Most     int   `json:"most"`
	Twice    int   `json:"twice"`
	Octets   int   `json:"octets"` // of UDP payload of one packet, on average
	Each     []int `json:"each"`   // received, by leg
}

// Lost is how many of `sent` packets did not reach a leg, summed over the legs; what a leg heard beyond them makes up for nothing.
func (h Heard) Lost(sent int) int {
	lost := 0
	for _, n := range h.Each {
		lost += max(0, sent-n)
	}
	return lost
}

// leg is one listener or the talker.
type leg interface {
	join(ctx context.Context, group string) error
	talk(ctx context.Context, seconds float64) (sent int, err error)
	count() (received, twice, octets int)
	reset()
	close()
}

// Legs are many listeners and one talker, in one process.
type Legs struct {
	c         LegsConfig
	listeners []leg
	talker    leg
}

// NewLegs prepares all legs: telephones register, consoles open their WebSocket. Nobody is in the group yet.
func NewLegs(ctx context.Context, c LegsConfig) (*Legs, error) {
	l := &Legs{c: c}
	make1 := l.phone
	if c.Kind == "browser" {
		certificate, err := media.NewCertificate()
		if err != nil {
			return nil, fmt.Errorf("load: legs: %w", err)
		}
		trust, err := x509.ParseCertificate(c.Certificate)
		if err != nil {
			return nil, fmt.Errorf("load: legs: %w", err)
		}
		make1 = func(ctx context.Context, n int, a peer.Account) (leg, error) {
			return newBrowserLeg(peer.NewAPI(c.HTTP, trust).With(a.Password), certificate), nil
		}
	}
	var err error
	if l.talker, err = make1(ctx, 0, c.Talker); err != nil {
		return nil, err
	}
	for i, a := range c.Listeners {
		p, err := make1(ctx, i+1, a)
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("load: leg %d: %w", i+1, err)
		}
		l.listeners = append(l.listeners, p)
	}
	return l, nil
}

func (l *Legs) phone(ctx context.Context, n int, a peer.Account) (leg, error) {
	server, err := netip.ParseAddrPort(l.c.SIP)
	if err != nil {
		return nil, fmt.Errorf("load: legs: %w", err)
	}
	p, err := NewPhone(PhoneConfig{Server: server, Local: Address(10 + n), User: a.User, Password: a.Password, Payload: PCMA, Seed: l.c.Seed*1000 + uint64(n)})
	if err != nil {
		return nil, err
	}
	return &phoneLeg{p}, p.Register(ctx, time.Hour)
}

// joiners is how many join at once: as many as come within a second at the start of a shift, not all in one instant.
const joiners = 8

// joinTime is how long one may take: whom the server has given up must not keep the measurement waiting for ever.
const joinTime = 30 * time.Second

// Join brings everybody into the group, the talker last.
func (l *Legs) Join(ctx context.Context) error {
	var wait sync.WaitGroup
	next, errs := make(chan leg), make(chan error, len(l.listeners))
	for range joiners {
		wait.Go(func() {
			for p := range next {
				one, cancel := context.WithTimeout(ctx, joinTime)
				if err := p.join(one, l.c.Group); err != nil {
					errs <- err
				}
				cancel()
			}
		})
	}
	for _, p := range l.listeners {
		next <- p
	}
	close(next)
	wait.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

// JoinTalker brings the talker in.
func (l *Legs) JoinTalker(ctx context.Context) error { return l.talker.join(ctx, l.c.Group) }

// Talk lets the talker talk, and says how many packets of speech it sent.
func (l *Legs) Talk(ctx context.Context, seconds float64) (int, error) {
	return l.talker.talk(ctx, seconds)
}

// Reset counts from nothing.
func (l *Legs) Reset() {
	for _, p := range l.listeners {
		p.reset()
	}
}

// Count adds up.
func (l *Legs) Count() Heard {
	out := Heard{Legs: len(l.listeners), Least: 1 << 30}
	for _, p := range l.listeners {
		n, twice, octets := p.count()
		out.Received += n
		out.Octets += octets
		out.Twice += twice
		out.Each = append(out.Each, n)
		out.Least, out.Most = min(out.Least, n), max(out.Most, n)
	}
	out.Octets /= max(1, out.Received)
	return out
}

// Close closes all legs.
func (l *Legs) Close() {
	for _, p := range append(l.listeners, l.talker) {
		if p != nil {
			p.close()
		}
	}
}

type phoneLeg struct{ p *Phone }

func (l *phoneLeg) join(ctx context.Context, group string) error { return l.p.Dial(ctx, group) }

func (l *phoneLeg) count() (int, int, int) {
	c := l.p.Count()
	return c.Packets, c.Twice, c.Packets * (rtpHeader + frame)
}

func (l *phoneLeg) reset() { l.p.Reset() }

func (l *phoneLeg) close() { l.p.Close() }

func (l *phoneLeg) talk(ctx context.Context, seconds float64) (int, error) {
	said, err := speech.Load("pilot")
	if err != nil {
		return 0, err
	}
	frames := Frames(said.Loop(0.1, seconds).Cut(0, seconds))
	if err := l.p.Key(ctx, '*'); err != nil {
		return 0, err
	}
	// The grant tone is heard first; a person speaks after it.
	if err := Pause(ctx, 400*time.Millisecond); err != nil {
		return 0, err
	}
	if _, _, err := l.p.Talk(ctx, frames); err != nil {
		return 0, err
	}
	return len(frames), l.p.Key(ctx, '#')
}

// browserLeg is a console without a page: the WebSocket and the media of clients/sdk.
type browserLeg struct {
	api         *peer.API
	certificate *tls.Certificate
	socket      *peer.Socket
	media       *media.Conn
	received    atomic.Int64
	octets      atomic.Int64
	twice       atomic.Int64
	last        [8]atomic.Uint32 // sequence number + 1 of each slot
	granted     chan struct{}
	group       string
}

func newBrowserLeg(api *peer.API, certificate *tls.Certificate) *browserLeg {
	return &browserLeg{api: api, certificate: certificate, granted: make(chan struct{}, 1)}
}

func (l *browserLeg) join(ctx context.Context, group string) error {
	var err error
	l.group = group
	if l.socket, err = l.api.Dial(ctx, -1); err != nil {
		return err
	}
	if _, err := l.socket.Until(ctx, func(f peer.Frame) bool { return f.T == "welcome" }); err != nil {
		return err
	}
	if l.media, err = media.Dial(ctx, media.Config{Certificate: l.certificate, Receive: l.hear}, l.signal); err != nil {
		return err
	}
	if err := l.socket.Send(map[string]any{"t": "join", "id": 2, "talk": group}); err != nil {
		return err
	}
	f, err := l.socket.Until(ctx, func(f peer.Frame) bool { return string(f.Re) == "2" })
	if err != nil {
		return err
	}
	if f.T == "error" {
		return fmt.Errorf("load: join %s: %s", group, f.Raw)
	}
	go l.drain(context.WithoutCancel(ctx)) // until its socket is closed
	return nil
}

func (l *browserLeg) signal(ctx context.Context, offer string) (string, error) {
	if err := l.socket.Send(map[string]any{"t": "offer", "id": 1, "sdp": offer}); err != nil {
		return "", err
	}
	f, err := l.socket.Until(ctx, func(f peer.Frame) bool { return f.T == "answer" || string(f.Re) == "1" })
	if err != nil {
		return "", err
	}
	var a struct {
		SDP string `json:"sdp"`
	}
	if err := json.Unmarshal(f.Raw, &a); err != nil || a.SDP == "" {
		return "", fmt.Errorf("load: no answer to an offer: %s: %w", f.Raw, err)
	}
	return a.SDP, nil
}

// drain reads what the server tells, so that it is never slow, and looks for the floor.
func (l *browserLeg) drain(ctx context.Context) {
	for {
		f, err := l.socket.Next(ctx)
		if err != nil {
			return
		}
		var i struct {
			Kind string `json:"kind"`
		}
		if f.T == "floor" && json.Unmarshal(f.Raw, &i) == nil && i.Kind == "granted" {
			select {
			case l.granted <- struct{}{}:
			default:
			}
		}
	}
}

func (l *browserLeg) hear(p media.Packet) {
	if p.Slot >= len(l.last) {
		return
	}
	if before := l.last[p.Slot].Swap(uint32(p.Seq) + 1); before == uint32(p.Seq)+1 {
		l.twice.Add(1)
		return
	}
	l.received.Add(1)
	l.octets.Add(int64(len(p.Payload)) + srtpOverhead)
}

// srtpOverhead is the RTP header and the tag of AEAD_AES_128_GCM (RFC 7714).
const srtpOverhead = rtpHeader + 16

func (l *browserLeg) count() (int, int, int) {
	return int(l.received.Load()), int(l.twice.Load()), int(l.octets.Load())
}

func (l *browserLeg) reset() { l.received.Store(0); l.twice.Store(0); l.octets.Store(0) }

func (l *browserLeg) close() {
	if l.media != nil {
		_ = l.media.Close() // the end of the drill
	}
	if l.socket != nil {
		l.socket.Close()
	}
}
