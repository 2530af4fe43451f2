package raftlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// segmentSize is how much of the disk one piece of the log takes in advance.
const segmentSize = 16 << 20

// Options of a log.
type Options struct {
	Dir      string
	Deadline time.Duration // of a write
	Key      []byte        // seals the entries: 16, 24 or 32 octets of AES; nil leaves them readable
	Logger   hclog.Logger
	Under    func(raft.LogStore) raft.LogStore // what stands between the log and the disk, for tests; may be nil
}

// Open opens the log of a directory and makes it when there is none. A tail that was torn by a power cut is cut off: it was
// never acknowledged. Close what it gives to close the log.
func Open(o Options) (*Log, io.Closer, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("open raft log: %w", err)
	}
	w, err := wal.Open(o.Dir, wal.WithSegmentSize(segmentSize), wal.WithLogger(o.Logger))
	if err != nil {
		return nil, nil, fmt.Errorf("open raft log: %w", err)
	}
	var entries raft.LogStore = summed{w}
	if len(o.Key) > 0 {
		if entries, err = Seal(w, o.Key); err != nil {
			return nil, nil, errors.Join(err, w.Close())
		}
	}
	if o.Under != nil {
		entries = o.Under(entries)
	}
	return Wrap(entries, w, o.Deadline), w, nil
}
