package raftlog

import (
	"slices"
	"sync"
	"time"
)

const (
	// windowOf is how far back appends are looked at.
	windowOf = time.Minute
	// samples is how many of them are remembered at the most.
	samples = 1024
)

// Latency is how long appends took until they were on the disk (fsync), of those within the last minute.
type Latency struct {
	P50, P99 time.Duration
	Samples  int
}

// window remembers the last appends.
type window struct {
	mu   sync.Mutex
	ring [samples]entryTime
	next int
}

type entryTime struct {
	at   time.Time
	took time.Duration
}

func (w *window) note(at time.Time, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ring[w.next%samples] = entryTime{at: at, took: took}
	w.next++
}

// lately gives what took place within the window, in order of how long it took.
func (w *window) lately(now time.Time) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []time.Duration
	for _, a := range w.ring[:min(w.next, samples)] {
		if now.Sub(a.at) <= windowOf {
			out = append(out, a.took)
		}
	}
	slices.Sort(out)
	return out
}

// Latency tells how long appends took lately.
func (l *Log) Latency() Latency {
	took := l.window.lately(time.Now())
	return Latency{P50: rank(took, 50), P99: rank(took, 99), Samples: len(took)}
}

// rank is a percentile by nearest rank, 0 of nothing.
func rank(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}

// Slower counts the appends of the window that took longer than a limit.
func (l *Log) Slower(limit time.Duration) int {
	took := l.window.lately(time.Now())
	at, _ := slices.BinarySearchFunc(took, limit, func(a, b time.Duration) int {
		if a <= b {
			return -1
		}
		return 1
	})
	return len(took) - at
}
