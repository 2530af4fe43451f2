package talk

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// FloorEvent is one thing that happened at a floor, for the journal.
type FloorEvent struct {
	At    time.Time     `json:"at"`
	Talk  fusion.Talk   `json:"talk"`
	Kind  string        `json:"kind"` // granted, denied, queued, unqueued, revoked, ended, force_clear, emergency_cleared
	Unit  fusion.Number `json:"unit,omitempty"`
	Name  string        `json:"name,omitempty"`
	Burst fusion.ID     `json:"burst,omitzero"`
	Cause string        `json:"cause,omitempty"`
	By    string        `json:"by,omitempty"` // the dispatcher, where one did it
}

// note hands an event to the journal.
func (r *room) note(s *seat, kind string, burst fusion.ID, cause string) {
	e := FloorEvent{At: time.Now(), Talk: r.talks[0], Kind: kind, Burst: burst, Cause: cause}
	if s != nil {
		e.Talk, e.Unit, e.Name = s.talk, s.leg.Unit(), s.opt.Name
	}
	r.x.note(e)
}

// note keeps an event here and at the other nodes of the site: each journal is whole.
func (x *Exchange) note(e FloorEvent) {
	x.d.Note(e)
	if !x.alone() {
		n := &noted{At: e.At.UnixMilli(), Event: e}
		n.Event.At = time.Time{}
		x.send("", word{Note: n})
	}
}
