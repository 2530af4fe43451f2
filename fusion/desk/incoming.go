package desk

import (
	"context"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
)

// Incoming implements the transports' entry: it decides where a new call goes.
func (s *Switchboard) Incoming(line Line, digits string) {
	s.locked(func() {
		from := line.Caller()
		if len(s.calls) >= s.cfg.Calls || s.closed {
			s.refuse(line, Overloaded)
			return
		}
		c := s.begin(from, StatusRinging)
		c.a = s.enlist(c, line)
		if from.Unit == 0 {
			s.outside(c, digits)
			return
		}
		s.inside(c, digits)
	})
}

func (s *Switchboard) refuse(line Line, cause Cause) {
	s.background(func(context.Context) { line.Hang(cause) })
}

// outside takes a call of somebody who has not proved who it is: to a position's queue, and nowhere else.
func (s *Switchboard) outside(c *live, digits string) {
	pos, ok := s.d.Directory.TrunkEntry(c.From.Trunk, digits)
	if !ok {
		s.finish(c, NotFound)
		return
	}
	s.admitTo(c, pos)
}

// inside takes a call of one of our extensions.
func (s *Switchboard) inside(c *live, digits string) {
	kind, n, ok := s.d.Directory.Resolve(digits)
	if !ok {
		s.outgoing(c, digits)
		return
	}
	switch kind {
	case ToGroup:
		s.toGroup(c, n)
	case ToPosition:
		s.admitTo(c, n)
	default:
		s.toUnit(c, n)
	}
}

// toGroup lets an extension into a group if its unit may join it.
func (s *Switchboard) toGroup(c *live, group fusion.Number) {
	c.To = group
	opt, err := s.d.Directory.Membership(c.From.Unit, group)
	if err != nil {
		s.finish(c, NotAllowed)
		return
	}
	opt.Via = "phone"
	p, phase := c.a, c.phase
	s.background(func(ctx context.Context) {
		if p.line.Answer(ctx) != nil {
			s.Ended(p.line, Normal)
			return
		}
		s.locked(func() {
			if c.phase == phase {
				s.intoGroup(c, p, group, opt)
			}
		})
	})
}

// intoGroup seats an answered line in a group.
func (s *Switchboard) intoGroup(c *live, p *party, group fusion.Number, opt talk.JoinOptions) {
	if p.gone || c.Status == StatusEnded {
		return
	}
	if err := s.sit(p, fusion.GroupTalk(group), opt, false); err != nil {
		s.d.Log.Warn("a line could not join a group", "group", group.String(), "error", err)
		s.finish(c, Failed)
		return
	}
	s.quiet(c)
	p.up, c.Group, c.back = true, group, 0
	if c.Answered.IsZero() {
		c.Answered = time.Now()
	}
	p.line.Play(GroupJoined)
	s.set(c, StatusInGroup)
}

// toUnit rings a unit: its telephone, its console, or both.
func (s *Switchboard) toUnit(c *live, unit fusion.Number) {
	c.To = unit
	if unit == c.From.Unit {
		s.finish(c, BusyHere)
		return
	}
	phone := s.d.Directory.Extension(unit) && s.d.Dialler.Registered(unit)
	if !phone && !s.d.Directory.Online(unit) {
		s.finish(c, NoAnswer)
		return
	}
	c.a.line.Ringing()
	s.set(c, StatusRinging)
	s.after(c, s.cfg.Unanswered, func() { s.unreached(c, NoAnswer) })
	if phone {
		s.ring(c, Target{Unit: unit, From: s.shownAs(c)}, func(p *party) { c.b = p })
	}
}

// shownAs is the caller ID that the called one sees.
func (s *Switchboard) shownAs(c *live) string {
	if c.From.Unit != 0 {
		return c.From.Unit.String()
	}
	return c.From.Digits
}

// ring dials a target for a call and keeps the line, unless the call has gone elsewhere before it rings.
func (s *Switchboard) ring(c *live, to Target, keep func(*party)) {
	phase := c.phase
	s.dialing++
	s.background(func(ctx context.Context) {
		line, err := s.d.Dialler.Dial(ctx, to)
		s.locked(func() {
			was := s.dialed(line)
			switch {
			case c.phase != phase || c.Status == StatusEnded:
				if err == nil && !was.ended {
					s.refuse(line, Normal)
				}
			case err != nil:
				s.d.Log.Info("call not put through", "call", c.ID.String(), "error", err)
				s.missedRing(c, causeOf(err))
			default:
				p := s.enlist(c, line)
				keep(p)
				s.catchUp(p, was)
			}
		})
	})
}

