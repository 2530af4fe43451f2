package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	commands "github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

// idleFor is how long a server is left alone before its memory is looked at, without being asked to tidy up.
const idleFor = 15 * time.Second

// benchStart measures a node that has nothing, and the same one with many messages: memory while idle, and how long it takes to start, in order and after kill -9.
func benchStart(ctx context.Context, d *drill) error {
	data := filepath.Join(d.dir, "data")
	s, admin, err := d.startServer(ctx, filepath.Join(d.dir, "server"), data)
	if err != nil {
		return err
	}
	defer s.Kill()
	if _, err := addUser(ctx, s, admin, "chief", local(101), fusion.Dispatcher); err != nil {
		return err
	}
	d.figure("empty_start_ms", s.StartMS)
	if err := d.again(ctx, s, s.Stop); err != nil {
		return err
	}
	empty, err := resident(ctx, s)
	if err != nil {
		return err
	}
	d.atMost("empty_rss_mb", empty, 100)
	if err := s.Stop(stopGrace); err != nil {
		return err
	}
	if err := d.load(ctx, data); err != nil {
		return err
	}
	if err := d.again(ctx, s, nil); err != nil {
		return err
	}
	d.atMost("start_ms", s.StartMS, 3000)
	full, err := resident(ctx, s)
	if err != nil {
		return err
	}
	d.atMost("rss_mb", full, 300)
	kill := func(time.Duration) error { s.Kill(); return nil }
	if err := d.again(ctx, s, kill); err != nil {
		return err
	}
	d.atMost("start_ms_after_kill", s.StartMS, 3000)
	return nil
}

// again ends a server and starts it on the same data.
func (d *drill) again(ctx context.Context, s *peer.Server, end func(time.Duration) error) error {
	if end != nil {
		if err := end(stopGrace); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return s.Start(ctx, d.life)
}

// resident is what a server that nobody asks anything keeps in memory, in MB of 10^6 octets.
func resident(ctx context.Context, s *peer.Server) (float64, error) {
	if err := pause(ctx, idleFor); err != nil {
		return 0, err
	}
	u, err := s.Usage()
	return float64(u.RSS) / 1e6, err
}

// loaders is how many write at once: then a whole batch shares an fsync.
const loaders = 512

// load opens the record of a server that is stopped and writes messages into it as the server would: through the log, with every fsync, and Apply. What is left
// out is only HTTP.
func (d *drill) load(ctx context.Context, data string) error {
	n, err := cluster.Open(ctx, cluster.Config{Dir: filepath.Join(data, "record"), NodeID: "node-1", WriteDeadline: time.Minute})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	begun := time.Now()
	var left, failed atomic.Int64
	left.Store(int64(d.messages))
	var mu sync.Mutex
	var first error
	var writing sync.WaitGroup
	for i := range loaders {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(d.seed, uint64(1000+i)))
			for left.Add(-1) >= 0 && failed.Load() == 0 {
				if err := loadOne(ctx, n, r); err != nil {
					failed.Add(1)
					mu.Lock()
					first = errors.Join(first, err)
					mu.Unlock()
				}
			}
		})
	}
	writing.Wait()
	took := time.Since(begun).Seconds()
	d.figure("loaded_messages", float64(d.messages))
	d.figure("load_commits_s", float64(d.messages)/took)
	d.figure("state_mb", float64(n.Status().StateSize)/1e6)
	return errors.Join(first, n.Close())
}

func loadOne(ctx context.Context, n *cluster.Node, r *rand.Rand) error {
	m := state.Message{From: local(101), To: []fusion.Number{local(1)}, Text: sitrep(r), Precedence: fusion.Routine}
	cmd, err := n.Command(commands.MessagePost, fusion.ID{}, "chief", m)
	if err != nil {
		return err
	}
	res, err := n.Propose(ctx, cmd)
	if err != nil {
		return err
	}
	return res.Err()
}

// sitrep is a message as people send them.
func sitrep(r *rand.Rand) string {
	places := []string{"永和镇", "青石桥", "三号水库", "东坡村", "县医院", "高速出口", "老城区", "滨河路"}
	things := []string{"道路塌方", "水位上涨", "需要担架", "电力恢复", "人员已转移", "请求增援", "物资到位", "通信中断"}
	return fmt.Sprintf("%s%s，%d时%d分，约%d人，请%s处置。", places[r.IntN(len(places))], things[r.IntN(len(things))], r.IntN(24), r.IntN(60), r.IntN(500), places[r.IntN(len(places))])
}
