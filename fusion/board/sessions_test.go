package board_test

import (
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/board"
	"github.com/guantong-net/guantong/fusion/identity"
)

func sessions(n *network, node string) *identity.Sessions {
	x := identity.NewSessions(identity.SessionConfig{Now: time.Now, Rand: rand.Reader})
	board.ShareSessions(x, n.at(node), slog.New(slog.DiscardHandler))
	return x
}

func begin(t *testing.T, x *identity.Sessions) (string, *identity.Session) {
	t.Helper()
	tok, s, err := x.Open("wang", 1, "::1")
	if err != nil {
		t.Fatal(err)
	}
	return tok, s
}

func good(x *identity.Sessions, tok string) bool {
	_, ok := x.Find(tok)
	return ok
}

func TestALogInIsGoodAtEveryNode(t *testing.T) {
	n := newNetwork()
	a, b := sessions(n, "a"), sessions(n, "b")
	early, _ := begin(t, a)
	n.join("a", "b", true)
	late, _ := begin(t, b)
	n.settle()
	if !good(b, early) || !good(a, late) {
		t.Error("a log-in is not known at the other node")
	}
}

// Each half of a site that is cut in two logs people in and out; when it is one again, both know all of it.
func TestSidesOfACutAgreeAgain(t *testing.T) {
	n := newNetwork()
	a, b, c := sessions(n, "a"), sessions(n, "b"), sessions(n, "c")
	n.join("a", "b", true)
	n.join("b", "c", true) // a and c never hear one another but by b
	out, s := begin(t, a)
	n.settle()
	n.join("b", "c", false)
	a.End(s, "logged_out")
	here, _ := begin(t, a)
	there, _ := begin(t, c)
	n.settle()
	if !good(c, out) {
		t.Error("an island knows better than it can")
	}
	n.join("b", "c", true)
	for name, x := range map[string]*identity.Sessions{"a": a, "b": b, "c": c} {
		if good(x, out) || !good(x, here) || !good(x, there) {
			t.Errorf("%s: ended %t, new ones %t %t", name, good(x, out), good(x, here), good(x, there))
		}
	}
}

func TestANodeThatComesBackWithOldSessionsRevivesNone(t *testing.T) {
	n := newNetwork()
	a, b := sessions(n, "a"), sessions(n, "b")
	n.join("a", "b", true)
	tok, s := begin(t, a)
	n.settle()
	old := b.Save()
	n.leave("b")
	a.End(s, "revoked")
	b = sessions(n, "b")
	b.Merge(old)
	if !good(b, tok) {
		t.Fatal("the old data is not what the test means")
	}
	n.join("a", "b", true)
	if good(a, tok) || good(b, tok) {
		t.Error("a session that was revoked is back")
	}
}

func FuzzSessionsHear(f *testing.F) {
	f.Add([]byte(`[{"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","user":"x","epoch":1,"expires":"2999-01-01T00:00:00Z","seen":"2030-01-01T00:00:00Z"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x := identity.NewSessions(identity.SessionConfig{Now: time.Now, Rand: rand.Reader, Total: 2})
		board.ShareSessions(x, board.Alone, slog.New(slog.DiscardHandler)).Hear("a", data)
		if x.Len() > 2 {
			t.Errorf("%d sessions", x.Len())
		}
	})
}
