package desk

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
)

const (
	guardEvery = 10 * time.Second
	farewell   = 4 * time.Second // for what is said to a line before it is hung up
)

// watchOver looks whether the console that serves a call is still there. A page that is closed or a machine that has failed must not leave a
// caller in silence: after two looks the call waits at its position again; one that the console had placed ends.
func (s *Switchboard) watchOver(c *live) {
	if c.ByUnit == 0 || (c.a != nil && c.b != nil) {
		return
	}
	c.alone = false
	var look func()
	look = func() {
		s.locked(func() {
			if c.guard == nil || c.Status != StatusAnswered && c.Status != StatusHeld {
				return
			}
			was := c.alone
			c.alone = !s.d.Directory.Online(c.ByUnit)
			if was && c.alone {
				s.deserted(c)
				return
			}
			c.guard = time.AfterFunc(guardEvery, look)
		})
	}
	c.guard = time.AfterFunc(guardEvery, look)
}

// deserted is for a call whose console has gone.
func (s *Switchboard) deserted(c *live) {
	s.d.Log.Warn("the console that served a call has gone", "call", c.ID.String(), "user", c.By)
	if c.a == nil || c.a.gone || c.Position == 0 {
		s.finish(c, Failed)
		return
	}
	s.release(c, c.a, "console_gone")
	c.By, c.ByUnit, c.Floor = "", 0, false
	c.ID = s.renamed(c)
	s.enqueue(c, c.Position)
}

// CloseGroup hangs up the lines in a group that is no more.
func (s *Switchboard) CloseGroup(group fusion.Number) {
	s.locked(func() {
		for _, c := range s.calls {
			if c.Group == group {
				s.expel(c)
			}
		}
	})
}

// Revoke hangs up a unit's lines in one group, or (0) all of them.
func (s *Switchboard) Revoke(unit, group fusion.Number) {
	s.locked(func() {
		for _, c := range s.calls {
			for _, p := range c.parties() {
				switch {
				case p.line.Unit() != unit:
				case group == 0:
					s.finish(c, NotAllowed)
				case c.Group == group:
					s.expel(c)
				}
			}
		}
	})
}

// expel takes a call's line out of its group, tells it, and hangs up.
func (s *Switchboard) expel(c *live) {
	if c.Status != StatusInGroup {
		s.finish(c, NotAllowed)
		return
	}
	s.quiet(c)
	for _, p := range c.parties() {
		s.unseat(p)
		p.line.Play(NotInGroup)
	}
	s.after(c, farewell, func() { s.finish(c, NotAllowed) })
}
