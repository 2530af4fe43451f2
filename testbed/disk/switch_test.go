package disk_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/guantong-net/guantong/testbed/disk"
)

func TestAHangingDiskHoldsOperationsUntilHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s disk.Switch
		s.Hang()
		done := make(chan error, 1)
		go func() { done <- s.Do(func() error { return nil }) }()
		synctest.Wait()
		if len(done) != 0 || s.Hung() != 1 {
			t.Fatal("it did not hang")
		}
		s.Heal()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestAFailingDiskCarriesNothingOut(t *testing.T) {
	var s disk.Switch
	broken := errors.New("I/O error")
	s.Fail(broken)
	err := s.Do(func() error { t.Error("carried out"); return nil })
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
}
