package fusion

import "fmt"

// Precedence (紧急程度) orders everything that queues: floor, bearer, disk. Lower is more urgent
// (ITU-T I.255.3, MLPP). An emergency call is an attribute of its own, not a level.
type Precedence uint8

// The five levels.
const (
	FlashOverride Precedence = iota // 特提
	Flash                           // 特急
	Immediate                       // 加急
	Priority                        // 平急
	Routine                         // 普通, shown unmarked
)

var precedenceNames = [...]string{"flash-override", "flash", "immediate", "priority", "routine"}

// Valid reports whether p is one of the five levels.
func (p Precedence) Valid() bool { return p <= Routine }

// Above reports whether p goes before q.
func (p Precedence) Above(q Precedence) bool { return p < q }

// String gives the level's name in English, as the API and the configuration write it.
func (p Precedence) String() string {
	if !p.Valid() {
		return fmt.Sprintf("precedence(%d)", uint8(p))
	}
	return precedenceNames[p]
}

// MarshalText writes the level's name.
func (p Precedence) MarshalText() ([]byte, error) {
	if !p.Valid() {
		return nil, fmt.Errorf("fusion: no precedence %d", uint8(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads the level's name; empty text is Routine.
func (p *Precedence) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Routine
		return nil
	}
	for i, name := range precedenceNames {
		if name == string(text) {
			*p = Precedence(i)
			return nil
		}
	}
	return fmt.Errorf("fusion: no precedence %q: one of %v", text, precedenceNames)
}
