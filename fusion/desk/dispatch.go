package desk

import (
	"context"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// User is the dispatcher or unit that acts on a call; whoever calls has checked its rights.
type User struct {
	Name     string
	Unit     fusion.Number
	Position fusion.Number
}

// Place is what a console asks to be called.
type Place struct {
	ID     fusion.ID     // the request's, which becomes the call's; asked for again, the call is the same
	To     fusion.Number // a unit or a position, or 0
	Digits string        // a number outside, or ""
	Trunk  string        // for Digits
	Group  fusion.Number // put into this group when it answers, or 0
	Floor  bool          // half-duplex, under a floor
}

// Place makes a call for a console. A unit without a telephone rings at its console.
func (s *Switchboard) Place(by User, p Place) (call Call, err error) {
	s.locked(func() {
		if known := s.calls[p.ID]; known != nil {
			call = known.Call
			return
		}
		kind := ToUnit
		if p.To != 0 {
			kind, _, _ = s.d.Directory.Resolve(p.To.String())
		}
		if err = s.placeable(by, p, kind); err != nil {
			return
		}
		c := s.begin(Caller{Unit: by.Unit, Name: s.d.Directory.Name(by.Unit)}, StatusDialling)
		if !p.ID.IsZero() {
			delete(s.calls, c.ID)
			c.ID = p.ID
			s.calls[c.ID] = c
		}
		c.By, c.ByUnit, c.To, c.Digits, c.Group, c.Floor = by.Name, by.Unit, p.To, p.Digits, p.Group, p.Floor
		if kind == ToPosition {
			s.admitTo(c, p.To)
			call = c.Call
			return
		}
		c.Position = by.Position
		s.set(c, StatusDialling)
		s.after(c, s.cfg.Unanswered, func() { s.finish(c, NoAnswer) })
		if p.Digits != "" || s.d.Dialler.Registered(p.To) {
			s.ring(c, Target{Unit: p.To, Digits: p.Digits, Trunk: p.Trunk, From: by.Unit.String()}, func(l *party) { c.b = l })
		}
		call = c.Call
	})
	return call, err
}

func (s *Switchboard) placeable(by User, p Place, kind DestKind) error {
	switch {
	case s.closed:
		return fusion.E(fusion.CutOff, "shutting_down", "this node is stopping")
	case len(s.calls) >= s.cfg.Calls:
		return fusion.E(fusion.Busy, "too_many_calls", "%d calls are under way", len(s.calls))
	case kind == ToPosition && p.Group == 0:
		return nil
	case kind != ToUnit:
		return fusion.E(fusion.BadRequest, "whom", "%s is not a unit", p.To)
	case (p.To == 0) == (p.Digits == ""):
		return fusion.E(fusion.BadRequest, "whom", "name a unit or digits, not both")
	case p.Digits != "" && p.Trunk == "":
		return fusion.E(fusion.BadRequest, "trunk", "digits outside need a trunk")
	case p.To == by.Unit && p.To != 0:
		return fusion.E(fusion.BadRequest, "yourself", "that is yourself")
	case p.To != 0 && p.Group == 0 && !s.d.Dialler.Registered(p.To) && !s.d.Directory.Online(p.To):
		return fusion.E(fusion.Busy, "not_reachable", "%s is not reachable now", p.To)
	case p.To != 0 && p.Group != 0 && !s.d.Dialler.Registered(p.To):
		return fusion.E(fusion.Busy, "not_reachable", "%s has no telephone that is reachable now", p.To)
	}
	return nil
}

// Answer lets a console take a call that rings for it or waits at its position. It then joins the call's Talk.
func (s *Switchboard) Answer(id fusion.ID, by User) (Call, error) { return s.answerFor(id, by, false) }

// PickUp (代接) answers a call that rings or waits for somebody else.
func (s *Switchboard) PickUp(id fusion.ID, by User) (Call, error) { return s.answerFor(id, by, true) }

func (s *Switchboard) answerFor(id fusion.ID, by User, pickUp bool) (call Call, err error) {
	err = s.do(id, func(c *live) error {
		if err := answerable(c, by, pickUp); err != nil {
			return err
		}
		if c.By == "" {
			c.By, c.ByUnit = by.Name, by.Unit
		}
		for _, p := range append([]*party{c.b}, c.rings...) {
			if p != nil {
				s.drop(p, Normal) // it rang there too
			}
		}
		c.b, c.rings = nil, nil
		s.bridge(c)
		call = c.Call
		return nil
	})
	return call, err
}

func answerable(c *live, by User, pickUp bool) error {
	switch c.Status {
	case StatusQueued, StatusRinging:
		if c.By == by.Name && c.By != "" {
			return fusion.E(fusion.Conflict, "your_own", "you placed this call")
		}
	case StatusDialling: // a console placed it, and it rings at another one
		switch {
		case c.To == 0 || c.Group != 0:
			return fusion.E(fusion.Conflict, "call_state", "the call is %s", c.Status)
		case c.By == by.Name:
			return fusion.E(fusion.Conflict, "your_own", "you placed this call")
		case c.To != by.Unit && !pickUp:
			return fusion.E(fusion.NotAllowed, "not_yours", "the call rings for %s", c.To)
		}
	default:
		return fusion.E(fusion.Conflict, "call_state", "the call is %s", c.Status)
	}
	return nil
}

// Hang ends a call.
func (s *Switchboard) Hang(id fusion.ID) error {
	return s.do(id, func(c *live) error {
		cause := Normal
		if c.Answered.IsZero() && (c.Status == StatusQueued || c.Status == StatusRinging) {
			cause = Refused
		}
		s.finish(c, cause)
		return nil
	})
}

// Hold parks a call: its line hears a prompt now and then, and nobody hears it.
func (s *Switchboard) Hold(id fusion.ID) error {
	return s.do(id, func(c *live) error {
		if c.Status != StatusAnswered {
			return fusion.E(fusion.Conflict, "call_state", "the call is %s", c.Status)
		}
		for _, p := range c.parties() {
			if p.seat != nil {
				s.park(p)
			}
		}
		s.set(c, StatusHeld)
		return nil
	})
}

// park lets a line neither hear nor be heard.
func (s *Switchboard) park(p *party) {
	p.seat.Hold(true)
	p.line.Sit(nil, false)
	p.line.Play(OnHold)
}

// Resume takes a call back.
func (s *Switchboard) Resume(id fusion.ID) error {
	return s.do(id, func(c *live) error {
		if c.Status != StatusHeld {
			return fusion.E(fusion.Conflict, "call_state", "the call is %s", c.Status)
		}
		for _, p := range c.parties() {
			if p.seat != nil {
				p.line.Play(Silence)
				p.line.Sit(p.seat, !c.Floor)
				p.seat.Hold(false)
			}
		}
		s.set(c, StatusAnswered)
		return nil
	})
}

// Admit lets a call into a talk group; only a dispatcher may do that. Nobody from outside comes there otherwise.
func (s *Switchboard) Admit(id fusion.ID, by User, group fusion.Number) error {
	return s.do(id, func(c *live) error {
		p := s.far(c)
		if p == nil {
			return fusion.E(fusion.Conflict, "call_state", "the call has no telephone line")
		}
		opt := s.callOptions(p)
		if c.By == "" {
			c.By, c.ByUnit = by.Name, by.Unit
		}
		s.release(c, p, "admitted")
		s.set(c, StatusAnswered) // nobody else answers it meanwhile
		phase := c.phase
		s.background(func(ctx context.Context) {
			if !s.answer(ctx, p) {
				return
			}
			s.locked(func() {
				if c.phase == phase {
					s.intoGroup(c, p, group, opt)
				}
			})
		})
		return nil
	})
}

// release takes a line out of the conversation that it is in, and everybody else out of the call.
func (s *Switchboard) release(c *live, p *party, cause string) {
	s.quiet(c)
	s.unseat(p)
	for _, o := range c.parties() {
		if o != p {
			s.drop(o, Normal)
		}
	}
	c.a, c.b, c.rings, c.Group, c.back = p, nil, nil, 0, 0
	s.closeTalk(c, cause)
}

// answer takes a line if that has not happened yet; false when it has gone.
func (s *Switchboard) answer(ctx context.Context, p *party) bool {
	s.mu.Lock()
	up := p.up
	s.mu.Unlock()
	if up {
		return true
	}
	if p.line.Answer(ctx) != nil {
		s.Ended(p.line, Normal)
		return false
	}
	return true
}

// far is the line that a dispatcher's action on a call means: the caller's, or the called one's when a console placed the call.
func (s *Switchboard) far(c *live) *party {
	if c.a != nil && !c.a.gone {
		return c.a
	}
	if c.b != nil && !c.b.gone {
		return c.b
	}
	return nil
}

// Dismiss takes a call out of the group it was let into and ends it.
func (s *Switchboard) Dismiss(id fusion.ID) error {
	return s.do(id, func(c *live) error {
		if c.Status != StatusInGroup {
			return fusion.E(fusion.Conflict, "call_state", "the call is %s", c.Status)
		}
		s.finish(c, Normal)
		return nil
	})
}

// TransferTo is where a call is transferred: a unit, a position, or digits by a trunk.
type TransferTo struct {
	Number fusion.Number
	Digits string
	Trunk  string
}

// HandOn transfers (转接): it hands a call's line on. The console that served it is out; when the new one does not answer, the call
// comes back to the position that it came from.
func (s *Switchboard) HandOn(id fusion.ID, by User, to TransferTo) error {
	return s.do(id, func(c *live) error {
		p := s.far(c)
		if p == nil {
			return fusion.E(fusion.Conflict, "call_state", "the call has no telephone line")
		}
		kind := ToUnit
		if to.Number != 0 {
			var ok bool
			if kind, _, ok = s.d.Directory.Resolve(to.Number.String()); !ok || kind == ToGroup {
				return fusion.E(fusion.NotFound, "destination_unknown", "%s is neither a unit nor a position", to.Number)
			}
		}
		return s.handOn(c, p, by, kind, to)
	})
}

func (s *Switchboard) handOn(c *live, p *party, by User, kind DestKind, to TransferTo) error {
	if kind == ToUnit && to.Digits == "" && !s.d.Dialler.Registered(to.Number) && !s.d.Directory.Online(to.Number) {
		return fusion.E(fusion.Busy, "not_reachable", "%s is not reachable now", to.Number)
	}
	if to.Number != 0 && to.Number == p.line.Unit() {
		return fusion.E(fusion.BadRequest, "yourself", "%s is the one who is transferred", to.Number)
	}
	back := c.Position
	if back == 0 {
		back = by.Position
	}
	s.release(c, p, "transferred")
	c.By, c.ByUnit, c.Floor = "", 0, false
	c.From = p.line.Caller()
	c.ID, c.Started = s.renamed(c), time.Now()
	if p.up {
		p.line.Play(RingBack)
	}
	if kind == ToPosition {
		s.enqueue(c, to.Number)
		return nil
	}
	c.To, c.Digits, c.back = to.Number, to.Digits, back
	s.set(c, StatusRinging)
	s.after(c, s.cfg.Unanswered, func() { s.unreached(c, NoAnswer) })
	if to.Digits != "" || s.d.Dialler.Registered(to.Number) {
		s.ring(c, Target{Unit: to.Number, Digits: to.Digits, Trunk: to.Trunk, From: s.shownAs(c)}, func(l *party) { c.b = l })
	}
	return nil
}

// renamed closes the record of the call so far and goes on under a new ID: a conversation's ID is never used for two.
func (s *Switchboard) renamed(c *live) fusion.ID {
	past := c.Call
	past.Cause = Normal
	past.Status = StatusEnded
	s.news = append(s.news, past)
	delete(s.calls, c.ID)
	rec := past.record(time.Now())
	s.background(func(context.Context) { s.d.Record(rec) })
	id := s.d.NewID()
	s.calls[id] = c
	c.Answered, c.Cause = time.Time{}, ""
	return id
}

// Transfer implements LineEvents: the far end asks to be replaced (REFER). Only an extension may, and only inside the site: nobody
// goes from trunk to trunk but by a dispatcher.
func (s *Switchboard) Transfer(line Line, digits string) {
	s.locked(func() {
		p := s.lines[line]
		if p == nil || line.Caller().Unit == 0 {
			return
		}
		kind, n, ok := s.d.Directory.Resolve(digits)
		c := p.call
		other := c.a
		if other == p {
			other = c.b
		}
		if !ok || kind == ToGroup || other == nil || other.gone {
			return
		}
		if err := s.handOn(c, other, User{}, kind, TransferTo{Number: n}); err != nil {
			s.d.Log.Info("transfer refused", "call", c.ID.String(), "error", err)
		}
	})
}
