//go:build !linux

package floating

import "time"

// System is the kernel of this machine.
type System struct{}

// Add implements Kernel.
func (System) Add(Address, time.Duration) error { return ErrUnsupported }

// Remove implements Kernel.
func (System) Remove(Address) error { return nil }

// Announce implements Kernel.
func (System) Announce(Address) error { return ErrUnsupported }
