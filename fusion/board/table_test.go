package board_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion/board"
)

func table(n *network, node string) *board.Table[string] {
	return board.NewTable[string](board.TableConfig{Open: n.at(node), Name: "t", Limit: 500})
}

// mirror keeps what a table tells, as whoever subscribes does.
func mirror(t *board.Table[string]) map[string]string {
	m := make(map[string]string)
	t.Subscribe(func(c board.Change[string]) {
		if c.Gone {
			delete(m, c.Node+"/"+c.Key)
		} else {
			m[c.Node+"/"+c.Key] = c.Value
		}
	})
	return m
}

func TestWhatANodeSaysIsKnownAtOnceAndToWhoComesLater(t *testing.T) {
	n := newNetwork()
	a, b := table(n, "a"), table(n, "b")
	seen := mirror(b)
	a.Set("x", "1")
	n.join("a", "b", true)
	a.Set("y", "2")
	a.Set("x", "3")
	a.Drop("y")
	a.Drop("never")
	n.settle()
	if fmt.Sprint(seen) != "map[a/x:3]" {
		t.Error(seen)
	}
	if v, ok := b.Of("a", "x"); !ok || v != "3" || !b.IsUp("a") {
		t.Error(v, ok)
	}
}

func TestACutThatIsShortHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := table(n, "a"), table(n, "b")
		n.join("a", "b", true)
		seen := mirror(b)
		a.Set("stays", "1")
		a.Set("goes", "1")
		n.settle()
		n.join("a", "b", false)
		a.Drop("goes")
		a.Set("comes", "1")
		time.Sleep(2 * time.Second)
		if len(seen) != 2 || b.IsUp("a") {
			t.Error("within the grace:", seen)
		}
		n.join("a", "b", true)
		if fmt.Sprint(seen) != "map[a/comes:1 a/stays:1]" {
			t.Error("after the cut:", seen)
		}
		time.Sleep(time.Minute)
		if len(seen) != 2 {
			t.Error("the grace of the cut ran on:", seen)
		}
	})
}

func TestANodeThatDiedIsForgottenAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := table(n, "a"), table(n, "b")
		n.join("a", "b", true)
		seen := mirror(b)
		a.Set("x", "1")
		n.settle()
		n.leave("a")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if len(seen) != 0 {
			t.Error(seen)
		}
		a = table(n, "a") // it starts anew and knows nothing
		a.Set("y", "2")
		n.join("a", "b", true)
		if fmt.Sprint(seen) != "map[a/y:2]" {
			t.Error(seen)
		}
	})
}

// A node that comes back within the grace but says nothing of before is taken at its word.
func TestARestartWithinTheGraceReplacesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, b := table(n, "a"), table(n, "b")
		n.join("a", "b", true)
		seen := mirror(b)
		a.Set("x", "1")
		n.settle()
		n.leave("a")
		table(n, "a")
		n.join("a", "b", true)
		if len(seen) != 0 {
			t.Error(seen)
		}
		b.Hear("c", []byte(`{"set":{"k":"v"}}`)) // up, but it never says what it has: a peer that lies
		b.Down("c")
		b.Up("c")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if len(seen) != 0 {
			t.Error(seen)
		}
	})
}

func TestALargeTableComesWholeAndAFloodIsBounded(t *testing.T) {
	n := newNetwork()
	a, b := table(n, "a"), table(n, "b")
	for i := range 2000 {
		a.Set(fmt.Sprint(i), strings.Repeat("x", 200))
	}
	a.Set(strings.Repeat("k", 200), "too long a key")
	seen := mirror(b)
	n.join("a", "b", true)
	if len(seen) != 500 || b.Strange() != 1501 {
		t.Error(len(seen), b.Strange())
	}
	for _, bad := range []string{"", "{", "[]", `{"set":[1]}`, `{"set":{"a":1}}`, strings.Repeat("[", 300<<10)} {
		b.Hear("a", []byte(bad))
	}
	b.Hear("a", []byte(`{"set":{"0":"later"},"unknown":true}`)) // of a newer version
	if v, _ := b.Of("a", "0"); v != "later" && len(seen) != 500 {
		t.Error(v)
	}
}

func FuzzTableHear(f *testing.F) {
	f.Add([]byte(`{"first":true,"last":true,"set":{"a":"b"},"drop":["c"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := board.NewTable[string](board.TableConfig{Name: "t", Limit: 3})
		n := 0
		b.Subscribe(func(c board.Change[string]) {
			if c.Gone {
				n--
			}
		})
		b.Hear("a", data)
		held := 0
		var m struct{ Set map[string]string }
		_ = json.Unmarshal(data, &m)
		for key := range m.Set {
			if _, ok := b.Of("a", key); ok {
				held++
			}
		}
		if held > 3 {
			t.Errorf("%d entries", held)
		}
	})
}
