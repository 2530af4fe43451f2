package state

import (
	"slices"

	"github.com/guantong-net/guantong/fusion"
)

// View answers questions about one consistent state. What is not there is a *fusion.Error with fault NotFound. It is valid
// as long as its Reader is, and as safe for concurrent use as that.
type View struct {
	r Reader
}

// NewView makes a View of a Reader.
func NewView(r Reader) *View { return &View{r: r} }

// Lists that grow without end give DefaultLimit entries when asked for 0, and never more than MaxLimit.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

func clampLimit(n int) int {
	if n <= 0 {
		return DefaultLimit
	}
	return min(n, MaxLimit)
}

// one reads a record that must be there.
func one[T any](r Reader, k key, reason, what string) (T, error) {
	v, there, err := load[T](r, k)
	if err == nil && !there {
		err = missing(reason, "there is no such %s", what)
	}
	return v, err
}

// Site is what the site is; site_unset before its first SiteSet.
func (v *View) Site() (Site, error) { return one[Site](v.r, tSite.key(), "site_unset", "site") }

// Groups lists the groups by number.
func (v *View) Groups() ([]Group, error) { return list[Group](v.r, tGroup.key()) }

// Group is one group.
func (v *View) Group(n fusion.Number) (Group, error) {
	return one[Group](v.r, tGroup.of(n), "group_unknown", "group")
}

// Members lists the members of a group by unit.
func (v *View) Members(group fusion.Number) ([]Member, error) {
	return list[Member](v.r, tMember.of(group))
}

// Member is the right of a unit in a group.
func (v *View) Member(group, unit fusion.Number) (Member, error) {
	return one[Member](v.r, memberKey(group, unit), "member_unknown", "member")
}

