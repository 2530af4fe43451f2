package floor

import "github.com/guantong-net/guantong/fusion"

// rank is the effective priority of a request or a holding (TS 24.380 §4.1.1.4): emergency, break-in, precedence, the user's
// priority, the group's. Order of arrival decides between equals and is kept beside it.
type rank struct {
	emergency  bool
	breakIn    bool
	precedence fusion.Precedence
	user       uint8
	group      uint8
}

// above reports whether a goes before b, and by which level.
func (a rank) above(b rank) (Level, bool) {
	switch {
	case a.emergency != b.emergency:
		return ByEmergency, a.emergency
	case a.breakIn != b.breakIn:
		return ByBreakIn, a.breakIn
	case a.precedence != b.precedence:
		return ByPrecedence, a.precedence.Above(b.precedence)
	case a.user != b.user:
		return ByUser, a.user > b.user
	}
	return ByGroup, a.group > b.group
}

// preempts reports whether a request of rank a takes the floor from a holder of rank b.
func (c *Config) preempts(a, b rank) bool {
	level, above := a.above(b)
	switch {
	case !above:
		return false
	case level == ByEmergency:
		return true
	case level > c.PreemptBy:
		return false
	case level == ByPrecedence:
		return a.precedence <= c.PreemptFrom
	}
	return true
}

// Outranks decides between two talk bursts that both were granted, at two sites or in two groups that are being patched: emergency,
// then precedence, then the group's home site, then the lower site number, then the lower burst ID. Everybody who
// knows both computes the same winner. The other one is revoked, and what it said so far is kept.
func Outranks(a, b Holding, home fusion.Site) bool {
	sa, sb := a.Unit.Site(), b.Unit.Site()
	switch {
	case a.Emergency != b.Emergency:
		return a.Emergency
	case a.Precedence != b.Precedence:
		return a.Precedence.Above(b.Precedence)
	case (sa == home) != (sb == home):
		return sa == home
	case sa != sb:
		return sa < sb
	}
	return string(a.Burst[:]) < string(b.Burst[:])
}
