package board

import (
	"log/slog"
	"strings"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/presence"
)

// PresenceTopic is the topic that presence is told by.
const PresenceTopic = "presence"

// SharePresence has the nodes of a site tell one another who is there. Who was at a node that is gone is no longer there after a grace: as
// long as a client may take to come to another node.
func SharePresence(b *presence.Board, open Open, log *slog.Logger) *Table[time.Time] {
	t := NewTable[time.Time](TableConfig{Open: open, Name: PresenceTopic, Log: log})
	t.Subscribe(func(c Change[time.Time]) {
		number, via, _ := strings.Cut(c.Key, "/")
		unit, err := fusion.ParseNumber(number, 0)
		if err != nil || unit == 0 || via == "" {
			t.strange.Add(1)
			return
		}
		b.Elsewhere(c.Node, presence.Way{Unit: unit, Via: via, Since: c.Value, Gone: c.Gone})
	})
	b.Share(func(w presence.Way) {
		key := w.Unit.String() + "/" + w.Via
		if w.Gone {
			t.Drop(key)
		} else {
			t.Set(key, w.Since)
		}
	})
	return t
}
