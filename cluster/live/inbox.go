package live

import (
	"context"
	"sync"
)

// maxInbox is how many messages may wait for their handlers; what comes then is not acknowledged and comes again.
const maxInbox = 65536

type eventKind uint8

const (
	nodeUp eventKind = iota
	nodeDown
	nodeSays
	newArbiter
)

// event is one thing that handlers are told.
type event struct {
	kind    eventKind
	node    string
	topic   string
	body    []byte
	arbiter Arbiter
}

// inbox holds events in their order. Who puts one in does not wait, so it may hold locks that handlers take.
type inbox struct {
	mu   sync.Mutex
	list []event
	wake chan struct{}
}

func (b *inbox) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.list) >= maxInbox
}

func (b *inbox) put(e event) {
	b.mu.Lock()
	b.list = append(b.list, e)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []event {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.list
	b.list = nil
	return list
}

// dispatch tells handlers what happened, one thing at a time.
func (l *Link) dispatch(ctx context.Context) {
	for {
		select {
		case <-l.inbox.wake:
		case <-ctx.Done():
			return
		}
		for _, e := range l.inbox.take() {
			l.tell(e)
		}
	}
}

func (l *Link) tell(e event) {
	switch e.kind {
	case nodeUp:
		for _, h := range l.order {
			h.Up(e.node)
		}
	case nodeDown:
		for _, h := range l.order {
			h.Down(e.node)
		}
	case nodeSays:
		l.topics[e.topic].Hear(e.node, e.body)
	case newArbiter:
		l.cfg.Arbiter(e.arbiter)
	}
}
