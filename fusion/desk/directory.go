package desk

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
)

// DestKind says what dialled digits lead to.
type DestKind uint8

// The kinds of destination.
const (
	ToGroup    DestKind = iota + 1
	ToUnit              // a person or telephone of this site
	ToPosition          // a desk's queue
)

// Directory knows the site. Its methods read state and do not block for long.
type Directory interface {
	// Resolve says what digits mean inside the site.
	Resolve(digits string) (DestKind, fusion.Number, bool)
	// TrunkEntry is the position that calls from a trunk go to.
	TrunkEntry(trunk, digits string) (fusion.Number, bool)
	// Membership says what a unit may do in a group; an error refuses it.
	Membership(unit, group fusion.Number) (talk.JoinOptions, error)
	// Class is the class of service of an extension.
	Class(unit fusion.Number) Class
	// Name is a unit's or position's name.
	Name(n fusion.Number) string
	// Phones are the telephones of a position (its ring group): they ring as soon as a call waits there.
	Phones(position fusion.Number) []fusion.Number
	// DutyPhone is what rings when a position does not answer, or 0; Overflow where its queue goes then, or 0.
	DutyPhone(position fusion.Number) fusion.Number
	Overflow(position fusion.Number) fusion.Number
	// Extension reports whether the unit has a telephone account.
	Extension(unit fusion.Number) bool
	// Online reports whether the unit is at a console.
	Online(unit fusion.Number) bool
}

// Class (服务等级) says which outgoing calls an extension may make. The zero Class allows none.
type Class struct {
	Name     string
	Prefixes []Prefix
	Minutes  int // a call's length; 0 is 60
	Calls    int // at once, of all extensions of the class; 0 is 1
}

// Prefix lets digits that begin so out by a trunk.
type Prefix struct {
	Digits string
	Trunk  string
	Strip  int // leading digits that are not dialled on
}

// match finds the longest prefix of the class that the digits begin with.
func (c Class) match(digits string) (best Prefix, ok bool) {
	for _, p := range c.Prefixes {
		if len(digits) > len(p.Digits) && digits[:len(p.Digits)] == p.Digits && (!ok || len(p.Digits) > len(best.Digits)) {
			best, ok = p, true
		}
	}
	return best, ok
}

func (c Class) minutes() time.Duration {
	if c.Minutes <= 0 {
		return time.Hour
	}
	return time.Duration(c.Minutes) * time.Minute
}

func (c Class) calls() int { return max(1, c.Calls) }
