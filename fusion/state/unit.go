package state

import "github.com/guantong-net/guantong/fusion"

func (c *change) setUnit(u Unit) error {
	c.target = u.Number.String()
	if err := claim(c, u.Number, "unit"); err != nil {
		return err
	}
	if err := checkUnit(u); err != nil {
		return err
	}
	old, there, err := load[Unit](c, tUnit.of(u.Number))
	if err != nil {
		return err
	}
	if err := checkRevision(there, old.Revision, u.Revision, "unit"); err != nil {
		return err
	}
	u.Revision = c.next()
	if err := save(c, tUnit.of(u.Number), u); err != nil {
		return err
	}
	return c.emit("unit", u.Number.String(), u)
}

func checkUnit(u Unit) error {
	if err := checkName("unit's name", u.Name); err != nil {
		return err
	}
	if err := checkLabel("organisation", u.Org); err != nil {
		return err
	}
	switch u.Kind {
	case PersonUnit, PhoneUnit, TerminalUnit, GatewayUnit:
		return nil
	}
	return bad("bad_unit_kind", "no kind of unit %q", u.Kind)
}

func (c *change) deleteUnit(k NumberKey) error {
	c.target = k.Number.String()
	old, there, err := load[Unit](c, tUnit.of(k.Number))
	if err != nil {
		return err
	}
	if !there {
		return missing("unit_unknown", "no unit %s", k.Number)
	}
	if k.Revision != 0 && k.Revision != old.Revision {
		return checkRevision(true, old.Revision, k.Revision, "unit")
	}
	if err := c.unitUnused(k.Number); err != nil {
		return err
	}
	memberships, err := keys(c, tMembership.of(k.Number), 0)
	if err != nil {
		return err
	}
	for _, m := range memberships {
		if err := c.dropMember(lastNumber(m), k.Number); err != nil {
			return err
		}
	}
	if err := c.Delete(tUnit.of(k.Number)); err != nil {
		return err
	}
	return c.gone("unit", k.Number.String())
}

// unitUnused refuses when somebody logs in as the unit, or it has a telephone account, or a desk relies on it.
func (c *change) unitUnused(n fusion.Number) error {
	if used, err := anyUnder(c, tUserOfUnit.of(n)); err != nil || used {
		return orRefuse(err, conflict("unit_in_use", "a user acts as unit %s", n))
	}
	if used, err := has(c, tExtension.of(n)); err != nil || used {
		return orRefuse(err, conflict("unit_in_use", "unit %s has an extension", n))
	}
	positions, err := list[Position](c, tPosition.key())
	if err != nil {
		return err
	}
	for _, p := range positions {
		if p.DutyPhone == n {
			return conflict("unit_in_use", "unit %s is the duty phone of position %s", n, p.Number)
		}
	}
	return nil
}

func (c *change) setExtension(x ExtensionChange) error {
	e := x.Extension
	c.target = e.Unit.String()
	if ok, err := has(c, tUnit.of(e.Unit)); err != nil || !ok {
		return orRefuse(err, missing("unit_unknown", "no unit %s", e.Unit))
	}
	if err := checkLogin(e.Username); err != nil {
		return err
	}
	if err := checkLabel("class of service", e.Class); err != nil {
		return err
	}
	old, there, err := load[Extension](c, tExtension.of(e.Unit))
	if err != nil {
		return err
	}
	if err := checkRevision(there, old.Revision, e.Revision, "extension"); err != nil {
		return err
	}
	if err := c.setExtensionSecret(e.Unit, there, x.Secret); err != nil {
		return err
	}
	if err := c.nameExtension(old, e); err != nil {
		return err
	}
	e.Revision = c.next()
	if err := save(c, tExtension.of(e.Unit), e); err != nil {
		return err
	}
	return c.emit("extension", e.Unit.String(), e)
}

func (c *change) setExtensionSecret(unit fusion.Number, there bool, s *ExtensionSecret) error {
	if s == nil && !there {
		return bad("secret_missing", "a new extension needs a password")
	}
	if s == nil {
		return nil
	}
	if !hexDigits(s.MD5, 32) || !hexDigits(s.SHA256, 64) {
		return bad("bad_secret", "an extension's secret is an MD5 and a SHA-256 digest in hexadecimal")
	}
	s.Unit = unit
	return save(c, tExtensionSecret.of(unit), *s)
}

func hexDigits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

// nameExtension keeps SIP user names unique.
func (c *change) nameExtension(old, e Extension) error {
	if old.Username == e.Username {
		return nil
	}
	if taken, err := has(c, tExtensionName.named(e.Username)); err != nil || taken {
		return orRefuse(err, conflict("username_taken", "another extension has the user name %s", e.Username))
	}
	if old.Username != "" {
		if err := c.Delete(tExtensionName.named(old.Username)); err != nil {
			return err
		}
	}
	return save(c, tExtensionName.named(e.Username), e.Unit)
}

func (c *change) deleteExtension(k NumberKey) error {
	c.target = k.Number.String()
	old, there, err := load[Extension](c, tExtension.of(k.Number))
	if err != nil {
		return err
	}
	if !there {
		return missing("extension_unknown", "unit %s has no extension", k.Number)
	}
	if k.Revision != 0 && k.Revision != old.Revision {
		return checkRevision(true, old.Revision, k.Revision, "extension")
	}
	for _, k := range []key{tExtension.of(k.Number), tExtensionSecret.of(k.Number), tExtensionName.named(old.Username)} {
		if err := c.Delete(k); err != nil {
			return err
		}
	}
	return c.gone("extension", k.Number.String())
}
