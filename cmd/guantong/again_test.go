package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
)

func TestAServerThatFailsWhileItServesStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		starts := 0
		err := serveAgain(ctx, slog.New(slog.DiscardHandler), func(_ context.Context, first bool) (bool, error) {
			starts++
			if first != (starts == 1) {
				t.Errorf("start %d: first %v", starts, first)
			}
			if starts == 4 {
				stop()
				return true, nil
			}
			return starts != 2, errors.New("the disk hangs") // the second start itself fails
		})
		if err != nil || starts != 4 {
			t.Errorf("%d starts, %v", starts, err)
		}
	})
}

func TestAServerThatCannotBeStartedSaysSo(t *testing.T) {
	starts := 0
	err := serveAgain(t.Context(), slog.New(slog.DiscardHandler), func(context.Context, bool) (bool, error) {
		starts++
		return false, errors.New("the port is taken")
	})
	if err == nil || starts != 1 {
		t.Errorf("%d starts, %v", starts, err)
	}
}
