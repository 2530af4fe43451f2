package floating

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

const (
	lifetime = 3 * time.Second        // that the kernel keeps an address which is not renewed
	every    = 500 * time.Millisecond // how often it is looked who leads
	renew    = time.Second
)

// tellings is how long after an address was taken the neighbours are told of it, again and again: who had it may have it still.
var tellings = [...]time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// Address is an address on a device.
type Address struct {
	Prefix netip.Prefix
	Device string
}

// Parse reads "10.0.0.9/24 eth0"; "dev" may stand between.
func Parse(s string) (Address, error) {
	f := strings.Fields(s)
	if len(f) == 3 && f[1] == "dev" {
		f = []string{f[0], f[2]}
	}
	if len(f) != 2 || len(f[1]) > 15 {
		return Address{}, fmt.Errorf("floating: %q is not ADDRESS/BITS DEVICE", s)
	}
	p, err := netip.ParsePrefix(f[0])
	if err != nil {
		return Address{}, fmt.Errorf("floating: %w", err)
	}
	if a := p.Addr(); a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Zone() != "" {
		return Address{}, fmt.Errorf("floating: %s cannot move between machines", a)
	}
	return Address{p, f[1]}, nil
}

// Kernel is what carries addresses.
type Kernel interface {
	Add(a Address, lifetime time.Duration) error // or renew
	Remove(a Address) error                      // no error when it is not there
	Announce(a Address) error                    // to the neighbours
}

// Holder has the address while its node leads.
type Holder struct {
	address Address
	leads   func() bool
	kernel  Kernel
	log     *slog.Logger

	held    bool
	took    time.Time
	renewed time.Time
	told    int
	failed  string
}

// New makes a Holder. Nothing happens before Run.
func New(a Address, leads func() bool, k Kernel, log *slog.Logger) *Holder {
	return &Holder{address: a, leads: leads, kernel: k, log: log}
}

// Run holds the address while the node leads, until ctx ends; then it is given up.
func (h *Holder) Run(ctx context.Context) error {
	h.drop() // what a process before us left
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		h.Step(time.Now())
		select {
		case <-ctx.Done():
			h.drop()
			return nil
		case <-tick.C:
		}
	}
}

// Step looks once who leads, and does what follows.
func (h *Holder) Step(now time.Time) {
	if !h.leads() {
		if h.held {
			h.drop()
			h.log.Info("the floating address is given up", "address", h.address.Prefix.String(), "device", h.address.Device)
		}
		return
	}
	if !h.held || now.Sub(h.renewed) >= renew || now.Before(h.renewed) {
		if err := h.kernel.Add(h.address, lifetime); err != nil {
			h.fail(err)
			return
		}
		h.renewed = now
	}
	if !h.held {
		h.held, h.took, h.told, h.failed = true, now, 0, ""
		h.log.Info("the floating address is here", "address", h.address.Prefix.String(), "device", h.address.Device)
	}
	if h.told < len(tellings) && now.Sub(h.took) >= tellings[h.told] {
		h.told++
		if err := h.kernel.Announce(h.address); err != nil {
			h.fail(err)
		}
	}
}

// drop gives the address up. What cannot be removed goes with its lifetime.
func (h *Holder) drop() {
	h.held = false
	if err := h.kernel.Remove(h.address); err != nil {
		h.fail(err)
	}
}

// fail says what does not work, once.
func (h *Holder) fail(err error) {
	if err.Error() != h.failed {
		h.failed = err.Error()
		h.log.Error("the floating address does not follow the leader", "address", h.address.Prefix.String(), "error", err)
	}
}

// Held tells whether the address is here.
func (h *Holder) Held() bool { return h.held }

// ErrUnsupported is the answer of a system on which addresses cannot be moved.
var ErrUnsupported = errors.New("floating: addresses are moved on Linux only")
