package state

import (
	"slices"
	"strings"

	"github.com/guantong-net/guantong/fusion"
)

func (c *change) setUser(x UserChange) error {
	u := x.User
	c.target = u.Name
	if err := c.checkUser(u); err != nil {
		return err
	}
	old, there, err := load[User](c, tUser.named(u.Name))
	if err != nil {
		return err
	}
	if err := checkRevision(there, old.Revision, u.Revision, "user"); err != nil {
		return err
	}
	if !there && x.Secret == nil {
		return bad("secret_missing", "a new user needs a password")
	}
	u.Epoch, u.TOTP = old.Epoch, old.TOTP
	if x.Secret != nil {
		if err := c.saveSecret(u.Name, *x.Secret); err != nil {
			return err
		}
		u.TOTP = len(x.Secret.TOTP) > 0
	}
	if there && (x.Secret != nil || u.Disabled && !old.Disabled || u.Unit != old.Unit || !slices.Equal(u.Roles, old.Roles)) {
		u.Epoch++
	}
	if err := c.saveUser(old, u); err != nil {
		return err
	}
	return c.keepSecurityAdmin(old)
}

func (c *change) checkUser(u User) error {
	if err := checkLogin(u.Name); err != nil {
		return err
	}
	if ok, err := has(c, tUnit.of(u.Unit)); err != nil || !ok {
		return orRefuse(err, missing("unit_unknown", "no unit %s", u.Unit))
	}
	for i, r := range u.Roles {
		if !r.Valid() || slices.Contains(u.Roles[:i], r) {
			return bad("bad_role", "%q is no role, or is named twice", r)
		}
	}
	site, _, err := load[Site](c, tSite.key())
	if err != nil || site.Trial {
		return err
	}
	return checkSeparation(u)
}

// checkSeparation keeps system, security and audit administration in different hands (三员分立).
func checkSeparation(u User) error {
	var held []string
	for _, r := range []fusion.Role{fusion.SystemAdmin, fusion.SecurityAdmin, fusion.AuditAdmin} {
		if slices.Contains(u.Roles, r) {
			held = append(held, string(r))
		}
	}
	if len(held) > 1 {
		return bad("roles_exclude", "user %s would hold %s, which exclude one another", u.Name, strings.Join(held, " and "))
	}
	return nil
}

func (c *change) saveUser(old, u User) error {
	if old.Unit != 0 && old.Unit != u.Unit {
		if err := c.Delete(tUserOfUnit.of(old.Unit).text(u.Name)); err != nil {
			return err
		}
	}
	if err := c.Set(tUserOfUnit.of(u.Unit).text(u.Name), present); err != nil {
		return err
	}
	u.Revision = c.next()
	if err := save(c, tUser.named(u.Name), u); err != nil {
		return err
	}
	return c.emit("user", u.Name, u)
}

// keepSecurityAdmin refuses to take the last account away that could make another one.
func (c *change) keepSecurityAdmin(was User) error {
	if was.Disabled || !slices.Contains(was.Roles, fusion.SecurityAdmin) {
		return nil
	}
	users, err := list[User](c, tUser.key())
	if err != nil {
		return err
	}
	for _, u := range users {
		if !u.Disabled && slices.Contains(u.Roles, fusion.SecurityAdmin) {
			return nil
		}
	}
	return conflict("last_security_admin", "nobody would be left to manage users")
}

func (c *change) saveSecret(name string, s UserSecret) error {
	if !strings.HasPrefix(s.Password, "$argon2id$") || len(s.Password) > maxSecret || len(s.TOTP) > maxSecret || len(s.PendingTOTP) > maxSecret {
		return bad("bad_secret", "a password is kept as an argon2id string")
	}
	s.Name = name
	return save(c, tUserSecret.named(name), s)
}

// setUserSecret replaces a secret. A new password ends the user's sessions; a one-time code's step only grows, so a code
// works once even when two nodes check it at the same moment.
func (c *change) setUserSecret(x UserSecretChange) error {
	c.target = x.Secret.Name
	u, err := c.user(x.Secret.Name)
	if err != nil {
		return err
	}
	old, _, err := load[UserSecret](c, tUserSecret.named(u.Name))
	if err != nil {
		return err
	}
	samePassword := old.Password == x.Secret.Password
	if samePassword && slices.Equal(old.TOTP, x.Secret.TOTP) && len(old.TOTP) > 0 && slices.Equal(old.PendingTOTP, x.Secret.PendingTOTP) &&
		x.MustChange == u.MustChange && x.Secret.LastTOTPStep <= old.LastTOTPStep {
		return conflict("code_used", "this one-time code was used already")
	}
	if err := c.saveSecret(u.Name, x.Secret); err != nil {
		return err
	}
	was := u
	u.MustChange, u.TOTP = x.MustChange, x.TOTP
	if !samePassword {
		u.Epoch++
	}
	if samePassword && was.MustChange == u.MustChange && was.TOTP == u.TOTP {
		return nil
	}
	return c.saveUser(was, u)
}

func (c *change) user(name string) (User, error) {
	u, there, err := load[User](c, tUser.named(name))
	if err != nil {
		return u, err
	}
	if !there {
		return u, missing("user_unknown", "no user %q", name)
	}
	return u, nil
}

func (c *change) endSessions(k NameKey) error {
	c.target = k.Name
	u, err := c.user(k.Name)
	if err != nil {
		return err
	}
	u.Epoch++
	return c.saveUser(u, u)
}

func (c *change) deleteUser(k NameKey) error {
	c.target = k.Name
	u, err := c.user(k.Name)
	if err != nil {
		return err
	}
	for _, k := range []key{tUser.named(u.Name), tUserSecret.named(u.Name), tUserOfUnit.of(u.Unit).text(u.Name)} {
		if err := c.Delete(k); err != nil {
			return err
		}
	}
	if err := c.gone("user", u.Name); err != nil {
		return err
	}
	if err := c.vacate(u.Name); err != nil {
		return err
	}
	return c.keepSecurityAdmin(u)
}

// vacate lets a user who is no more leave every desk.
func (c *change) vacate(name string) error {
	positions, err := list[Position](c, tPosition.key())
	if err != nil {
		return err
	}
	for _, p := range positions {
		if p.Occupant != name {
			continue
		}
		if err := c.handOver(p, "", ""); err != nil {
			return err
		}
	}
	return nil
}
