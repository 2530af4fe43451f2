package board

import (
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Change is one entry that another node has set or dropped.
type Change[V any] struct {
	Node, Key string
	Value     V
	Gone      bool
}

// TableConfig says what a table holds. Zero fields take the defaults in brackets.
type TableConfig struct {
	Open  Open          // [Alone]
	Name  string        // of the topic
	Grace time.Duration // that what a node said outlives its going [3 s]
	Limit int           // entries of one node [20000]
	Log   *slog.Logger  // [discards]
}

// Table is what each node says for itself: keys and values that are its own. All methods are for any goroutine.
type Table[V any] struct {
	cfg     TableConfig
	topic   Topic
	strange atomic.Uint64 // messages and entries that were passed over

	telling sync.Mutex // held while watchers are told, so that they hear all in order; taken before mu
	watch   []func(Change[V])

	mu     sync.Mutex
	own    map[string]V
	others map[string]*said[V]
	news   []Change[V] // to be told
}

// said is what another node has said.
type said[V any] struct {
	up      bool
	entries map[string]entry[V]
	round   uint64 // grows with every fresh start of that node
	gone    *time.Timer
}

type entry[V any] struct {
	value V
	round uint64
}

// message is what a table sends: entries set and keys dropped. A node begins with First, all entries and Last, in one message or several.
type message[V any] struct {
	First bool         `json:"first,omitempty"`
	Last  bool         `json:"last,omitempty"`
	Set   map[string]V `json:"set,omitempty"`
	Drop  []string     `json:"drop,omitempty"`
}

const maxKey = 128 // octets

// NewTable makes a table that is told and tells from now on.
func NewTable[V any](cfg TableConfig) *Table[V] {
	if cfg.Open == nil {
		cfg.Open = Alone
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 3 * time.Second
	}
	if cfg.Limit <= 0 {
		cfg.Limit = 20000
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	t := &Table[V]{cfg: cfg, own: make(map[string]V), others: make(map[string]*said[V])}
	t.topic = cfg.Open(cfg.Name, t)
	return t
}

// Subscribe calls f with every change by another node, in order. F must not block.
func (t *Table[V]) Subscribe(f func(Change[V])) {
	t.telling.Lock()
	defer t.telling.Unlock()
	t.watch = append(t.watch, f)
}

// alter changes what others have said, and tells of it when no lock is held but the one that keeps the order: who is told may have
// locks of its own, under which it calls Set.
func (t *Table[V]) alter(f func()) {
	t.telling.Lock()
	defer t.telling.Unlock()
	t.mu.Lock()
	f()
	news := t.news
	t.news = nil
	t.mu.Unlock()
	for _, c := range news {
		for _, tell := range t.watch {
			tell(c)
		}
	}
}

// Set says something for this node, and Drop takes it back.
func (t *Table[V]) Set(key string, v V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own[key] = v
	t.say("", message[V]{Set: map[string]V{key: v}})
}

// Drop takes back what was Set.
func (t *Table[V]) Drop(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.own[key]; ok {
		delete(t.own, key)
		t.say("", message[V]{Drop: []string{key}})
	}
}

// Of gives what another node says under a key.
func (t *Table[V]) Of(node, key string) (v V, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.others[node]; s != nil {
		e, ok := s.entries[key]
		return e.value, ok
	}
	return v, false
}

// Each calls f with what every other node says under a key; up tells whether the node is there now. F must not call the table.
func (t *Table[V]) Each(key string, f func(node string, v V, up bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for node, s := range t.others {
		if e, ok := s.entries[key]; ok {
			f(node, e.value, s.up)
		}
	}
}

// Up tells whether another node is there.
func (t *Table[V]) IsUp(node string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.others[node]
	return s != nil && s.up
}

// Strange counts what was not understood or too much.
func (t *Table[V]) Strange() uint64 { return t.strange.Load() }

// say sends a message to a node, or to all. The lock is held, so that what is said first arrives first.
func (t *Table[V]) say(node string, m message[V]) {
	data, err := json.Marshal(m)
	if err != nil {
		t.cfg.Log.Error("not told to other nodes", "topic", t.cfg.Name, "error", err)
		return
	}
	if node == "" {
		t.topic.Broadcast(data)
		return
	}
	t.topic.Send(node, data)
}

// Up implements Handler: the node is told everything anew.
func (t *Table[V]) Up(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.other(node).up = true
	m := message[V]{First: true, Set: make(map[string]V)}
	size := 0
	for key, v := range t.own {
		m.Set[key] = v
		if data, err := json.Marshal(v); err == nil {
			size += len(data) + len(key) + 8
		}
		if size >= batch {
			t.say(node, m)
			m, size = message[V]{Set: make(map[string]V)}, 0
		}
	}
	m.Last = true
	t.say(node, m)
}

// other finds or makes what a node has said. The lock is held.
func (t *Table[V]) other(node string) *said[V] {
	s := t.others[node]
	if s == nil {
		s = &said[V]{entries: make(map[string]entry[V])}
		t.others[node] = s
	}
	return s
}

// Down implements Handler: what the node said holds for a grace, in case it is only its network, and its clients have not moved.
func (t *Table[V]) Down(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.other(node)
	s.up = false
	if s.gone != nil {
		s.gone.Stop()
	}
	s.gone = time.AfterFunc(t.cfg.Grace, func() { t.bury(node, s) })
}

// bury forgets what a node said that did not come back to say it again.
func (t *Table[V]) bury(node string, s *said[V]) {
	t.alter(func() {
		if s.gone == nil || t.others[node] != s {
			return
		}
		s.gone = nil
		t.prune(s, node, s.round+1)
		if !s.up {
			delete(t.others, node)
		}
	})
}

// prune drops the entries that are older than a round.
func (t *Table[V]) prune(s *said[V], node string, round uint64) {
	for key, e := range s.entries {
		if e.round < round {
			t.drop(s, node, key)
		}
	}
}

func (t *Table[V]) drop(s *said[V], node, key string) {
	e, ok := s.entries[key]
	if !ok {
		return
	}
	delete(s.entries, key)
	t.news = append(t.news, Change[V]{Node: node, Key: key, Value: e.value, Gone: true})
}

// Hear implements Handler.
func (t *Table[V]) Hear(node string, data []byte) {
	var m message[V]
	if len(data) > maxMessage || json.Unmarshal(data, &m) != nil {
		t.strange.Add(1)
		return
	}
	t.alter(func() { t.hear(t.other(node), node, m) })
}

func (t *Table[V]) hear(s *said[V], node string, m message[V]) {
	if m.First {
		s.round++
		if s.gone != nil { // it is here to speak for itself
			s.gone.Stop()
			s.gone = nil
		}
	}
	for key, v := range m.Set {
		if _, known := s.entries[key]; len(key) > maxKey || !known && len(s.entries) >= t.cfg.Limit {
			t.strange.Add(1)
			continue
		}
		s.entries[key] = entry[V]{v, s.round}
		t.news = append(t.news, Change[V]{Node: node, Key: key, Value: v})
	}
	for _, key := range m.Drop {
		t.drop(s, node, key)
	}
	if m.Last {
		t.prune(s, node, s.round)
	}
}