// MembershipsOf lists the rights of a unit by group.
func (v *View) MembershipsOf(unit fusion.Number) ([]Member, error) {
	found, err := keys(v.r, tMembership.of(unit), 0)
	if err != nil {
		return nil, err
	}
	out := make([]Member, 0, len(found))
	for _, k := range found {
		m, err := v.Member(lastNumber(k), unit)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// Units lists the units by number.
func (v *View) Units() ([]Unit, error) { return list[Unit](v.r, tUnit.key()) }

// Unit is one unit.
func (v *View) Unit(n fusion.Number) (Unit, error) {
	return one[Unit](v.r, tUnit.of(n), "unit_unknown", "unit")
}

// KindOf says what a number belongs to: "group", "unit", "position", or "" when it is free.
func (v *View) KindOf(n fusion.Number) (string, error) { return kindOf(v.r, n) }

// Users lists the users by name.
func (v *View) Users() ([]User, error) { return list[User](v.r, tUser.key()) }

// User is one user.
func (v *View) User(name string) (User, error) {
	return one[User](v.r, tUser.named(name), "user_unknown", "user")
}

// UsersOf lists the users who act as a unit.
func (v *View) UsersOf(unit fusion.Number) ([]User, error) {
	prefix := tUserOfUnit.of(unit)
	found, err := keys(v.r, prefix, 0)
	if err != nil {
		return nil, err
	}
	out := make([]User, 0, len(found))
	for _, k := range found {
		u, err := v.User(string(k[len(prefix):]))
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// UserSecret is what proves a user.
func (v *View) UserSecret(name string) (UserSecret, error) {
	return one[UserSecret](v.r, tUserSecret.named(name), "user_unknown", "user")
}

// Extensions lists the telephone accounts by unit.
func (v *View) Extensions() ([]Extension, error) { return list[Extension](v.r, tExtension.key()) }

// Extension is the telephone account of a unit.
func (v *View) Extension(unit fusion.Number) (Extension, error) {
	return one[Extension](v.r, tExtension.of(unit), "extension_unknown", "extension")
}

// ExtensionByUsername is the telephone account with a SIP user name.
func (v *View) ExtensionByUsername(name string) (Extension, error) {
	unit, err := one[fusion.Number](v.r, tExtensionName.named(name), "extension_unknown", "extension")
	if err != nil {
		return Extension{}, err
	}
	return v.Extension(unit)
}

// ExtensionSecret is what proves a telephone.
func (v *View) ExtensionSecret(unit fusion.Number) (ExtensionSecret, error) {
	return one[ExtensionSecret](v.r, tExtensionSecret.of(unit), "extension_unknown", "extension")
}

// Positions lists the desks by number.
func (v *View) Positions() ([]Position, error) { return list[Position](v.r, tPosition.key()) }

// Position is one desk.
func (v *View) Position(n fusion.Number) (Position, error) {
	return one[Position](v.r, tPosition.of(n), "position_unknown", "position")
}

// Patches lists the standing patches, the oldest first.
func (v *View) Patches() ([]Patch, error) {
	ps, err := list[Patch](v.r, tPatch.key())
	slices.SortStableFunc(ps, func(a, b Patch) int { return int(a.At - b.At) })
	return ps, err
}

// Patch is one standing patch.
func (v *View) Patch(id fusion.ID) (Patch, error) {
	return one[Patch](v.r, tPatch.ofID(id), "patch_unknown", "patch")
}

// PatchOf is the patch that a group is in, and whether there is one.
func (v *View) PatchOf(group fusion.Number) (Patch, bool, error) {
	id, err := v.r.Get(tPatchOf.of(group))
	if err != nil || id == nil {
		return Patch{}, false, err
	}
	p, err := v.Patch(fusion.ID(id))
	return p, err == nil, err
}

// FileReferenced reports whether a stored file is still needed: a message or a burst names it, or it was stored so lately
// that one may be about to.
func (v *View) FileReferenced(hash string) (bool, error) {
	if fresh, err := has(v.r, tFile.named(hash)); err != nil || fresh {
		return fresh, err
	}
	return anyUnder(v.r, tFileRef.named(hash))
}

// EachFile visits the hash of every file that FileReferenced knows, once, until visit fails.
func (v *View) EachFile(visit func(hash string) error) error {
	err := v.r.Scan(tFile.key(), nil, false, func(k, _ []byte) (bool, error) { return true, visit(string(k[1:])) })
	if err != nil {
		return err
	}
	last := ""
	for {
		hash := ""
		err := v.r.Scan(tFileRef.key(), afterRefs(last), false, func(k, _ []byte) (bool, error) {
			hash = string(k[1 : len(k)-len(fusion.ID{})])
			return false, nil
		})
		if err != nil || hash == "" {
			return err
		}
		last = hash
		stored, err := has(v.r, tFile.named(hash))
		if err == nil && !stored { // else it was visited above
			err = visit(hash)
		}
		if err != nil {
			return err
		}
	}
}

// afterRefs is where the references to the next file begin; nil: at the first.
func afterRefs(hash string) []byte {
	if hash == "" {
		return nil
	}
	k := tFileRef.named(hash)
	for range len(fusion.ID{}) + 1 {
		k = append(k, 0xff)
	}
	return k
}

// File is what was said of a stored file when it was stored.
func (v *View) File(hash string) (Attachment, error) {
	f, err := one[storedFile](v.r, tFile.named(hash), "file_unknown", "file")
	return f.Attachment, err
}

// Outcome is what an earlier command came to, and whether its request ID is known.
func (v *View) Outcome(id fusion.ID) (Result, bool, error) {
	o, there, err := load[outcome](v.r, tDone.ofID(id))
	return o.Result, there, err
}

// FileRefs lists the messages and bursts that name a stored file, at most limit of them.
func (v *View) FileRefs(hash string, limit int) ([]fusion.ID, error) {
	found, err := keys(v.r, tFileRef.named(hash), limit)
	ids := make([]fusion.ID, 0, len(found))
	for _, k := range found {
		ids = append(ids, lastID(k))
	}
	return ids, err
}
