package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// stage is a set of parts that stop together. What a later stage holds is still there while an earlier one stops.
type stage struct {
	parts map[string]func(context.Context) error
	after func() // runs when all of them have stopped; may be nil
}

// runStages runs all parts until ctx ends or one of them fails, then stops the stages one after the other.
func runStages(ctx context.Context, stages ...stage) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running := make([]*runningStage, len(stages))
	for i, s := range stages {
		running[i] = s.start(context.WithoutCancel(ctx), fail)
	}
	<-ctx.Done()
	for _, r := range running {
		r.stop()
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

type runningStage struct {
	stage
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func (s stage) start(ctx context.Context, fail context.CancelCauseFunc) *runningStage {
	ctx, cancel := context.WithCancel(ctx)
	r := &runningStage{stage: s, cancel: cancel}
	for name, part := range s.parts {
		r.wg.Go(func() {
			if err := part(ctx); err != nil && !errors.Is(err, context.Canceled) {
				fail(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	return r
}

func (r *runningStage) stop() {
	r.cancel()
	r.wg.Wait()
	if r.after != nil {
		r.after()
	}
}
