package alerting_test

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/alerting"
	"github.com/guantong-net/guantong/fusion/state"
)

func TestTheLadderIsClimbedOnceEvenThroughARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		a := state.Alert{ID: fusion.ID{1}, State: state.AlertRaised, Raised: state.Millis(began.UnixMilli())}
		var deeds []string
		note := func(what string) {
			deeds = append(deeds, time.Since(began).Round(time.Second).String()+" "+what)
		}
		d := alerting.Deeds{
			Open:  func() ([]state.Alert, error) { mu.Lock(); defer mu.Unlock(); return []state.Alert{a}, nil },
			Leads: func() bool { return true },
			Escalate: func(_ context.Context, _ fusion.ID, stage uint8) error {
				mu.Lock()
				defer mu.Unlock()
				a.Stage = stage
				note("stage")
				return nil
			},
			RingDutyPhones: func(context.Context, state.Alert) error { note("phones"); return nil },
			CallParent:     func(context.Context, state.Alert) error { note("parent"); return nil },
			Now:            time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}
		run := func(until time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), until-time.Since(began))
			defer cancel()
			if err := alerting.NewWatch(alerting.DefaultLadder(), d).Run(ctx); err != nil {
				t.Error(err)
			}
		}
		run(40 * time.Second)
		run(3 * time.Minute)
		want := []string{"15s stage", "30s phones", "30s stage", "1m0s parent", "1m0s stage"}
		if !slices.Equal(deeds, want) {
			t.Errorf("%q", deeds)
		}
	})
}

func TestATakenAlertClimbsNoFurther(t *testing.T) {
	l := alerting.DefaultLadder()
	now := time.Unix(1e9, 0)
	old := state.Millis(now.Add(-time.Hour).UnixMilli())
	due, wait := l.Step(now, []state.Alert{{State: state.AlertAcknowledged, Raised: old}, {State: state.AlertRaised, Raised: old, Stage: 3}})
	if len(due) != 0 || wait != 0 {
		t.Errorf("%v %v", due, wait)
	}
	due, wait = l.Step(now, []state.Alert{{State: state.AlertRaised, Raised: old}, {State: state.AlertRaised, Raised: state.Millis(now.Add(-5 * time.Second).UnixMilli())}})
	if len(due) != 1 || due[0].Stage != alerting.Consoles || wait != 10*time.Second {
		t.Errorf("%v %v", due, wait)
	}
}
