package shelf

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

const (
	busyAgain = 100 * time.Millisecond // until a content that comes to a node by another way is looked for again
	busyTries = 300
)

// Spread returns nil when each of the contents is on the disks of a majority of the voters, and they have promised to keep it for two days. What is here is pushed;
// what is not is fetched first from whoever has it. Errors: CutOff files_not_spread when too few voters can be reached, or are too full;
// NotFound file_nowhere when every voter has answered and none has it.
func (k *Keeper) Spread(ctx context.Context, names []string, voters []Peer) error {
	for names := range slices.Chunk(names, MaxNames) {
		if err := k.spread(ctx, names, voters); err != nil {
			return err
		}
	}
	return nil
}

// rollCall is what each voter has: by voter, then by content. A voter that is not in it did not answer.
type rollCall map[string][]int64

func (k *Keeper) spread(ctx context.Context, names []string, voters []Peer) error {
	have := k.call(ctx, names, voters)
	for i, name := range names {
		var err error
		for try := range busyTries {
			if err = k.spreadOne(ctx, name, voters, have, i); fusion.ReasonOf(err) != "file_busy" {
				break
			}
			if err := pause(ctx, busyAgain); err != nil {
				return err
			}
			if try%2 == 1 {
				have = k.call(ctx, names, voters)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// call asks all voters at once, this node too when it is one.
func (k *Keeper) call(ctx context.Context, names []string, voters []Peer) rollCall {
	have := make(rollCall)
	var mu sync.Mutex
	note := func(node string, sizes []int64) {
		mu.Lock()
		defer mu.Unlock()
		have[node] = sizes
	}
	var asking sync.WaitGroup
	for _, v := range voters {
		if v.Node == k.cfg.Node {
			note(v.Node, k.server.have(request{Names: names, Touch: true}).Sizes)
			continue
		}
		asking.Go(func() {
			if sizes, err := k.client.have(ctx, v, names, true); err == nil {
				note(v.Node, sizes)
			}
		})
	}
	asking.Wait()
	return have
}

// spreadOne brings one content to as many voters as a majority lacks.
func (k *Keeper) spreadOne(ctx context.Context, name string, voters []Peer, have rollCall, i int) error {
	need := len(voters)/2 + 1
	var holders, lacking []Peer
	for _, v := range voters {
		if sizes, answered := have[v.Node]; answered && sizes[i] >= 0 {
			holders = append(holders, v)
		} else if answered {
			lacking = append(lacking, v)
		}
	}
	if len(holders) >= need {
		return nil
	}
	if len(holders)+len(lacking) < need {
		return fusion.E(fusion.CutOff, "files_not_spread", "%d of %d nodes answer, %d must have %s", len(holders)+len(lacking), len(voters), need, name)
	}
	if err := k.bring(ctx, name, holders, len(have) == len(voters)); err != nil {
		return err
	}
	got := len(holders)
	lacking = slices.DeleteFunc(lacking, func(p Peer) bool {
		if p.Node == k.cfg.Node {
			got++ // it was brought here
		}
		return p.Node == k.cfg.Node
	})
	return k.pushTo(ctx, name, need-got, lacking)
}

// bring sees to it that the content is here, where it is pushed from.
func (k *Keeper) bring(ctx context.Context, name string, holders []Peer, all bool) error {
	if _, here := k.store.Touch(name); here {
		return nil
	}
	err := error(fusion.E(fusion.CutOff, "files_not_spread", "%s is not here, and who has it cannot be reached", name))
	if len(holders) == 0 && all {
		return fusion.E(fusion.NotFound, "file_nowhere", "no node has %s", name)
	}
	for _, from := range holders {
		if err = k.get(ctx, from, name, false); err == nil || fusion.ReasonOf(err) == "file_here" {
			return nil
		}
	}
	return err
}

// pushTo brings a content to so many of the nodes: to that many at once, to the others when one fails.
func (k *Keeper) pushTo(ctx context.Context, name string, need int, lacking []Peer) error {
	var last error
	for need > 0 {
		if len(lacking) < need {
			if fusion.ReasonOf(last) == "file_busy" {
				return last
			}
			return fusion.E(fusion.CutOff, "files_not_spread", "%s is on too few disks: %v", name, last)
		}
		results := make(chan error, need)
		for _, to := range lacking[:need] {
			go func() { results <- k.client.push(ctx, to, k.store, name) }()
		}
		lacking = lacking[need:]
		for range cap(results) {
			if err := <-results; err == nil {
				need--
			} else {
				last = err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
