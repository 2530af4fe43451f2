package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

const (
	wantRoom   = 1 << 20         // octets that must be free above the reserve while a burst is recorded
	probeEvery = 5 * time.Second // how often a broken disk is tried again
	probeSize  = 4096
)

// room refuses to record on a disk that is at its reserve.
func (r *Recorder) room() error {
	if r.cfg.Room == nil {
		return nil
	}
	return r.cfg.Room(wantRoom)
}

// tryDisk finds out whether a disk that failed takes recordings again, so that the warning goes without anybody having to talk.
func (r *Recorder) tryDisk(now time.Time) {
	if !r.broken.Load() || now.Sub(r.probe) < probeEvery {
		return
	}
	r.probe = now
	if r.room() == nil && writeProbe(filepath.Join(r.cfg.Dir, "probe")) == nil {
		r.broken.Store(false)
		r.cfg.Log.Info("recordings can be written again")
	}
}

func writeProbe(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeSize))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(name))
}

// recent remembers the last burst IDs.
type recent struct {
	ids  map[fusion.ID]bool
	ring []fusion.ID
	next int
}

const recentIDs = 8192

// add reports whether the ID is new.
func (r *recent) add(id fusion.ID) bool {
	if r.ids[id] {
		return false
	}
	if r.ids == nil {
		r.ids, r.ring = make(map[fusion.ID]bool), make([]fusion.ID, recentIDs)
	}
	delete(r.ids, r.ring[r.next])
	r.ids[id], r.ring[r.next] = true, id
	r.next = (r.next + 1) % recentIDs
	return true
}

// another makes a new ID of one that was used before.
func another(id fusion.ID, at time.Time) (out fusion.ID) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(id[:], uint64(at.UnixNano())))
	copy(out[:], sum[:])
	return out
}
