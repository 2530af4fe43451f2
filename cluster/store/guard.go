package store

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guantong-net/guantong/fusion"
)

// DefaultReserve is how many octets of a disk stay free: room for what is under way, a piece of the log, and badger's
// compaction, which rewrites up to some 100 MiB before it removes anything: with a reserve of 48 MiB it died of SIGBUS.
const DefaultReserve = 256 << 20

// guardEvery is how long one look at the disk holds good.
const guardEvery = 200 * time.Millisecond

// Guard refuses writes while the disk has less free than its reserve. Badger maps its files: a full disk would kill the
// process by SIGBUS. Safe for concurrent use; one Guard may serve all who write to a disk.
type Guard struct {
	reserve uint64
	free    func() (uint64, error)
	now     func() time.Time

	mu     sync.Mutex
	looked time.Time
	last   uint64
	err    error
}

// NewGuard makes a Guard of a reserve in octets, of a function that tells the free octets, and of a clock.
func NewGuard(reserve uint64, free func() (uint64, error), now func() time.Time) *Guard {
	return &Guard{reserve: reserve, free: free, now: now}
}

// FreeAt tells the octets free to us on the disk that holds a directory (statfs(2), f_bavail).
func FreeAt(dir string) func() (uint64, error) {
	return func() (uint64, error) {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil {
			return 0, fmt.Errorf("statfs %s: %w", dir, err)
		}
		return s.Bavail * uint64(s.Bsize), nil
	}
}

// Check is nil while there is room for n octets above the reserve; else a *fusion.Error Full, disk_reserve.
func (g *Guard) Check(n int) error { return g.check(uint64(n) + g.reserve) }

// critical refuses when not even a quarter of the reserve is left: the last moment before badger could die.
func (g *Guard) critical() error { return g.check(g.reserve / 4) }

func (g *Guard) check(need uint64) error {
	free, err := g.Free()
	if err != nil {
		return fusion.E(fusion.Full, "disk_unknown", "free space cannot be told: %v", err)
	}
	if free < need {
		return fusion.E(fusion.Full, "disk_reserve", "%d octets free, %d must be", free, need)
	}
	return nil
}

// Free tells the free octets, as of at most 200 ms ago.
func (g *Guard) Free() (uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if d := now.Sub(g.looked); g.looked.IsZero() || d >= guardEvery || d < 0 {
		g.last, g.err = g.free()
		g.looked = now
	}
	return g.last, g.err
}

// Reserve is the reserve in octets.
func (g *Guard) Reserve() uint64 { return g.reserve }