// dialed gives what a line did before it was known, which is forgotten once nobody dials any more.
func (s *Switchboard) dialed(line Line) (was early) {
	if e := s.early[line]; e != nil {
		was = *e
		delete(s.early, line)
	}
	if s.dialing--; s.dialing == 0 {
		clear(s.early)
	}
	return was
}

// catchUp takes what a line did before it was known: a telephone may answer before Dial has returned.
func (s *Switchboard) catchUp(p *party, was early) {
	switch {
	case was.ended:
		s.gone(p, was.cause)
	case was.answered:
		p.up = true
		s.connect(p)
	}
}

// unknown remembers what a line does that may be about to be returned by Dial.
func (s *Switchboard) unknown(line Line) *early {
	if s.dialing == 0 {
		return &early{}
	}
	e := s.early[line]
	if e == nil {
		e = &early{}
		s.early[line] = e
	}
	return e
}

// missedRing gives a call up that only the failed line could have answered.
func (s *Switchboard) missedRing(c *live, cause Cause) {
	switch {
	case c.Status != StatusRinging && c.Status != StatusDialling:
	case c.To != 0 && c.Group == 0 && s.d.Directory.Online(c.To) && cause != Refused: // its console still rings
	default:
		s.unreached(c, cause)
	}
}

// unreached ends a call that nobody took; a transferred one goes back to where it came from.
func (s *Switchboard) unreached(c *live, cause Cause) {
	if c.back == 0 {
		s.finish(c, cause)
		return
	}
	for _, p := range c.parties() {
		if p != c.a {
			s.drop(p, cause)
		}
	}
	c.b, c.rings = nil, nil
	pos := c.back
	c.back = 0
	s.enqueue(c, pos)
}

func causeOf(err error) Cause {
	switch fusion.FaultOf(err) {
	case fusion.NotFound:
		return NotFound
	case fusion.NotAllowed:
		return NotAllowed
	case fusion.Busy:
		return BusyHere
	}
	return Failed
}

// admitTo puts a new call into a position's queue (席位) unless too many wait there.
func (s *Switchboard) admitTo(c *live, pos fusion.Number) {
	if s.waiting(pos) >= s.cfg.Queue {
		s.finish(c, BusyHere)
		return
	}
	s.enqueue(c, pos)
}

func (s *Switchboard) waiting(pos fusion.Number) (n int) {
	for _, c := range s.calls {
		if c.Position == pos && c.Status == StatusQueued {
			n++
		}
	}
	return n
}

// enqueue lets a call wait at a position, also when many do: one that was let in is not cut off. The position's telephones ring at once.
func (s *Switchboard) enqueue(c *live, pos fusion.Number) {
	s.quiet(c)
	c.Position = pos
	switch {
	case c.a == nil || c.a.gone:
	case c.a.up:
		c.a.line.Play(Waiting)
	default:
		c.a.line.Ringing()
	}
	s.set(c, StatusQueued)
	s.ringAll(c, s.d.Directory.Phones(pos))
	s.after(c, s.cfg.DutyAfter, func() { s.louder(c) })
}

// ringAll rings telephones for a waiting call; those that ring already go on.
func (s *Switchboard) ringAll(c *live, units []fusion.Number) {
	for _, n := range units {
		if n == 0 || n == c.From.Unit || c.rung(n) || !s.d.Dialler.Registered(n) {
			continue
		}
		s.ring(c, Target{Unit: n, From: s.shownAs(c)}, func(p *party) {
			if c.rung(n) { // dialled twice
				s.drop(p, Normal)
				return
			}
			c.rings = append(c.rings, p)
		})
	}
}

// louder rings the duty phone besides the consoles, again and again, until somebody answers; later the call goes on to the next position.
// Where there is none it waits on: nobody who calls for help is cut off.
func (s *Switchboard) louder(c *live) {
	next := s.d.Directory.Overflow(c.Position)
	if next != 0 && next != c.Position && time.Since(c.Since) >= s.cfg.DutyAfter+s.cfg.Overflow {
		for _, p := range c.rings {
			s.drop(p, NoAnswer)
		}
		c.rings = nil
		s.enqueue(c, next)
		return
	}
	s.ringAll(c, append(s.d.Directory.Phones(c.Position), s.d.Directory.DutyPhone(c.Position)))
	wait := s.cfg.DutyAfter
	if left := s.cfg.DutyAfter + s.cfg.Overflow - time.Since(c.Since); left > 0 {
		wait = min(wait, left)
	}
	s.after(c, wait, func() { s.louder(c) })
}

