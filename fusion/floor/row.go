package floor

import "slices"

// A table is what a machine runs from: rows of state × input → guard, actions, next state. Of the rows for one state and input the
// first whose guard holds is taken; the last has no guard, so there is always one.

// row is one line: in any of the states in, on any of the inputs on, when the guard holds, do these things and be in to.
type row[M any, S, K ~uint8] struct {
	in     []S
	on     []K
	when   guard[M] // the zero guard always holds
	do     []action[M]
	to     S
	stays  bool   // the next state is the same
	clause string // of TS 24.380; "ours" where the standard is silent, see DESIGN.md
	never  bool   // cannot happen: a timer that does not run in that state, a seat where there is none
}

// guard is a condition with the name that the printed table shows.
type guard[M any] struct {
	name  string
	holds func(*M) bool
}

// action is something done, its name, and the outputs that it may give.
type action[M any] struct {
	name string
	says []Type
	do   func(*M)
}

// index finds the rows of a state and an input.
type index[M any, S, K ~uint8] [][][]*row[M, S, K]

func newIndex[M any, S, K ~uint8](nStates, nKinds int, rows []row[M, S, K]) index[M, S, K] {
	ix := make(index[M, S, K], nStates)
	for s := range ix {
		ix[s] = make([][]*row[M, S, K], nKinds)
	}
	for i := range rows {
		for _, s := range rows[i].in {
			for _, k := range rows[i].on {
				ix[s][k] = append(ix[s][k], &rows[i])
			}
		}
	}
	return ix
}

// find gives the row to take, nil only where the table has a hole (a test proves that it has none).
func (ix index[M, S, K]) find(m *M, s S, k K) *row[M, S, K] {
	for _, r := range ix[s][k] {
		if r.when.holds == nil || r.when.holds(m) {
			return r
		}
	}
	return nil
}

// is reports whether the row is for this state and input.
func (r *row[M, S, K]) is(s S, k K) bool { return slices.Contains(r.in, s) && slices.Contains(r.on, k) }
