package api

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// leg is a connection's attachment to one conversation: it hears by the media session, and passes on what the floor says.
type leg struct {
	c     *conn
	place *place
	opt   talk.JoinOptions
	media *mediaLeg // nil: it cannot hear yet
	sink  voice.Sink

	mu    sync.Mutex
	asks  *talk.Request // the last one, as the floor knows it, until it is refused or given up
	burst fusion.ID     // that it led to; zero while it has not
	press fusion.ID     // as the client knows it
	quiet bool          // another leg has taken its place: what the floor still says to this one is not for the client
}

var (
	_ talk.Leg      = (*leg)(nil)
	_ talk.Listener = (*leg)(nil)
	_ talk.Hearer   = (*leg)(nil)
)

func newLeg(c *conn, p *place, opt talk.JoinOptions, media *mediaLeg) *leg {
	l := &leg{c: c, place: p, opt: opt, media: media, sink: deaf{}}
	if media != nil && media.up.Load() {
		l.sink = media.session.Sink(p.talk.String())
	}
	return l
}

// Unit implements talk.Leg.
func (l *leg) Unit() fusion.Number { return l.c.caller.unit.Number }

// Sink implements talk.Listener: the media session's own, which its outlet knows.
func (l *leg) Sink() voice.Sink { return l.sink }

// Hears implements talk.Hearer.
func (l *leg) Hears() bool { return l.media != nil && l.media.up.Load() }

// Outlet implements voice.Sink.
func (l *leg) Outlet() voice.Outlet { return l.sink.Outlet() }

// Format implements voice.Sink.
func (l *leg) Format() codec.Params { return l.sink.Format() }

// SingleStream implements voice.Sink.
func (l *leg) SingleStream() bool { return l.sink.SingleStream() }

// Begin implements voice.Sink.
func (l *leg) Begin(info voice.Info) (handle int, ok bool) { return l.sink.Begin(info) }

// End implements voice.Sink.
func (l *leg) End(info voice.Info, handle int) { l.sink.End(info, handle) }

// asked notes a request, and under which ID the client knows it.
func (l *leg) asked(q talk.Request, press fusion.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asks, l.burst, l.press = &q, fusion.ID{}, press
}

// released notes that the client wants the floor no more.
func (l *leg) released() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asks = nil
}

// wants gives the request that stands, for the leg that takes this one's place: when it has led to a burst, that is to go on.
func (l *leg) wants() (q talk.Request, press fusion.ID, stands bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asks == nil {
		return q, press, false
	}
	q = *l.asks
	if !l.burst.IsZero() {
		q.Resume, q.BreakIn = l.burst, false
	}
	return q, l.press, true
}

// silence keeps what the floor says from the client.
func (l *leg) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet = true
}

// hear notes what the floor says, and gives it as the client is to be told; tell is false when it is not.
func (l *leg) hear(i talk.Indication) (told talk.Indication, tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := l.asks != nil && !i.Request.IsZero() && i.Request == l.asks.ID
	press := l.press
	switch i.Kind {
	case talk.Granted:
		if mine {
			l.burst = i.Burst
		}
	case talk.Revoked, talk.Ended:
		l.asks = nil
	case talk.Denied, talk.Unqueued:
		if mine {
			l.asks = nil
		}
	}
	if mine {
		i.Request = press
	}
	return i, !l.quiet
}

// Indicate implements talk.Leg: the floor's word opens and shuts the way for the client's speech, and is passed on.
func (l *leg) Indicate(i talk.Indication) {
	switch i.Kind {
	case talk.Granted:
		l.place.until.Store(always)
	case talk.Revoked, talk.Denied, talk.Ended:
		if !l.place.open || i.Kind == talk.Ended {
			l.place.until.Store(0)
		}
	case talk.Taken, talk.Idle:
		// After our own release the tail still goes out; when we never had the floor, the way is shut already.
		if !l.place.open {
			l.place.until.CompareAndSwap(always, time.Now().Add(tailTime).UnixNano())
		}
	}
	i, tell := l.hear(i)
	if !tell {
		return
	}
	l.c.send(floorFrame{T: "floor", Indication: i})
	if i.Kind == talk.Ended {
		go l.c.desk.forget(l.place)
	}
}

// forget takes a conversation off the list that has ended by itself.
func (s *seats) forget(p *place) {
	s.work.Lock()
	defer s.work.Unlock()
	s.drop(p)
}

// deaf is what a leg without media hears by: nothing.
type deaf struct{}

func (deaf) Outlet() voice.Outlet                   { return silence{} }
func (deaf) Format() codec.Params                   { return codec.Params{ID: codec.Opus} }
func (deaf) SingleStream() bool                     { return false }
func (deaf) Begin(voice.Info) (handle int, ok bool) { return 0, false }
func (deaf) End(voice.Info, int)                    {}

type silence struct{}

func (silence) Deliver(*voice.Packet, []voice.Target) {}

// mediaLeg is one media session of a connection.
type mediaLeg struct {
	s       *seats
	session MediaSession
	up      atomic.Bool
	shut    atomic.Bool
}

// offer negotiates the media session; a second one replaces the first (the page's network has changed).
func (s *seats) offer(ctx context.Context, f clientFrame) error {
	if f.SDP == "" {
		return bad("bad_message", "sdp holds the offer")
	}
	s.work.Lock()
	defer s.work.Unlock()
	m := &mediaLeg{s: s}
	session, answer, err := s.c.s.d.Media.Open(ctx, f.SDP, m)
	if err != nil {
		return err
	}
	m.session = session
	s.mu.Lock()
	old, ended := s.media, s.ended
	if !ended {
		s.media = m
	}
	s.mu.Unlock()
	if ended {
		m.close()
		return errLogin
	}
	if old != nil {
		old.close()
	}
	s.c.send(answerFrame{T: "answer", Re: f.ID, SDP: answer})
	return nil
}

func (m *mediaLeg) close() {
	m.shut.Store(true)
	m.up.Store(false)
	m.session.Close()
}

// Connected implements MediaEvents: the client hears from here on, so every conversation is joined anew with ears.
func (m *mediaLeg) Connected() {
	go func() {
		s := m.s
		s.work.Lock() // after offer has entered the session
		defer s.work.Unlock()
		s.mu.Lock()
		current := s.media == m
		s.mu.Unlock()
		if !current || m.shut.Load() {
			return
		}
		m.up.Store(true)
		s.reseat()
		s.c.send(mediaFrame{T: "media", Connected: true})
	}()
}

// reseat joins every conversation anew, with the media that there is now; who speaks, speaks on. s.work is held.
func (s *seats) reseat() {
	for _, p := range s.list() {
		s.again(p, p.leg.opt)
	}
}

// Packet implements MediaEvents.
func (m *mediaLeg) Packet(p *voice.Packet) {
	if !m.shut.Load() {
		m.s.uplink(p)
	}
}

// Slot implements MediaEvents.
func (m *mediaLeg) Slot(slot int, info *voice.Info) {
	if !m.shut.Load() {
		m.s.c.send(slotOf(slot, info))
	}
}

// Closed implements MediaEvents: without media nobody is heard by; the page offers anew.
func (m *mediaLeg) Closed(string) {
	if m.shut.Swap(true) {
		return
	}
	m.up.Store(false)
	go func() {
		s := m.s
		s.work.Lock()
		defer s.work.Unlock()
		s.mu.Lock()
		current := s.media == m
		if current {
			s.media = nil
		}
		s.mu.Unlock()
		if current {
			s.reseat()
			s.c.send(mediaFrame{T: "media", Connected: false})
		}
	}()
}
