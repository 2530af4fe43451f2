package state_test

import (
	"strings"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

func TestAChangeNamesTheRevisionThatItSaw(t *testing.T) {
	s := furnished(t)
	g := must[state.Group](t)(s.view().Group(10100))
	g.Name = "总指挥"
	s.do(command.GroupSet, g)
	s.refused("revision_conflict", command.GroupSet, g)
	g.Revision = 0
	s.refused("already_exists", command.GroupSet, g)
	s.refused("gone", command.GroupSet, state.Group{Number: 10109, Name: "x", Kind: state.TalkGroup, Revision: 5})
	s.refused("revision_conflict", command.GroupDelete, state.NumberKey{Number: 10100, Revision: 1})
}

func TestAnObjectMadeAgainDoesNotTakeAnOldChange(t *testing.T) {
	s := furnished(t)
	old := must[state.Group](t)(s.view().Group(10101))
	s.do(command.GroupDelete, state.NumberKey{Number: 10101})
	s.do(command.GroupSet, state.Group{Number: 10101, Name: "新", Kind: state.TalkGroup})
	s.refused("revision_conflict", command.GroupSet, old)
}

func TestANumberBelongsToOneKind(t *testing.T) {
	s := furnished(t)
	s.refused("number_taken", command.GroupSet, state.Group{Number: 10001, Name: "x", Kind: state.TalkGroup})
	s.refused("number_taken", command.UnitSet, state.Unit{Number: 10100, Name: "x", Kind: state.PersonUnit})
	s.refused("number_taken", command.PositionSet, state.Position{Number: 10100, Name: "x"})
	s.refused("bad_number", command.UnitSet, state.Unit{Number: 7, Name: "x", Kind: state.PersonUnit})
	s.refused("bad_number", command.UnitSet, state.Unit{Number: 1<<24 + 5, Name: "x", Kind: state.PersonUnit})
}

func TestDefinitionsAreChecked(t *testing.T) {
	s := furnished(t)
	s.refused("bad_name", command.GroupSet, state.Group{Number: 10110, Name: " ", Kind: state.TalkGroup})
	s.refused("bad_name", command.GroupSet, state.Group{Number: 10110, Name: "a\x00b", Kind: state.TalkGroup})
	s.refused("bad_name", command.GroupSet, state.Group{Number: 10110, Name: string(make([]byte, 200)), Kind: state.TalkGroup})
	s.refused("bad_group_kind", command.GroupSet, state.Group{Number: 10110, Name: "x", Kind: "party"})
	s.refused("bad_priority", command.GroupSet, state.Group{Number: 10110, Name: "x", Kind: state.TalkGroup, Priority: 8})
	s.refused("bad_precedence", command.GroupSet, state.Group{Number: 10110, Name: "x", Kind: state.TalkGroup, Precedence: 5})
	s.refused("bad_end", command.GroupSet, state.Group{Number: 10110, Name: "x", Kind: state.TemporaryGroup})
	s.refused("bad_unit_kind", command.UnitSet, state.Unit{Number: 10010, Name: "x", Kind: "robot"})
	s.refused("group_unknown", command.MemberSet, state.Member{Group: 10999, Unit: 10001})
	s.refused("unit_unknown", command.MemberSet, state.Member{Group: 10100, Unit: 10999})
	s.refused("group_unknown", command.GroupDelete, state.NumberKey{Number: 10999})
	s.refused("bad_payload", command.GroupSet, "not a group")
}

func TestAGroupHasAtMostItsMembers(t *testing.T) {
	s := furnished(t)
	for i := range state.MaxMembers {
		n := fusion.Number(20001 + i)
		s.do(command.UnitSet, state.Unit{Number: n, Name: "x", Kind: state.TerminalUnit})
		s.do(command.MemberSet, state.Member{Group: 10101, Unit: n})
	}
	s.refused("too_many_members", command.MemberSet, state.Member{Group: 10101, Unit: 10001})
	s.do(command.MemberDelete, state.Member{Group: 10101, Unit: 20001})
	s.do(command.MemberSet, state.Member{Group: 10101, Unit: 10001})
	s.do(command.GroupDelete, state.NumberKey{Number: 10101})
	if ms := must[[]state.Member](t)(s.view().MembershipsOf(10001)); len(ms) != 0 {
		t.Fatalf("memberships left: %v", ms)
	}
}

func TestAGroupIsInOnePatch(t *testing.T) {
	s := furnished(t)
	s.do(command.GroupSet, state.Group{Number: 10102, Name: "医疗", Kind: state.TalkGroup})
	id := s.do(command.PatchSet, state.Patch{Name: "联合", Groups: []fusion.Number{10101, 10100, 10100}})
	s.refused("group_patched", command.PatchSet, state.Patch{Name: "另一", Groups: []fusion.Number{10100, 10102}})
	s.refused("group_patched", command.GroupDelete, state.NumberKey{Number: 10100})
	s.refused("bad_patch", command.PatchSet, state.Patch{Name: "一", Groups: []fusion.Number{10102, 10102}})
	s.refused("patch_unknown", command.PatchSet, state.Patch{ID: fusion.ID{9}, Name: "x", Groups: []fusion.Number{10100, 10102}})
	s.do(command.PatchSet, state.Patch{ID: id, Name: "联合", Groups: []fusion.Number{10100, 10102}})
	if _, in, err := s.view().PatchOf(10101); err != nil || in {
		t.Fatalf("10101 is still patched: %v", err)
	}
	s.do(command.PatchPart, state.IDKey{ID: id})
	s.refused("patch_unknown", command.PatchPart, state.IDKey{ID: id})
	if ps := must[[]state.Patch](t)(s.view().Patches()); len(ps) != 0 {
		t.Fatal(ps)
	}
}

func TestThreeAdministrationsExcludeOneAnother(t *testing.T) {
	s := furnished(t)
	both := state.UserChange{User: state.User{Name: "root", Unit: 10001, Roles: []fusion.Role{fusion.SystemAdmin, fusion.AuditAdmin}}, Secret: &state.UserSecret{Password: argon}}
	s.refused("roles_exclude", command.UserSet, both)
	was := must[state.Site](t)(s.view().Site())
	was.Trial = true
	s.refused("trial_over", command.SiteSet, was)
}

func TestATrialSiteMayJoinThem(t *testing.T) {
	s := newSite(t)
	s.do(command.SiteSet, state.Site{Number: 1, Name: "试用", Realm: "guantong", Incarnation: 1, Trial: true})
	s.do(command.UnitSet, state.Unit{Number: 10001, Name: "a", Kind: state.PersonUnit})
	root := state.UserChange{User: state.User{Name: "root", Unit: 10001, Roles: []fusion.Role{fusion.SystemAdmin, fusion.SecurityAdmin, fusion.AuditAdmin}}, Secret: &state.UserSecret{Password: argon}}
	s.do(command.UserSet, root)
	over := must[state.Site](t)(s.view().Site())
	over.Trial = false
	s.refused("roles_exclude", command.SiteSet, over)
}

func TestTheLastSecurityAdministratorStays(t *testing.T) {
	s := furnished(t)
	s.do(command.UserSet, state.UserChange{User: state.User{Name: "sec", Unit: 10001, Roles: []fusion.Role{fusion.SecurityAdmin}}, Secret: &state.UserSecret{Password: argon}})
	s.refused("last_security_admin", command.UserDelete, state.NameKey{Name: "sec"})
	u := must[state.User](t)(s.view().User("sec"))
	u.Disabled = true
	s.refused("last_security_admin", command.UserSet, state.UserChange{User: u})
}

func TestANewPasswordEndsSessionsAndACodeWorksOnce(t *testing.T) {
	s := furnished(t)
	epoch := func() uint64 { return must[state.User](t)(s.view().User("zhang")).Epoch }
	secret := must[state.UserSecret](t)(s.view().UserSecret("zhang"))
	before := epoch()
	secret.Password = argon + "x"
	s.do(command.UserSecretSet, state.UserSecretChange{Secret: secret})
	if epoch() != before+1 {
		t.Fatal("sessions go on")
	}
	secret.TOTP = []byte("12345678901234567890")
	s.do(command.UserSecretSet, state.UserSecretChange{Secret: secret, TOTP: true})
	secret.LastTOTPStep = 5
	s.do(command.UserSecretSet, state.UserSecretChange{Secret: secret, TOTP: true})
	s.refused("code_used", command.UserSecretSet, state.UserSecretChange{Secret: secret, TOTP: true})
	if epoch() != before+1 {
		t.Fatal("a code ended the sessions")
	}
	s.do(command.UserEndSessions, state.NameKey{Name: "zhang"})
	if epoch() != before+2 {
		t.Fatal("sessions go on")
	}
}

func TestExtensionsHaveUniqueNamesAndSecrets(t *testing.T) {
	s := furnished(t)
	secret := &state.ExtensionSecret{MD5: hash('0')[7:39], SHA256: hash('0')[7:]}
	s.refused("secret_missing", command.ExtensionSet, state.ExtensionChange{Extension: state.Extension{Unit: 10001, Username: "0001"}})
	s.do(command.ExtensionSet, state.ExtensionChange{Extension: state.Extension{Unit: 10001, Username: "0001"}, Secret: secret})
	s.refused("username_taken", command.ExtensionSet, state.ExtensionChange{Extension: state.Extension{Unit: 10002, Username: "0001"}, Secret: secret})
	e := must[state.Extension](t)(s.view().ExtensionByUsername("0001"))
	e.Username = "8001"
	s.do(command.ExtensionSet, state.ExtensionChange{Extension: e})
	if _, err := s.view().ExtensionByUsername("0001"); fusion.FaultOf(err) != fusion.NotFound {
		t.Fatalf("the old name answers: %v", err)
	}
	s.refused("unit_in_use", command.UnitDelete, state.NumberKey{Number: 10001})
	site := must[state.Site](t)(s.view().Site())
	site.Realm = "other"
	s.refused("realm_fixed", command.SiteSet, site)
	s.do(command.ExtensionDelete, state.NumberKey{Number: 10001})
}

func TestASecretIsInNoEvent(t *testing.T) {
	s := furnished(t)
	for _, e := range s.events {
		switch e.Data.(type) {
		case state.UserSecret, state.ExtensionSecret, state.UserChange, state.ExtensionChange:
			t.Fatalf("event %+v", e)
		}
	}
}

func TestABatchIsAllOrNothing(t *testing.T) {
	s := furnished(t)
	good := s.command(command.GroupSet, state.Group{Number: 10110, Name: "a", Kind: state.TalkGroup})
	bad := s.command(command.GroupSet, state.Group{Number: 10001, Name: "b", Kind: state.TalkGroup})
	s.refused("number_taken", command.Batch, state.BatchChange{Commands: []command.Command{good, bad}})
	if _, err := s.view().Group(10110); fusion.FaultOf(err) != fusion.NotFound {
		t.Fatalf("half a batch: %v", err)
	}
	s.do(command.Batch, state.BatchChange{Commands: []command.Command{good}})
	s.do(command.Batch, state.BatchChange{Commands: []command.Command{good}}) // the inner one was applied: nothing to do
	s.refused("empty_batch", command.Batch, state.BatchChange{})
	s.refused("bad_batch", command.Batch, state.BatchChange{Commands: []command.Command{s.command(command.Batch, state.BatchChange{})}})
}

func TestACommandThatWritesTooMuchIsRefusedEverywhere(t *testing.T) {
	s := furnished(t)
	var many []command.Command
	for i := range 4000 {
		many = append(many, s.command(command.UnitSet, state.Unit{Number: fusion.Number(30001 + i), Name: "x", Kind: state.PersonUnit}))
	}
	s.refused("too_large", command.Batch, state.BatchChange{Commands: many})
}

func TestThePhonesOfAPositionAreExtensionsEachOnceAndFew(t *testing.T) {
	s := furnished(t)
	secret := &state.ExtensionSecret{MD5: strings.Repeat("a", 32), SHA256: strings.Repeat("b", 64)}
	s.do(command.ExtensionSet, state.ExtensionChange{Extension: state.Extension{Unit: 10002, Username: "8002"}, Secret: secret})
	s.refused("extension_unknown", command.PositionSet, state.Position{Number: 10210, Name: "x", Phones: []fusion.Number{10001}})
	s.refused("phone_twice", command.PositionSet, state.Position{Number: 10210, Name: "x", Phones: []fusion.Number{10002, 10002}})
	s.refused("too_many_phones", command.PositionSet, state.Position{Number: 10210, Name: "x", Phones: make([]fusion.Number, state.MostPhones+1)})
	s.do(command.PositionSet, state.Position{Number: 10210, Name: "x", Phones: []fusion.Number{10002}})
}
