package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/guantong-net/guantong/cluster/store"
)

// A kill between making a log and giving it its size left a node that would never start again.
func TestALogThatWasKilledAtItsBirthDoesNotStopTheStart(t *testing.T) {
	for _, born := range []bool{false, true} {
		for _, name := range []string{"00009.mem", "000009.vlog", "00001.mem", "000001.vlog"} {
			dir := t.TempDir()
			if born {
				s := open(t, store.Options{Dir: dir})
				set(t, s, "k", "v")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				continue // it is there, and whole
			}
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, store.Options{Dir: dir})
			if born && get(t, s, "k") != "v" {
				t.Errorf("%s: what was there is gone", name)
			}
		}
	}
}