// outgoing lets an extension out by a trunk if its class of service allows it.
func (s *Switchboard) outgoing(c *live, digits string) {
	c.Digits = digits
	class := s.d.Directory.Class(c.From.Unit)
	prefix, ok := class.match(digits)
	if !ok {
		s.finish(c, NotAllowed)
		return
	}
	if s.out[class.Name] >= class.calls() {
		s.finish(c, BusyHere)
		return
	}
	s.out[class.Name]++
	c.class = class.Name
	c.a.line.Ringing()
	s.set(c, StatusDialling)
	s.after(c, s.cfg.Unanswered, func() { s.finish(c, NoAnswer) })
	s.ring(c, Target{Digits: digits[prefix.Strip:], Trunk: prefix.Trunk, From: s.shownAs(c)}, func(p *party) { c.b = p })
}

// Answered implements LineEvents.
func (s *Switchboard) Answered(line Line, early bool) {
	s.locked(func() {
		p := s.lines[line]
		switch {
		case early:
		case p == nil:
			s.unknown(line).answered = true
		case !p.up:
			p.up = true
			s.connect(p)
		}
	})
}

// connect joins an outgoing line that was taken with whom it was dialled for.
func (s *Switchboard) connect(p *party) {
	c := p.call
	if p == c.a { // we answered it, not it us
		return
	}
	for _, o := range append([]*party{c.b}, c.rings...) {
		if o != nil && o != p {
			s.drop(o, Normal)
		}
	}
	c.b, c.rings = p, nil
	if c.To == 0 {
		c.To = p.line.Unit() // the telephone that took a waiting call
	}
	if c.Group != 0 { // a dispatcher called it into a group
		s.intoGroup(c, p, c.Group, s.callOptions(p))
		return
	}
	s.bridge(c)
}

// bridge makes a call's lines, and the console that serves it, hear one another.
func (s *Switchboard) bridge(c *live) {
	s.quiet(c)
	c.back = 0
	if c.Talk.IsZero() {
		c.Talk = s.d.Talks.OpenCall(c.ID, c.Floor)
	}
	if c.Answered.IsZero() {
		c.Answered = time.Now()
	}
	s.set(c, StatusAnswered)
	for _, p := range c.parties() {
		s.take(c, p)
	}
	if c.class != "" {
		class := s.d.Directory.Class(c.From.Unit)
		s.after(c, class.minutes(), func() { s.finish(c, Normal) })
	}
	s.watchOver(c)
}

// take answers a line of a call, if that has not happened, and seats it.
func (s *Switchboard) take(c *live, p *party) {
	if p.up {
		s.seatInCall(c, p)
		return
	}
	s.background(func(ctx context.Context) {
		err := p.line.Answer(ctx)
		s.locked(func() {
			switch {
			case p.gone || c.Status == StatusEnded:
			case err != nil: // the caller had gone before it was answered
				c.Answered = time.Time{}
				s.gone(p, Normal)
			default:
				p.up = true
				s.seatInCall(c, p)
			}
		})
	})
}

// seatInCall seats a line in its call's conversation, unless the call has gone elsewhere meanwhile: transferred, or let into a group.
func (s *Switchboard) seatInCall(c *live, p *party) {
	if c.Talk.IsZero() || c.Status != StatusAnswered && c.Status != StatusHeld {
		return
	}
	if err := s.sit(p, c.Talk, s.callOptions(p), !c.Floor); err != nil {
		s.d.Log.Warn("a line could not be seated", "call", c.ID.String(), "error", err)
		s.finish(c, Failed)
		return
	}
	if c.Status == StatusHeld {
		s.park(p)
	}
}

// Held implements LineEvents: the far end put us on hold. What it hears stops, and it gives the floor up.
func (s *Switchboard) Held(line Line, held bool) {
	s.locked(func() {
		if p := s.lines[line]; p != nil && p.seat != nil {
			p.seat.Hold(held)
		}
	})
}

// Ended implements LineEvents.
func (s *Switchboard) Ended(line Line, cause Cause) {
	s.locked(func() {
		if p := s.lines[line]; p != nil {
			s.gone(p, cause)
			return
		}
		e := s.unknown(line)
		e.ended, e.cause = true, cause
	})
}

// gone takes a line off that has ended, and its call with it unless others still ring.
func (s *Switchboard) gone(p *party, cause Cause) {
	p.gone = true
	delete(s.lines, p.line)
	s.unseat(p)
	c := p.call
	for i, r := range c.rings {
		if r == p {
			c.rings = append(c.rings[:i:i], c.rings[i+1:]...)
			return // the call itself goes on waiting
		}
	}
	if p == c.b && !p.up {
		c.b = nil
		s.missedRing(c, cause)
		return
	}
	s.finish(c, cause)
}
