package shelf

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

const (
	workers     = 2 // contents that are fetched at once
	maxWanted   = 10_000
	surveyEvery = 10 * time.Minute
	firstWait   = 2 * time.Second // until what nobody has is asked for again: doubled each time
	longestWait = 5 * time.Minute
	batch       = 64 // contents that are looked for at once
)

// wants is what this node lacks. It is guarded by Keeper.mu.
type wants struct {
	list    map[string]*wanted
	more    int // that are not in the list, because it is full
	fetched int
	failed  int
	why     string // of the last failure, until one succeeds
}

type wanted struct {
	name string
	Worth
	busy    bool
	again   time.Time // not before
	wait    time.Duration
	nowhere bool // nobody that answers has it
}

// Stats says how complete this node's shelf is.
type Stats struct {
	Lacking int      `json:"lacking"`           // contents that the record names and that are not here
	Nowhere int      `json:"nowhere,omitempty"` // of these, no node that answers has them
	Fetched int      `json:"fetched"`           // contents, since the start
	Failed  int      `json:"failed,omitempty"`  // attempts
	Why     string   `json:"why,omitempty"`     // the last one failed
	Sent    int64    `json:"sent"`              // octets to other nodes, since the start
	Came    int64    `json:"came"`              // octets from other nodes
	Refused uint64   `json:"refused,omitempty"` // connections that ended because a frame could not be read
	Silent  []string `json:"silent,omitempty"`  // nodes that do not answer
}

