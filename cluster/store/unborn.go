package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// clearUnborn removes the logs of badger that have no octets: whoever made them died before it could give them their size, so
// nothing was ever in them, and badger refuses to open them ("Create a new file").
func clearUnborn(dir string) error {
	for _, kind := range []string{"*.mem", "*.vlog"} {
		found, err := filepath.Glob(filepath.Join(dir, kind))
		if err != nil {
			return err
		}
		for _, f := range found {
			fi, err := os.Stat(f)
			if err == nil && fi.Size() == 0 {
				err = os.Remove(f)
			}
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("clear %s: %w", filepath.Base(f), err)
			}
		}
	}
	return nil
}
