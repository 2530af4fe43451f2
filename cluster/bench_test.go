package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

// BenchmarkPropose commits 256-octet messages from 1, 16 and 128 writers at once, fsync and all.
func BenchmarkPropose(b *testing.B) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			n := open(b, b.TempDir())
			furnish(b, n)
			text := strings.Repeat("a water level", 20)[:256]
			b.ReportAllocs()
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan error, writers)
			for range writers {
				go func() {
					for left.Add(-1) >= 0 {
						cmd, err := n.Command(command.MessagePost, fusion.ID{}, "zhang", message(text))
						if err == nil {
							_, err = n.Propose(context.Background(), cmd)
						}
						if err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for range writers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}
