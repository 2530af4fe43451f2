package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Prune removes the contents that nothing names any more: what retention has left over, and uploads that were never sent. It keeps what
// is younger than Config.StaleAfter, since its message may still come, and what has a second link, since its owner is not done with it
// (journal keeps one until the index entry is committed). What cannot be judged stays.
func (s *Store) Prune(ctx context.Context, named func(name string) (bool, error)) (removed int, freed int64, err error) {
	limit := s.cfg.Now().Add(-s.cfg.StaleAfter)
	var failed error
	err = s.Walk(func(name string, size int64, at time.Time) bool {
		if at.After(limit) {
			return ctx.Err() == nil
		}
		gone, err := s.pruneOne(name, limit, named)
		if err != nil {
			failed = fmt.Errorf("prune %s: %w", name, err)
			return false
		}
		if gone {
			removed, freed = removed+1, freed+size
		}
		return ctx.Err() == nil
	})
	return removed, freed, errors.Join(err, failed, ctx.Err())
}

// pruneOne removes one content unless it is needed. Nothing is stored meanwhile, so that what comes again is not removed.
func (s *Store) pruneOne(name string, limit time.Time, named func(string) (bool, error)) (gone bool, err error) {
	if needed, err := named(name); err != nil || needed {
		return false, err
	}
	s.storing.Lock()
	defer s.storing.Unlock()
	path, err := s.place(name)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || info.ModTime().After(limit) || links(info) > 1 {
		return false, err
	}
	return true, s.Remove(name)
}

// links counts the names of a file.
func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}
