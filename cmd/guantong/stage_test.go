package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

func TestStagesStopOneAfterTheOther(t *testing.T) {
	failure := errors.New("disk")
	for name, cause := range map[string]error{"asked to": nil, "because a part fails": failure} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var order []string
			stopped := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, what)
			}
			part := func(name string) map[string]func(context.Context) error {
				return map[string]func(context.Context) error{name: func(ctx context.Context) error {
					<-ctx.Done()
					stopped(name)
					return ctx.Err()
				}}
			}
			ctx, cancel := context.WithCancel(t.Context())
			last := part("record")
			last["watcher"] = func(ctx context.Context) error {
				if cause == nil {
					cancel()
				}
				return cause
			}
			err := runStages(ctx, stage{parts: part("console"), after: func() { stopped("calls") }}, stage{parts: part("journal")}, stage{parts: last})
			cancel()
			if !errors.Is(err, cause) || (cause == nil && err != nil) {
				t.Errorf("%v", err)
			}
			if want := []string{"console", "calls", "journal", "record"}; !slices.Equal(order, want) {
				t.Errorf("stopped in the order %v", order)
			}
		})
	}
}
