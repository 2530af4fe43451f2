package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// memory is what a server uses once it has tidied up.
type memory struct {
	rss   int64 // octets, resident
	inUse int64 // octets of Go heap and stacks in use after a collection
}

// settleTime bounds the wait for a server's memory to stand still.
const settleTime = 25 * time.Second

// memory asks the server to collect its garbage and waits until its resident memory stands still. A Go process gives back what it no longer needs over many seconds; without
// this the memory of logging everybody in would be counted for, or hidden by, the legs.
func (b *bench) memory(ctx context.Context) (memory, error) {
	deadline := time.Now().Add(settleTime)
	last := int64(0)
	for {
		inUse, err := b.collect(ctx)
		if err != nil {
			return memory{}, err
		}
		if err := pause(ctx, 2*time.Second); err != nil {
			return memory{}, err
		}
		u, err := b.s.Usage()
		if err != nil {
			return memory{}, err
		}
		if moved := u.RSS - last; (moved < 256<<10 && moved > -256<<10) || time.Now().After(deadline) {
			return memory{u.RSS, inUse}, nil
		}
		last = u.RSS
	}
}

// memStat is a line of the heap profile's text form, which ends with runtime.MemStats.
var memStat = regexp.MustCompile(`(?m)^# (HeapInuse|Stack) = (\d+)`)

func (b *bench) collect(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.s.Profile+"/debug/pprof/heap?gc=1&debug=1", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("memory: %s: %w", res.Status, err)
	}
	sum, found := int64(0), 0
	for _, m := range memStat.FindAllSubmatch(raw, -1) {
		n, err := strconv.ParseInt(string(m[2]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("memory: %w", err)
		}
		sum, found = sum+n, found+1
	}
	if found != 2 {
		return 0, fmt.Errorf("memory: the heap profile has %d of 2 figures", found)
	}
	return sum, nil
}
