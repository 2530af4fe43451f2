package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
)

// FloorLog keeps what happened at the floors: who was granted, refused, queued, interrupted. One file of JSON lines a day (UTC).
// It is a node's own record, not replicated; entries that come faster than the disk takes them are dropped and counted.
type FloorLog struct {
	dir     string
	in      chan talk.FloorEvent
	dropped atomic.Uint64
}

const (
	floorQueue  = 4096
	floorFlush  = time.Second
	floorPrefix = "floor-"
)

// NewFloorLog keeps its files in dir, which exists.
func NewFloorLog(dir string) *FloorLog {
	return &FloorLog{dir: dir, in: make(chan talk.FloorEvent, floorQueue)}
}

// Note takes an event. It does not block.
func (l *FloorLog) Note(e talk.FloorEvent) {
	select {
	case l.in <- e:
	default:
		l.dropped.Add(1)
	}
}

// Dropped counts the events that were lost.
func (l *FloorLog) Dropped() uint64 { return l.dropped.Load() }

// Run writes until ctx is done and the queue is empty.
func (l *FloorLog) Run(ctx context.Context) error {
	tick := time.NewTicker(floorFlush)
	defer tick.Stop()
	d := &dayFile{dir: l.dir}
	defer d.close()
	for {
		select {
		case e := <-l.in:
			if err := d.write(e); err != nil {
				l.dropped.Add(1)
			}
		case <-tick.C:
			d.flush()
		case <-ctx.Done():
			for len(l.in) > 0 {
				_ = d.write(<-l.in)
			}
			return nil
		}
	}
}

type dayFile struct {
	dir, day string
	f        *os.File
	w        *bufio.Writer
}

func floorFile(dir string, at time.Time) string {
	return filepath.Join(dir, floorPrefix+at.UTC().Format(time.DateOnly)+".jsonl")
}

func (d *dayFile) write(e talk.FloorEvent) error {
	if day := e.At.UTC().Format(time.DateOnly); day != d.day {
		d.close()
		f, err := os.OpenFile(floorFile(d.dir, e.At), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		d.day, d.f, d.w = day, f, bufio.NewWriter(f)
		_ = d.w.WriteByte('\n') // ends a line that a power cut has torn; an empty one is passed over
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err = d.w.Write(append(b, '\n')); err != nil {
		d.drop()
	}
	return err
}

func (d *dayFile) flush() {
	if d.w != nil && d.w.Flush() != nil {
		d.drop()
	}
}

func (d *dayFile) close() {
	d.flush()
	d.drop()
}

// drop lets go of the file; a writer that has failed once stays failed, so the next event begins with a new one.
func (d *dayFile) drop() {
	if d.f != nil {
		_ = d.f.Close()
		d.f, d.w, d.day = nil, nil, ""
	}
}

// Between calls f with each event of [from, to) in the groups (all when none is named), in order. A torn line is passed over.
func (l *FloorLog) Between(from, to time.Time, groups []fusion.Number, f func(talk.FloorEvent) error) error {
	for day := from.UTC().Truncate(24 * time.Hour); day.Before(to); day = day.Add(24 * time.Hour) {
		if err := readDay(floorFile(l.dir, day), func(e talk.FloorEvent) error {
			if e.At.Before(from) || !e.At.Before(to) || !among(groups, e.Talk.Group) {
				return nil
			}
			return f(e)
		}); err != nil {
			return fmt.Errorf("read floor log: %w", err)
		}
	}
	return nil
}

func readDay(name string, f func(talk.FloorEvent) error) error {
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var e talk.FloorEvent
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return lines.Err()
}

func among(groups []fusion.Number, g fusion.Number) bool {
	if len(groups) == 0 {
		return true
	}
	for _, n := range groups {
		if n == g {
			return true
		}
	}
	return false
}

// Trim removes the files of days before the given time.
func (l *FloorLog) Trim(before time.Time) error {
	names, err := filepath.Glob(filepath.Join(l.dir, floorPrefix+"*.jsonl"))
	if err != nil {
		return err
	}
	limit := floorFile(l.dir, before)
	for _, n := range names {
		if n < limit {
			if err := os.Remove(n); err != nil {
				return err
			}
		}
	}
	return nil
}
