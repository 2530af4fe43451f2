package alerting

import (
	"context"
	"log/slog"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// The stages of an alert.
const (
	Consoles  uint8 = 1 // every console sounds
	DutyPhone uint8 = 2
	Parent    uint8 = 3 // the parent site
)

// Ladder says after how long an alert that nobody took reaches each stage.
type Ladder [3]time.Duration

// DefaultLadder is 15 s, 30 s, 60 s.
func DefaultLadder() Ladder { return Ladder{15 * time.Second, 30 * time.Second, time.Minute} }

// Due is an alert that has to go to the next stage.
type Due struct {
	Alert state.Alert
	Stage uint8
}

// Step tells which alerts are due at a moment, one stage each, and how long until another one will be (0: none is waiting).
func (l Ladder) Step(now time.Time, open []state.Alert) (due []Due, wait time.Duration) {
	for _, a := range open {
		if a.State != state.AlertRaised || int(a.Stage) >= len(l) {
			continue
		}
		left := time.UnixMilli(int64(a.Raised)).Add(l[a.Stage]).Sub(now)
		switch {
		case left <= 0:
			due = append(due, Due{Alert: a, Stage: a.Stage + 1})
		case wait == 0 || left < wait:
			wait = left
		}
	}
	return due, wait
}

// Deeds are what a Watch needs.
type Deeds struct {
	// Open lists the alerts that are not cleared.
	Open func() ([]state.Alert, error)
	// Leads reports whether this node is the one to act: the leader, or a node that is on its own.
	Leads func() bool
	// Escalate writes a stage down.
	Escalate func(ctx context.Context, alert fusion.ID, stage uint8) error
	// RingDutyPhones calls the duty phones of the positions; CallParent tells the parent site. Neither waits for an answer.
	RingDutyPhones func(ctx context.Context, a state.Alert) error
	CallParent     func(ctx context.Context, a state.Alert) error
	Now            func() time.Time
	Log            *slog.Logger
}

// Watch climbs the ladder for every alert.
type Watch struct {
	ladder Ladder
	d      Deeds
	poke   chan struct{}
}

// NewWatch makes one; Run makes it act.
func NewWatch(l Ladder, d Deeds) *Watch { return &Watch{ladder: l, d: d, poke: make(chan struct{}, 1)} }

// Changed tells that an alert was raised or taken. It does not block.
func (w *Watch) Changed() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// longest is the longest time between two looks, should Changed be missed.
const longest = 5 * time.Second

// retry is how soon something that failed is tried again.
const retry = time.Second

// Run acts until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-w.poke:
		}
		timer.Reset(w.look(ctx))
	}
}

// look acts on what is due and tells when to look again.
func (w *Watch) look(ctx context.Context) time.Duration {
	if !w.d.Leads() {
		return retry
	}
	open, err := w.d.Open()
	if err != nil {
		w.d.Log.Error("alerts cannot be read", "error", err)
		return retry
	}
	due, wait := w.ladder.Step(w.d.Now(), open)
	for _, d := range due {
		w.act(ctx, d)
	}
	switch {
	case len(due) > 0:
		return retry
	case wait == 0:
		return longest
	}
	return min(wait, longest)
}

func (w *Watch) act(ctx context.Context, d Due) {
	deed := func(context.Context, state.Alert) error { return nil }
	switch d.Stage {
	case DutyPhone:
		deed = w.d.RingDutyPhones
	case Parent:
		deed = w.d.CallParent
	}
	log := w.d.Log.With("alert", d.Alert.ID.String(), "stage", d.Stage)
	if err := deed(ctx, d.Alert); err != nil {
		log.Error("alert not carried on", "error", err)
	}
	if err := w.d.Escalate(ctx, d.Alert.ID, d.Stage); err != nil {
		log.Error("stage of an alert not written down", "error", err)
	}
}
