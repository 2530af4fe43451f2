package state

import (
	"strconv"

	"github.com/guantong-net/guantong/fusion"
)

// setSite says what the site is. Its number and incarnation are set once here: another incarnation is made by recovery,
// not by a command. The trial exception is given at the first set-up or never, and can only be taken back.
func (c *change) setSite(s Site) error {
	c.target = "site"
	if s.Number < 1 || s.Number > fusion.MaxSite {
		return bad("bad_site", "a site's number is 1 to %d", fusion.MaxSite)
	}
	if err := checkName("site's name", s.Name); err != nil {
		return err
	}
	if err := checkName("realm", s.Realm); err != nil {
		return err
	}
	if err := checkLabel("exercise", s.Exercise); err != nil {
		return err
	}
	old, there, err := load[Site](c, tSite.key())
	if err != nil {
		return err
	}
	if there {
		if err := c.checkSiteChange(old, s); err != nil {
			return err
		}
	}
	if err := save(c, tSite.key(), s); err != nil {
		return err
	}
	return c.emit("site", strconv.Itoa(int(s.Number)), s)
}

func (c *change) checkSiteChange(old, s Site) error {
	switch {
	case s.Number != old.Number:
		return conflict("site_number_fixed", "the site's number is %d for ever", old.Number)
	case s.Incarnation != old.Incarnation:
		return conflict("incarnation_fixed", "only recovery makes a new incarnation")
	case s.Realm != old.Realm:
		if any, err := anyUnder(c, tExtension.key()); err != nil || any {
			return orRefuse(err, conflict("realm_fixed", "the extensions' passwords are bound to the realm %q", old.Realm))
		}
	case s.Trial && !old.Trial:
		return fusion.E(fusion.NotAllowed, "trial_over", "a site that is no trial does not become one")
	}
	if s.Trial || !old.Trial {
		return nil
	}
	users, err := list[User](c, tUser.key())
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := checkSeparation(u); err != nil {
			return err
		}
	}
	return nil
}
