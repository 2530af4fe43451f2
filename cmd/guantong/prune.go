package main

import (
	"context"
	"time"

	"github.com/guantong-net/guantong/fusion/state"
)

// pruneEvery is how often what retention has left over is removed.
const pruneEvery = time.Hour

// prune removes files that nothing in the record names any more, uploads that nobody went on with, and old floor logs.
func (s *server) prune(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.pruneOnce(ctx)
		}
	}
}

func (s *server) pruneOnce(ctx context.Context) {
	held, err := s.node.HeldFiles()
	if err != nil {
		s.log.Error("files not pruned", "error", err)
		return
	}
	n, octets, err := s.files.Prune(ctx, func(name string) (needed bool, err error) {
		if held[name] {
			return true, nil
		}
		err = s.node.View(func(v *state.View) error {
			needed, err = v.FileReferenced(name)
			return err
		})
		return needed, err
	})
	switch {
	case err != nil && ctx.Err() == nil:
		s.log.Error("files not pruned", "error", err)
	case n > 0:
		s.log.Info("files pruned", "files", n, "octets", octets)
	}
	if n := s.files.Sweep(); n > 0 {
		s.log.Info("uploads given up", "uploads", n)
	}
	if keep := time.Duration(s.cfg.Retention.Recordings); keep > 0 {
		if err := s.floorLog.Trim(time.Now().Add(-keep)); err != nil {
			s.log.Error("floor log not trimmed", "error", err)
		}
	}
}
