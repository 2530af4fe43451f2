package state

import (
	"slices"

	"github.com/guantong-net/guantong/fusion"
)

func (c *change) setPosition(p Position) error {
	c.target = p.Number.String()
	if err := claim(c, p.Number, "position"); err != nil {
		return err
	}
	if err := checkName("position's name", p.Name); err != nil {
		return err
	}
	if p.DutyPhone != 0 {
		if ok, err := has(c, tUnit.of(p.DutyPhone)); err != nil || !ok {
			return orRefuse(err, missing("unit_unknown", "no unit %s for the duty phone", p.DutyPhone))
		}
	}
	if err := c.checkPhones(p.Phones); err != nil {
		return err
	}
	if err := c.checkOverflow(p); err != nil {
		return err
	}
	old, there, err := load[Position](c, tPosition.of(p.Number))
	if err != nil {
		return err
	}
	if err := checkRevision(there, old.Revision, p.Revision, "position"); err != nil {
		return err
	}
	p.Occupant, p.Since = old.Occupant, old.Since
	return c.savePosition(p)
}

// checkPhones admits existing extensions, each once.
func (c *change) checkPhones(phones []fusion.Number) error {
	if len(phones) > MostPhones {
		return bad("too_many_phones", "at most %d telephones ring with a position", MostPhones)
	}
	for i, n := range phones {
		if slices.Contains(phones[:i], n) {
			return bad("phone_twice", "telephone %s is named twice", n)
		}
		if ok, err := has(c, tExtension.of(n)); err != nil || !ok {
			return orRefuse(err, missing("extension_unknown", "no telephone %s", n))
		}
	}
	return nil
}

// checkOverflow keeps the chain of overflow positions free of loops.
func (c *change) checkOverflow(p Position) error {
	for n, steps := p.Overflow, 0; n != 0; steps++ {
		if n == p.Number || steps > 16 {
			return bad("overflow_loop", "the overflow of position %s comes back to it, or is too long", p.Number)
		}
		next, there, err := load[Position](c, tPosition.of(n))
		if err != nil || !there {
			return orRefuse(err, missing("position_unknown", "no position %s", n))
		}
		n = next.Overflow
	}
	return nil
}

func (c *change) savePosition(p Position) error {
	p.Revision = c.next()
	if err := save(c, tPosition.of(p.Number), p); err != nil {
		return err
	}
	return c.emit("position", p.Number.String(), p)
}

func (c *change) position(n fusion.Number) (Position, error) {
	p, there, err := load[Position](c, tPosition.of(n))
	if err != nil {
		return p, err
	}
	if !there {
		return p, missing("position_unknown", "no position %s", n)
	}
	return p, nil
}

func (c *change) deletePosition(k NumberKey) error {
	c.target = k.Number.String()
	old, err := c.position(k.Number)
	if err != nil {
		return err
	}
	if k.Revision != 0 && k.Revision != old.Revision {
		return checkRevision(true, old.Revision, k.Revision, "position")
	}
	if old.Occupant != "" {
		return conflict("position_taken", "%s sits at position %s", old.Occupant, k.Number)
	}
	positions, err := list[Position](c, tPosition.key())
	if err != nil {
		return err
	}
	for _, p := range positions {
		if p.Overflow == k.Number {
			return conflict("position_in_use", "position %s overflows to %s", p.Number, k.Number)
		}
	}
	if err := c.Delete(tPosition.of(k.Number)); err != nil {
		return err
	}
	return c.gone("position", k.Number.String())
}

// takePosition sits a user down, lets a desk be left, or hands it over.
func (c *change) takePosition(x HandoverChange) error {
	c.target = x.Position.String()
	p, err := c.position(x.Position)
	if err != nil {
		return err
	}
	if x.To != "" {
		u, err := c.user(x.To)
		if err != nil {
			return err
		}
		if u.Disabled {
			return fusion.E(fusion.NotAllowed, "user_disabled", "user %s is disabled", x.To)
		}
	}
	if err := checkText(x.Note); err != nil {
		return err
	}
	if p.Occupant == x.To && x.Note == "" {
		return nil
	}
	return c.handOver(p, x.To, x.Note)
}

// handOver writes down the shift change with all that is open at this moment.
func (c *change) handOver(p Position, to, note string) error {
	h := Handover{ID: c.cmd.ID, Position: p.Number, From: p.Occupant, To: to, At: c.at(), Note: note}
	var err error
	if h.Alerts, err = idsUnder(c, tAlertOpen.key()); err != nil {
		return err
	}
	if h.Patches, err = idsUnder(c, tPatch.key()); err != nil {
		return err
	}
	if h.Unsigned, err = c.unsigned(p.Number); err != nil {
		return err
	}
	c.object = true
	if err := save(c, tHandover.of(p.Number).millis(h.At).id(h.ID), h); err != nil {
		return err
	}
	if err := c.emit("handover", h.ID.String(), h); err != nil {
		return err
	}
	p.Occupant, p.Since = to, c.at()
	if to == "" {
		p.Since = 0
	}
	return c.savePosition(p)
}

// maxOpen bounds what a hand-over lists of one kind.
const maxOpen = 1000

func idsUnder(r Reader, prefix key) ([]fusion.ID, error) {
	found, err := keys(r, prefix, maxOpen)
	ids := make([]fusion.ID, 0, len(found))
	for _, k := range found {
		ids = append(ids, lastID(k))
	}
	return ids, err
}

func (c *change) unsigned(n fusion.Number) ([]fusion.ID, error) {
	var ids []fusion.ID
	err := c.Scan(tUnsigned.of(n), nil, false, func(_, v []byte) (bool, error) {
		ids = append(ids, fusion.ID(v))
		return len(ids) < maxOpen, nil
	})
	return ids, err
}
