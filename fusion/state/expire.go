package state

import "github.com/guantong-net/guantong/fusion"

// What Expire keeps beside what its command says.
const (
	maxExpire = 2000                // objects in one command
	fileGrace = Millis(24 * 3600e3) // a stored file that nothing names yet
)

// expire carries out lifetimes and retention up to its limits. Result.Detail is "more" when some work is left.
func (c *change) expire(x ExpireChange) error {
	limit := maxExpire
	if x.Limit > 0 {
		limit = min(limit, x.Limit)
	}
	steps := []func() error{
		func() error { return c.endLifetimes(x.Now, &limit) },
		func() error { return c.endTemporary(x.Now, &limit) },
		func() error { return c.retainMessages(x.Messages, &limit) },
		func() error { return c.retainAlerts(x.Messages, &limit) },
		func() error { return c.retainCalls(x.Messages, &limit) },
		func() error { return c.retainBursts(x.Recordings, &limit) },
		func() error { return c.retainFiles(x.Now-fileGrace, &limit) },
		func() error { return c.trimAudit(x.Audit, &limit) },
		func() error { return c.forget(&limit) },
	}
	for _, step := range steps {
		if limit <= 0 || !c.roomy() {
			break
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// keysUntil copies the keys of a time index whose time is not after until, but those that are to be passed over.
func keysUntil(r Reader, t table, until Millis, limit int, pass func(key) (bool, error)) ([]key, error) {
	var out []key
	err := r.Scan(t.key(), nil, false, func(k, _ []byte) (bool, error) {
		if len(out) >= limit || Millis(lastU64(k[:9])) > until {
			return false, nil
		}
		if passed, err := pass(k); err != nil || passed {
			return true, err
		}
		out = append(out, append(key(nil), k...))
		return true, nil
	})
	return out, err
}

func none(key) (bool, error) { return false, nil }

// each handles the entries of a time index up to a moment, but those that are to be passed over, as far as there is room.
func (c *change) each(t table, until Millis, limit *int, pass func(key) (bool, error), f func(key) error) error {
	due, err := keysUntil(c, t, until, *limit, pass)
	if err != nil {
		return err
	}
	for _, k := range due {
		if !c.roomy() {
			return nil
		}
		if err := f(k); err != nil {
			return err
		}
		*limit--
	}
	return nil
}

func (c *change) endLifetimes(now Millis, limit *int) error {
	return c.each(tLifetime, now, limit, none, func(k key) error {
		id, err := c.Get(k)
		if err != nil {
			return err
		}
		if err := c.Delete(k); err != nil {
			return err
		}
		m, there, err := load[Message](c, tMessage.ofID(fusion.ID(id)))
		if err != nil || !there {
			return err
		}
		m.Expired = true
		if err := save(c, tMessage.ofID(m.ID), m); err != nil {
			return err
		}
		return c.emit("message", m.ID.String(), m)
	})
}

func (c *change) endTemporary(now Millis, limit *int) error {
	groups, err := list[Group](c, tGroup.key())
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Kind != TemporaryGroup || g.Ends > now || *limit == 0 || !c.roomy() {
			continue
		}
		if err := c.leavePatch(g.Number); err != nil {
			return err
		}
		if err := c.dropGroup(g.Number); err != nil {
			return err
		}
		*limit--
	}
	return nil
}

// leavePatch takes a group out of its patch; a patch of one group is none.
func (c *change) leavePatch(n fusion.Number) error {
	id, err := c.Get(tPatchOf.of(n))
	if err != nil || id == nil {
		return err
	}
	p, _, err := load[Patch](c, tPatch.ofID(fusion.ID(id)))
	if err != nil {
		return err
	}
	if len(p.Groups) <= 2 {
		return c.dropPatch(p)
	}
	var rest []fusion.Number
	for _, g := range p.Groups {
		if g != n {
			rest = append(rest, g)
		}
	}
	p.Groups = rest
	if err := c.Delete(tPatchOf.of(n)); err != nil {
		return err
	}
	if err := save(c, tPatch.ofID(p.ID), p); err != nil {
		return err
	}
	return c.emit("patch", p.ID.String(), p)
}

func (c *change) retainMessages(until Millis, limit *int) error {
	var due []fusion.ID
	err := c.Scan(tMessageTime.key(), nil, false, func(k, id []byte) (bool, error) {
		m, there, err := load[Message](c, tMessage.ofID(fusion.ID(id)))
		if err != nil || !there || m.Keep {
			return true, err
		}
		if Millis(m.HLC>>16) >= until || len(due) >= *limit {
			return false, nil
		}
		due = append(due, m.ID)
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, id := range due {
		m, _, err := load[Message](c, tMessage.ofID(id))
		if err != nil || !c.roomy() {
			return err
		}
		if err := c.dropMessage(m); err != nil {
			return err
		}
		*limit--
	}
	return nil
}

// retainAlerts removes alerts that were cleared; an open one stays whatever its age.
func (c *change) retainAlerts(until Millis, limit *int) error {
	open := func(k key) (bool, error) { return has(c, tAlertOpen.ofID(lastID(k))) }
	return c.each(tAlertTime, until-1, limit, open, func(k key) error {
		a, there, err := load[Alert](c, tAlert.ofID(lastID(k)))
		if err != nil || !there {
			return err
		}
		return c.dropAlert(a)
	})
}

func (c *change) retainCalls(until Millis, limit *int) error {
	return c.each(tCallTime, until-1, limit, none, func(k key) error {
		r, there, err := load[CallRecord](c, tCall.ofID(lastID(k)))
		if err != nil || !there {
			return err
		}
		return c.dropCall(r)
	})
}

func (c *change) retainBursts(until Millis, limit *int) error {
	kept := func(k key) (bool, error) {
		b, _, err := load[Burst](c, tBurst.ofID(lastID(k)))
		return b.Keep, err
	}
	return c.each(tBurstTime, until-1, limit, kept, func(k key) error {
		b, there, err := load[Burst](c, tBurst.ofID(lastID(k)))
		if err != nil || !there {
			return err
		}
		return c.dropBurst(b)
	})
}

// retainFiles forgets stored files that nothing named in time. One that is named needs no watching until what names it
// goes (dropMessage).
func (c *change) retainFiles(until Millis, limit *int) error {
	return c.each(tFileTime, until-1, limit, none, func(k key) error {
		hash := string(k[9:])
		if named, err := anyUnder(c, tFileRef.named(hash)); err != nil || named {
			return orRefuse(err, c.Delete(k))
		}
		return c.deleteAll([]key{k, tFile.named(hash)})
	})
}

// ExpireDue reports whether an Expire would find anything to do, so that an idle site writes nothing.
func (v *View) ExpireDue(x ExpireChange) (bool, error) {
	n, _, err := load[counters](v.r, tCounters.key())
	if err != nil {
		return false, err
	}
	hlc := Millis(n.HLC >> 16)
	for _, due := range []struct {
		t     table
		until Millis
	}{{tLifetime, x.Now}, {tAlertTime, x.Messages - 1}, {tCallTime, x.Messages - 1}, {tBurstTime, x.Recordings - 1},
		{tFileTime, x.Now - fileGrace - 1}, {tDoneTime, hlc - forgetAfter}} {
		found, err := keysUntil(v.r, due.t, due.until, 1, none)
		if err != nil || len(found) > 0 {
			return len(found) > 0, err
		}
	}
	if old, err := v.messageBefore(x.Messages); err != nil || old {
		return old, err
	}
	groups, err := v.Groups()
	for _, g := range groups {
		if g.Kind == TemporaryGroup && g.Ends <= x.Now {
			return true, nil
		}
	}
	if err != nil || n.Oldest == 0 || n.Oldest >= n.Audit {
		return false, err
	}
	a, there, err := load[Audit](v.r, tAudit.seq(n.Oldest))
	return there && a.At < x.Audit, err
}

func (v *View) messageBefore(until Millis) (bool, error) {
	found := false
	err := v.r.Scan(tMessageTime.key(), nil, false, func(k, _ []byte) (bool, error) {
		found = Millis(lastU64(k[:9])>>16) < until
		return false, nil
	})
	return found, err
}