// Stats tells how complete this node's shelf is.
func (k *Keeper) Stats() Stats {
	var silent []string
	for _, p := range k.cfg.Peers() {
		if !k.Alive(p.Node) {
			silent = append(silent, p.Node)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Stats{Lacking: len(k.want.list) + k.want.more, Fetched: k.want.fetched, Failed: k.want.failed, Why: k.want.why, Silent: silent,
		Sent: k.client.pushed.Load() + k.server.served.Load(), Came: k.client.fetched.Load() + k.server.taken.Load(), Refused: k.server.bad.Load()}
	for _, w := range k.want.list {
		if w.nowhere {
			s.Nowhere++
		}
	}
	return s
}

// Want has a content fetched, if it is not here.
func (k *Keeper) Want(name string, worth Worth) {
	if _, here := k.store.Has(name); here {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.add(name, worth)
	k.stir()
}

// add puts a content on the list; of a full list the least dear one goes, and comes again with the next survey. k.mu is held.
func (k *Keeper) add(name string, worth Worth) {
	if k.want.list == nil {
		k.want.list = make(map[string]*wanted)
	}
	if w := k.want.list[name]; w != nil {
		w.Worth, w.again, w.wait = worth, time.Time{}, 0
		return
	}
	if len(k.want.list) >= maxWanted {
		k.want.more++
		return
	}
	k.want.list[name] = &wanted{name: name, Worth: worth}
}

func (k *Keeper) stir() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// retryNow lets what waits for a node that has it be looked for at once.
func (k *Keeper) retryNow() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range k.want.list {
		w.again, w.wait = time.Time{}, 0
	}
	k.stir()
}

// survey compares what the record names with what is here, at the start, now and then, and when a full list has been worked off.
func (k *Keeper) survey(ctx context.Context) {
	for ctx.Err() == nil {
		if err := k.surveyOnce(); err != nil {
			k.cfg.Log.WarnContext(ctx, "what the record names cannot be compared with the files", "error", err)
		}
		timer := time.NewTimer(surveyEvery)
		select {
		case <-timer.C:
		case <-k.anew:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// Survey has what the record names compared with what is here anew, since some of the record's changes were not followed.
func (k *Keeper) Survey() {
	select {
	case k.anew <- struct{}{}:
	default:
	}
}

func (k *Keeper) surveyOnce() error {
	here := make(map[string]bool)
	if err := k.store.Walk(func(name string, _ int64, _ time.Time) bool {
		here[name] = true
		return true
	}); err != nil {
		return err
	}
	var lacking []string
	if err := k.cfg.Record.EachFile(func(name string) error {
		if !here[name] {
			lacking = append(lacking, name)
		}
		return nil
	}); err != nil {
		return err
	}
	return k.putRight(lacking)
}

// putRight makes the list that of a survey: the dearest of what is lacking.
func (k *Keeper) putRight(lacking []string) error {
	worth := make(map[string]Worth, len(lacking))
	for _, name := range lacking {
		w, named, err := k.cfg.Record.Worth(name)
		if err != nil {
			return err
		}
		if _, came := k.store.Has(name); named && !came {
			worth[name] = w
		}
	}
	names := make([]string, 0, len(worth))
	for name := range worth {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return dearer(worth[a], worth[b], a, b) })
	k.mu.Lock()
	defer k.mu.Unlock()
	k.want.more = 0
	for name, w := range k.want.list {
		if _, still := worth[name]; !still && !w.busy {
			delete(k.want.list, name)
		}
	}
	for _, name := range names {
		if k.want.list[name] == nil {
			k.add(name, worth[name])
		}
	}
	k.stir()
	return nil
}

// dearer orders contents: what is flagged first, then the newest.
func dearer(a, b Worth, an, bn string) int {
	if a.Keep != b.Keep {
		if a.Keep {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(an, bn))
}

// next takes the dearest content that may be tried now, with some more that could follow, which are looked for in one go. It tells when to look again if there is none.
func (k *Keeper) next() (w *wanted, others []string, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.cfg.Now()
	var due []*wanted
	wait = surveyEvery
	for _, c := range k.want.list {
		switch {
		case c.busy:
		case c.again.After(now):
			wait = min(wait, c.again.Sub(now))
		default:
			due = append(due, c)
		}
	}
	if len(due) == 0 {
		return nil, nil, wait
	}
	slices.SortFunc(due, func(a, b *wanted) int { return dearer(a.Worth, b.Worth, a.name, b.name) })
	for _, c := range due[1:min(len(due), batch)] {
		others = append(others, c.name)
	}
	due[0].busy = true
	return due[0], others, 0
}

// work fetches one content after the other.
func (k *Keeper) work(ctx context.Context) {
	for ctx.Err() == nil {
		w, others, wait := k.next()
		if w == nil {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-k.wake:
				timer.Stop()
			case <-ctx.Done():
				timer.Stop()
				return
			}
			continue
		}
		k.stir() // the other worker may find something too
		k.fetchOne(ctx, w, others)
	}
}

// fetchOne fetches a content from the first node that gives it. What nobody has is put off, and so are those of the others that nobody has.
func (k *Keeper) fetchOne(ctx context.Context, w *wanted, others []string) {
	err := error(fusion.E(fusion.Conflict, "file_here", ""))
	nowhere := false
	if _, here := k.store.Has(w.name); !here {
		found := k.locate(ctx, append([]string{w.name}, others...))
		k.putOff(others, found)
		err = fusion.E(fusion.NotFound, "file_nowhere", "no node that answers has %s", w.name)
		nowhere = len(found[w.name]) == 0
		for _, from := range found[w.name] {
			if err = k.get(ctx, from, w.name, true); err == nil || ctx.Err() != nil {
				break
			}
		}
	}
	if ctx.Err() != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		w.busy = false
		return
	}
	k.settle(ctx, w, nowhere, err)
}

func (k *Keeper) putOff(others []string, found map[string][]Peer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range others {
		if w := k.want.list[name]; w != nil && !w.busy && len(found[name]) == 0 {
			w.later(k.cfg.Now(), true)
		}
	}
}

// later puts a content off, longer each time.
func (w *wanted) later(now time.Time, nowhere bool) {
	w.nowhere = nowhere
	w.wait = min(max(firstWait, 2*w.wait), longestWait)
	w.again = now.Add(w.wait)
}

// settle writes down what became of an attempt.
func (k *Keeper) settle(ctx context.Context, w *wanted, nowhere bool, err error) {
	_, named, unread := k.cfg.Record.Worth(w.name)
	k.mu.Lock()
	defer k.mu.Unlock()
	w.busy = false
	switch reason := fusion.ReasonOf(err); {
	case err == nil, reason == "file_here":
		delete(k.want.list, w.name)
		if err == nil {
			k.want.fetched++
			k.want.why = ""
		}
	case unread == nil && !named: // retention has taken it meanwhile
		delete(k.want.list, w.name)
	default:
		w.later(k.cfg.Now(), nowhere)
		if reason != "file_busy" && !nowhere {
			k.want.failed++
			k.want.why = err.Error()
			k.cfg.Log.WarnContext(ctx, "a file was not fetched", "file", w.name, "error", err)
		}
	}
	if len(k.want.list) == 0 && k.want.more > 0 {
		k.want.more = 0
		k.Survey() // what had no place on the list
	}
}
