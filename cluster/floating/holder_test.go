package floating_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/cluster/floating"
)

// wire is a kernel that keeps addresses for their lifetime, as Linux does.
type wire struct {
	until time.Time
	told  int
	fail  error
}

func (w *wire) Add(_ floating.Address, life time.Duration) error {
	if w.fail == nil {
		w.until = time.Now().Add(life)
	}
	return w.fail
}
func (w *wire) Remove(floating.Address) error   { w.until = time.Time{}; return nil }
func (w *wire) Announce(floating.Address) error { w.told++; return nil }
func (w *wire) has() bool                       { return time.Now().Before(w.until) }

func address(t *testing.T) floating.Address {
	t.Helper()
	a, err := floating.Parse("10.9.0.9/24 dev v0")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTheAddressFollowsTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leads atomic.Bool
		w := &wire{}
		h := floating.New(address(t), leads.Load, w, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- h.Run(ctx) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if w.has() || w.told > 0 {
			t.Error("it has the address and does not lead")
		}
		leads.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !w.has() || w.told != 6 {
			t.Errorf("it leads: has %t, told %d times", w.has(), w.told)
		}
		leads.Store(false)
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if w.has() {
			t.Error("it leads no more and keeps the address")
		}
		leads.Store(true)
		time.Sleep(time.Second)
		stop()
		if err := <-over; err != nil || w.has() {
			t.Error("it stopped and keeps the address", err)
		}
	})
}

func TestAProcessThatStandsStillLosesTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		h := floating.New(address(t), func() bool { return true }, w, slog.New(slog.DiscardHandler))
		h.Step(time.Now()) // and never again
		time.Sleep(3500 * time.Millisecond)
		if w.has() {
			t.Error("the address stays with a process that does nothing")
		}
		w.fail = errors.New("operation not permitted")
		other := floating.New(address(t), func() bool { return true }, w, slog.New(slog.DiscardHandler))
		if other.Step(time.Now()); other.Held() || w.told != 1 {
			t.Error("an address that was refused is announced")
		}
	})
}

func TestOnlyAddressesThatCanMoveAreTaken(t *testing.T) {
	for _, bad := range []string{"", "10.0.0.9", "10.0.0.9/24", "10.0.0.9 eth0", "127.0.0.1/8 lo", "0.0.0.0/0 eth0", "224.0.0.1/4 eth0", "10.0.0.9/24 via eth0", "10.0.0.9/24 aaaaaaaaaaaaaaaa", "fe80::1%eth0/64 eth0"} {
		if a, err := floating.Parse(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, a)
		}
	}
	if a, err := floating.Parse("2001:db8::9/64 eth0"); err != nil || a.Device != "eth0" {
		t.Error(a, err)
	}
}
