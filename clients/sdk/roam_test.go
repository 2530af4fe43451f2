package sdk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
)

var group = fusion.GroupTalk(11001)

func login(t *testing.T, h *apitest.House, user string, opt sdk.Options) *sdk.Client {
	t.Helper()
	opt.HTTP = h.Client
	c := sdk.New(h.URL, opt)
	if _, err := c.Login(t.Context(), user, apitest.Password, ""); err != nil {
		t.Fatal(err)
	}
	return c
}

// dweller is a client that stays at its site.
type dweller struct {
	*sdk.Roamer
	moves chan sdk.Move
	floor chan talk.Indication
	seen  chan string // messages
	over  chan error
}

func dwell(t *testing.T, c *sdk.Client) *dweller {
	t.Helper()
	d := &dweller{moves: make(chan sdk.Move, 16), floor: make(chan talk.Indication, 256), seen: make(chan string, 256), over: make(chan error, 1)}
	d.Roamer = c.Roam(sdk.RoamConfig{After: -1, Moved: func(m sdk.Move) { d.moves <- m }, Handler: sdk.Handler{
		Floor: func(i talk.Indication) { d.floor <- i },
		Event: func(e sdk.Event) {
			if e.Type == "message" {
				d.seen <- e.Key
			}
		},
	}})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { d.over <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-d.over; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	d.move(t)
	return d
}

func (d *dweller) move(t *testing.T) sdk.Move {
	t.Helper()
	select {
	case m := <-d.moves:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("the client is at no node")
		return sdk.Move{}
	}
}

func (d *dweller) await(t *testing.T, kind talk.Kind) talk.Indication {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case i := <-d.floor:
			if i.Kind == kind {
				return i
			}
		case <-limit:
			t.Fatalf("no %s", kind)
		}
	}
}

// sees fails unless the messages come, in this order and once.
func (d *dweller) sees(t *testing.T, want []string) {
	t.Helper()
	for _, id := range want {
		select {
		case got := <-d.seen:
			if got != id {
				t.Errorf("saw %s, want %s", got, id)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("did not see %s", id)
		}
	}
	if len(d.seen) > 0 {
		t.Errorf("saw more: %s", <-d.seen)
	}
}

func post(t *testing.T, c *sdk.Client) state.Message {
	t.Helper()
	m, err := c.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "x", Precedence: fusion.Routine})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A node that is killed, and one that says nothing any more: either way the client is at the next one, in its group, talking, and misses no event.
func TestAClientWhoseNodeDiesGoesOnAtAnother(t *testing.T) {
	for name, die := range map[string]func(*apitest.House){"killed": (*apitest.House).Kill, "silent": (*apitest.House).Freeze} {
		t.Run(name, func(t *testing.T) {
			a := apitest.New(t, apitest.Options{})
			b := apitest.New(t, apitest.Options{Beside: a})
			writer := login(t, b, "bob", sdk.Options{})
			d := dwell(t, login(t, a, "alice", sdk.Options{}))
			if _, err := d.Join(t.Context(), group, false); err != nil {
				t.Fatal(err)
			}
			press, err := d.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{group}})
			if err != nil {
				t.Fatal(err)
			}
			if i := d.await(t, talk.Granted); i.Request != press {
				t.Errorf("granted %v, pressed %v", i.Request, press)
			}
			want := []string{post(t, writer).ID.String()}
			began := time.Now()
			die(a)
			want = append(want, post(t, writer).ID.String(), post(t, writer).ID.String())
			m := d.move(t)
			t.Logf("at %s %.0f ms after the death; noticed %.0f ms before", m.Node, float64(time.Since(began).Microseconds())/1000, float64(m.Took.Microseconds())/1000)
			if m.Node != b.URL || m.From != a.URL || !m.Spoke {
				t.Errorf("%+v", m)
			}
			if i := d.await(t, talk.Granted); i.Request != press {
				t.Errorf("after the move granted %v, pressed %v", i.Request, press)
			}
			want = append(want, post(t, writer).ID.String())
			d.sees(t, want)
			if err := d.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.await(t, talk.Idle)
		})
	}
}

// A node that stands still swallows requests: they are made again elsewhere under the same ID, and done once.
func TestARequestWithoutAnAnswerIsMadeAgainAtTheNextNode(t *testing.T) {
	a := apitest.New(t, apitest.Options{})
	b := apitest.New(t, apitest.Options{Beside: a})
	c := login(t, a, "alice", sdk.Options{Patience: 200 * time.Millisecond})
	if got := c.KnownNodes(); len(got) != 2 || got[0] != a.URL {
		t.Fatal(got)
	}
	a.Freeze()
	first := post(t, c)
	if c.Node() != b.URL {
		t.Error("still at", c.Node())
	}
	a.Kill()
	again, err := c.Post(t.Context(), first.ID, wire.MessageRequest{To: []fusion.Number{11001}, Text: "x", Precedence: fusion.Routine})
	if err != nil || again.Seq != first.Seq {
		t.Error(again.Seq, first.Seq, err)
	}
	b.Kill()
	_, err = c.Groups(t.Context())
	if fusion.FaultOf(err) != fusion.CutOff {
		t.Error(err)
	}
}

// Whoever is in the middle of a long answer when the node is given up is not left hanging.
func TestWhatIsUnderWayAtALostNodeEnds(t *testing.T) {
	a := apitest.New(t, apitest.Options{})
	apitest.New(t, apitest.Options{Beside: a})
	c := login(t, a, "alice", sdk.Options{Patience: time.Minute})
	d := dwell(t, c)
	a.Freeze()
	began := time.Now()
	post(t, c) // waits for a's answer until the session finds a dead
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
	d.move(t)
}

func TestARevokedLogInEndsTheStay(t *testing.T) {
	a := apitest.New(t, apitest.Options{})
	apitest.New(t, apitest.Options{Beside: a})
	c := login(t, a, "alice", sdk.Options{})
	over := make(chan error, 1)
	up := make(chan sdk.Move, 4)
	r := c.Roam(sdk.RoamConfig{After: -1, Moved: func(m sdk.Move) { up <- m }})
	go func() { over <- r.Run(t.Context()) }()
	<-up
	if err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-over:
		if fusion.ReasonOf(err) != "logged_out" {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it stays")
	}
}
