package board_test

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion/board"
	"github.com/guantong-net/guantong/fusion/presence"
)

func people(n *network, node string) *presence.Board {
	b := presence.New(time.Now)
	board.SharePresence(b, n.at(node), slog.New(slog.DiscardHandler))
	return b
}

func TestWhoIsThereIsKnownWithTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := people(n, "a"), people(n, "b")
		var told []presence.Entry
		b.Subscribe(func(e presence.Entry) { told = append(told, e) })
		since := time.Now()
		leave := a.Enter(12001, "console")
		time.Sleep(time.Minute)
		n.join("a", "b", true)
		if e := b.Of(12001); !e.Online || e.Node != "a" || !e.Since.Equal(since) || b.Here(12001, "console") || b.Count("console") != 0 {
			t.Errorf("%+v", e)
		}
		phone := b.Enter(12001, "phone")
		if e := b.Of(12001); e.Node != "" || e.Via != "phone" {
			t.Errorf("the way that this node has comes first: %+v", e)
		}
		phone()
		leave()
		leave()
		n.settle()
		if e := b.Of(12001); e.Online {
			t.Errorf("%+v", e)
		}
		if last := told[len(told)-1]; last.Online {
			t.Errorf("told %+v", told)
		}
	})
}

// A client whose node dies comes to another one within the grace: nobody sees it go.
func TestAClientThatMovesIsThereAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b, c := people(n, "a"), people(n, "b"), people(n, "c")
		n.join("a", "b", true)
		n.join("a", "c", true)
		n.join("b", "c", true)
		a.Enter(12001, "console")
		a.Enter(12002, "console") // this one does not come back
		n.settle()
		gone := 0
		c.Subscribe(func(e presence.Entry) {
			if !e.Online {
				gone++
			}
		})
		n.leave("a")
		time.Sleep(time.Second)
		b.Enter(12001, "console")
		n.settle()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if gone != 1 || !c.Of(12001).Online || c.Of(12001).Node != "b" || c.Of(12002).Online {
			t.Errorf("gone %d, %+v, %+v", gone, c.Of(12001), c.Of(12002))
		}
	})
}

// Presence calls the table with its lock held, and the table presence: they must not wait for one another.
func TestBothDirectionsAtOnceDoNotLock(t *testing.T) {
	b := presence.New(time.Now)
	var h board.Handler
	board.SharePresence(b, func(_ string, x board.Handler) board.Topic { h = x; return board.Alone("", x) }, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 500 {
				if i%2 == 0 {
					b.Enter(12001, "console")()
				} else {
					h.Hear("a", []byte(`{"set":{"12001/phone":"2030-01-01T00:00:00Z","x/y":"2030-01-01T00:00:00Z"}}`))
					h.Hear("a", []byte(`{"drop":["12001/phone"]}`))
				}
			}
		})
	}
	wg.Wait()
}
