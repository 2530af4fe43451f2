package state

import (
	"fmt"
	"slices"

	"github.com/guantong-net/guantong/fusion"
)

func (c *change) setGroup(g Group) error {
	c.target = g.Number.String()
	if err := claim(c, g.Number, "group"); err != nil {
		return err
	}
	if err := checkGroup(g, c.at()); err != nil {
		return err
	}
	old, there, err := load[Group](c, tGroup.of(g.Number))
	if err != nil {
		return err
	}
	if err := checkRevision(there, old.Revision, g.Revision, "group"); err != nil {
		return err
	}
	g.Revision = c.next()
	if err := save(c, tGroup.of(g.Number), g); err != nil {
		return err
	}
	return c.emit("group", g.Number.String(), g)
}

func checkGroup(g Group, now Millis) error {
	if err := checkName("group's name", g.Name); err != nil {
		return err
	}
	if err := checkPriority(g.Priority); err != nil {
		return err
	}
	if err := checkPrecedence(g.Precedence); err != nil {
		return err
	}
	switch {
	case g.Kind != TalkGroup && g.Kind != BroadcastGroup && g.Kind != TemporaryGroup:
		return bad("bad_group_kind", "no kind of group %q", g.Kind)
	case g.TalkLimit < 0 || g.TalkLimit > maxTalkLimit:
		return bad("bad_talk_limit", "a talk limit is 0 to %d seconds", maxTalkLimit)
	case g.Kind == TemporaryGroup && g.Ends <= now:
		return bad("bad_end", "a temporary group ends in the future")
	case g.Kind != TemporaryGroup && g.Ends != 0:
		return bad("bad_end", "only a temporary group ends")
	}
	return nil
}

func (c *change) deleteGroup(k NumberKey) error {
	c.target = k.Number.String()
	old, there, err := load[Group](c, tGroup.of(k.Number))
	if err != nil {
		return err
	}
	if !there {
		return missing("group_unknown", "no group %s", k.Number)
	}
	if k.Revision != 0 && k.Revision != old.Revision {
		return checkRevision(true, old.Revision, k.Revision, "group")
	}
	if patched, err := has(c, tPatchOf.of(k.Number)); err != nil || patched {
		return orRefuse(err, conflict("group_patched", "group %s is in a patch; part it first", k.Number))
	}
	return c.dropGroup(k.Number)
}

func orRefuse(err, refusal error) error {
	if err != nil {
		return err
	}
	return refusal
}

func (c *change) dropGroup(n fusion.Number) error {
	members, err := list[Member](c, tMember.of(n))
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := c.dropMember(m.Group, m.Unit); err != nil {
			return err
		}
	}
	if err := c.Delete(tGroup.of(n)); err != nil {
		return err
	}
	return c.gone("group", n.String())
}

func (c *change) setMember(m Member) error {
	c.target = memberName(m.Group, m.Unit)
	if ok, err := has(c, tGroup.of(m.Group)); err != nil || !ok {
		return orRefuse(err, missing("group_unknown", "no group %s", m.Group))
	}
	if ok, err := has(c, tUnit.of(m.Unit)); err != nil || !ok {
		return orRefuse(err, missing("unit_unknown", "no unit %s", m.Unit))
	}
	if err := checkPriority(m.Priority); err != nil {
		return err
	}
	old, there, err := load[Member](c, memberKey(m.Group, m.Unit))
	if err != nil || there && old == m {
		return err
	}
	if !there {
		if err := c.countMember(m.Group, 1); err != nil {
			return err
		}
		if err := c.Set(tMembership.of(m.Unit).number(m.Group), present); err != nil {
			return err
		}
	}
	if err := save(c, memberKey(m.Group, m.Unit), m); err != nil {
		return err
	}
	return c.emit("member", memberName(m.Group, m.Unit), m)
}

func memberName(group, unit fusion.Number) string { return fmt.Sprintf("%s/%s", group, unit) }

func (c *change) countMember(group fusion.Number, by int) error {
	n, _, err := load[int](c, tMemberCount.of(group))
	if err != nil {
		return err
	}
	n += by
	if n > MaxMembers {
		return bad("too_many_members", "a group has at most %d members", MaxMembers)
	}
	if n <= 0 {
		return c.Delete(tMemberCount.of(group))
	}
	return save(c, tMemberCount.of(group), n)
}

func (c *change) deleteMember(m Member) error {
	c.target = memberName(m.Group, m.Unit)
	if ok, err := has(c, memberKey(m.Group, m.Unit)); err != nil || !ok {
		return orRefuse(err, missing("member_unknown", "unit %s is no member of group %s", m.Unit, m.Group))
	}
	return c.dropMember(m.Group, m.Unit)
}

func (c *change) dropMember(group, unit fusion.Number) error {
	if err := c.countMember(group, -1); err != nil {
		return err
	}
	if err := c.Delete(memberKey(group, unit)); err != nil {
		return err
	}
	if err := c.Delete(tMembership.of(unit).number(group)); err != nil {
		return err
	}
	return c.gone("member", memberName(group, unit))
}

// setPatch joins groups, or changes which groups a patch joins. A group is in one patch at most, so no loop can come about.
func (c *change) setPatch(p Patch) error {
	if p.ID.IsZero() {
		p.ID = c.cmd.ID
	}
	c.target = p.ID.String()
	if err := checkName("patch's name", p.Name); err != nil {
		return err
	}
	old, there, err := load[Patch](c, tPatch.ofID(p.ID))
	if err != nil {
		return err
	}
	if !there && p.ID != c.cmd.ID {
		return missing("patch_unknown", "no patch %s", p.ID)
	}
	p.Groups = slices.Compact(slices.Sorted(slices.Values(p.Groups)))
	if len(p.Groups) < 2 || len(p.Groups) > MaxPatched {
		return bad("bad_patch", "a patch joins 2 to %d different groups", MaxPatched)
	}
	if err := c.unlinkPatch(old); err != nil {
		return err
	}
	for _, g := range p.Groups {
		if err := c.linkPatch(g, p.ID); err != nil {
			return err
		}
	}
	p.By, p.At = c.cmd.By, c.at()
	c.object = p.ID == c.cmd.ID
	if err := save(c, tPatch.ofID(p.ID), p); err != nil {
		return err
	}
	return c.emit("patch", p.ID.String(), p)
}

func (c *change) linkPatch(group fusion.Number, id fusion.ID) error {
	if ok, err := has(c, tGroup.of(group)); err != nil || !ok {
		return orRefuse(err, missing("group_unknown", "no group %s", group))
	}
	if taken, err := has(c, tPatchOf.of(group)); err != nil || taken {
		return orRefuse(err, conflict("group_patched", "group %s is in another patch", group))
	}
	return c.Set(tPatchOf.of(group), id[:])
}

func (c *change) unlinkPatch(p Patch) error {
	for _, g := range p.Groups {
		if err := c.Delete(tPatchOf.of(g)); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) partPatch(k IDKey) error {
	c.target = k.ID.String()
	p, there, err := load[Patch](c, tPatch.ofID(k.ID))
	if err != nil {
		return err
	}
	if !there {
		return missing("patch_unknown", "no patch %s", k.ID)
	}
	return c.dropPatch(p)
}

func (c *change) dropPatch(p Patch) error {
	if err := c.unlinkPatch(p); err != nil {
		return err
	}
	if err := c.Delete(tPatch.ofID(p.ID)); err != nil {
		return err
	}
	if err := c.bury(p.ID); err != nil {
		return err
	}
	return c.gone("patch", p.ID.String())
}
