package raftlog

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// DefaultDeadline is how long one write may take.
const DefaultDeadline = time.Second

// ErrFailed reports that the log failed and stays so until it is opened again.
var ErrFailed = errors.New("raftlog: failed, to be opened again")

// ErrDeadline is the cause when a write did not return in time.
var ErrDeadline = errors.New("raftlog: the disk did not answer in time")

// Log puts a deadline around the writes of a LogStore and a StableStore. Reads pass through.
type Log struct {
	raft.LogStore
	stable   raft.StableStore
	deadline time.Duration
	window   window

	mu     sync.Mutex
	err    error
	failed chan struct{}
}

// Wrap puts a deadline around a LogStore and a StableStore.
func Wrap(log raft.LogStore, stable raft.StableStore, deadline time.Duration) *Log {
	return &Log{LogStore: log, stable: stable, deadline: deadline, failed: make(chan struct{})}
}

// Failed is closed when the log has failed.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err is why the log failed, nil while it has not.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Log) fail(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrFailed, cause)
		close(l.failed)
	}
	return l.err
}

// write runs a write with the deadline. One that hangs keeps its goroutine until the disk answers; as the log has failed
// then, there is never a second one.
func (l *Log) write(f func() error) error {
	if err := l.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	begun := time.Now()
	timer := time.NewTimer(l.deadline)
	defer timer.Stop()
	go func() { done <- f() }()
	for again := true; ; again = false {
		select {
		case err := <-done:
			if err != nil {
				return l.fail(err)
			}
			return l.Err()
		case <-timer.C:
		}
		// A timer that is this late says that the whole process stood still, not the disk: it has one more deadline.
		if !again || time.Since(begun) < l.deadline*3/2 {
			return l.fail(ErrDeadline)
		}
		timer.Reset(l.deadline)
	}
}

// StoreLog implements raft.LogStore.
func (l *Log) StoreLog(entry *raft.Log) error {
	return l.append(func() error { return l.LogStore.StoreLog(entry) })
}

// StoreLogs implements raft.LogStore.
func (l *Log) StoreLogs(entries []*raft.Log) error {
	return l.append(func() error { return l.LogStore.StoreLogs(entries) })
}

// append is a write whose time counts: it ends with an fsync.
func (l *Log) append(f func() error) error {
	begun := time.Now()
	err := l.write(f)
	l.window.note(begun, time.Since(begun))
	return err
}

// DeleteRange implements raft.LogStore.
func (l *Log) DeleteRange(from, to uint64) error {
	return l.write(func() error { return l.LogStore.DeleteRange(from, to) })
}

// IsMonotonic implements raft.MonotonicLogStore: the write-ahead log takes no gaps.
func (l *Log) IsMonotonic() bool {
	m, ok := l.LogStore.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}

// Set implements raft.StableStore.
func (l *Log) Set(key, value []byte) error {
	return l.write(func() error { return l.stable.Set(key, value) })
}

// SetUint64 implements raft.StableStore.
func (l *Log) SetUint64(key []byte, value uint64) error {
	return l.write(func() error { return l.stable.SetUint64(key, value) })
}

// Get implements raft.StableStore.
func (l *Log) Get(key []byte) ([]byte, error) { return l.stable.Get(key) }

// GetUint64 implements raft.StableStore.
func (l *Log) GetUint64(key []byte) (uint64, error) { return l.stable.GetUint64(key) }
