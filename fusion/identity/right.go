package identity

import (
	"slices"

	"github.com/guantong-net/guantong/fusion"
)

// Right is one thing that a user may do. The words are those of wire.Me.
type Right string

// The rights.
const (
	TalkAnywhere Right = "talk_anywhere" // hear and talk in every group, see what is said there
	BreakIn      Right = "break_in"      // 强插
	ForceClear   Right = "force_clear"   // 强拆
	Monitor      Right = "monitor"       // 监听
	Patch        Right = "patch"         // 派接, temporary groups
	AdmitCall    Right = "admit_call"    // serve a position's queue, let a call into a group
	DialOut      Right = "dial_out"
	ReplayAll    Right = "replay_all" // recordings and messages of everybody
	Export       Right = "export"
	AdminObjects Right = "admin_objects" // groups, units, extensions, positions
	AdminUsers   Right = "admin_users"
	ReadAudit    Right = "read_audit"
	SeeStatus    Right = "see_status"
	Exercise     Right = "exercise" // begin and end an exercise (演练)
)

// table says which role gives which rights. No role of administration gives a right of another one (三员分立), and none of
// them hears or reads what is said.
func table(r fusion.Role) []Right {
	switch r {
	case fusion.Dispatcher, fusion.Commander:
		return []Right{TalkAnywhere, BreakIn, ForceClear, Monitor, Patch, AdmitCall, DialOut, ReplayAll, Export, SeeStatus, Exercise}
	case fusion.Operator:
		return []Right{SeeStatus}
	case fusion.Auditor:
		return []Right{ReplayAll, Export}
	case fusion.SystemAdmin:
		return []Right{AdminObjects, SeeStatus}
	case fusion.SecurityAdmin:
		return []Right{AdminUsers}
	case fusion.AuditAdmin:
		return []Right{ReadAudit}
	}
	return nil
}

// Rights is a set of rights.
type Rights map[Right]bool

// RightsOf joins the rights that roles give.
func RightsOf(roles []fusion.Role) Rights {
	set := make(Rights)
	for _, role := range roles {
		for _, r := range table(role) {
			set[r] = true
		}
	}
	return set
}

// Has reports whether the set holds a right.
func (s Rights) Has(r Right) bool { return s[r] }

// Names lists the set in alphabetical order.
func (s Rights) Names() []string {
	out := make([]string, 0, len(s))
	for r := range s {
		out = append(out, string(r))
	}
	slices.Sort(out)
	return out
}

// FloorPriority is with what priority (0 to 7) somebody of these roles asks for a floor when the group names none.
func FloorPriority(roles []fusion.Role) uint8 {
	switch {
	case slices.Contains(roles, fusion.Commander):
		return 7
	case slices.Contains(roles, fusion.Dispatcher):
		return 6
	}
	return 0
}
