package api_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/api"
	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
)

// A client whose connection breaks again and again sees every event that it may see, in order, once.
func TestEventsComeWithoutGapOrRepeatThroughBrokenConnections(t *testing.T) {
	const total = 300
	h := apitest.New(t, apitest.Options{Config: api.Config{RatePerSource: 1e6, Burst: 1e6}})
	alice, carol := login(t, h, "alice"), login(t, h, "carol")
	reader := login(t, h, "bob")
	rnd := rand.New(rand.NewPCG(1, 2))
	first := must[*sdk.Session](t)(reader.Open(t.Context(), -1, sdk.Handler{}))
	after := int64(first.Welcome.Seq)
	if err := first.Close(); err != nil {
		t.Log(err)
	}
	posted := make(chan string, total)
	go func() {
		defer close(posted)
		for range total {
			m, err := alice.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "x", Precedence: fusion.Routine})
			if err != nil {
				t.Error(err)
				return
			}
			posted <- m.ID.String()
			if _, err := carol.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11002}, Text: "秘密", Precedence: fusion.Routine}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	var got []string
	deadline := time.Now().Add(60 * time.Second)
	for len(got) < total && time.Now().Before(deadline) {
		quota := 1 + rnd.IntN(40)
		events := make(chan sdk.Event)
		over := make(chan struct{})
		s := must[*sdk.Session](t)(reader.Open(t.Context(), after, sdk.Handler{Event: func(e sdk.Event) {
			select {
			case events <- e:
			case <-over:
			}
		}}))
		for range quota {
			select {
			case e := <-events:
				if int64(e.Seq) <= after {
					t.Fatalf("event %d came again after %d", e.Seq, after)
				}
				after = int64(e.Seq)
				if e.Type == "message" {
					got = append(got, e.Key)
				}
			case <-time.After(2 * time.Second):
			}
			if len(got) == total {
				break
			}
		}
		close(over)
		_ = s.Close()
	}
	var want []string
	for id := range posted {
		want = append(want, id)
	}
	if !slices.Equal(got, want) {
		t.Errorf("saw %d events of %d, or in another order", len(got), len(want))
	}
}

func TestFramesThatMakeNoSenseAreRefused(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice := login(t, h, "alice")
	s := must[*sdk.Session](t)(alice.Open(t.Context(), -1, sdk.Handler{}))
	_, err := s.Join(t.Context(), fusion.GroupTalk(11002), false)
	wants(t, err, "not_a_member")
	_, err = s.Join(t.Context(), fusion.GroupTalk(11001), true)
	wants(t, err, "right_missing")
	_, err = s.Join(t.Context(), fusion.CallTalk(sdk.NewID()), false)
	wants(t, err, "call_unknown")
	_, err = s.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(11001)}})
	wants(t, err, "not_joined")
	must[wire.TalkState](t)(s.Join(t.Context(), fusion.GroupTalk(11001), false))
	flash := fusion.Flash
	_, err = s.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(11001)}, Precedence: &flash})
	wants(t, err, "precedence")
	_, err = s.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(11001)}, BreakIn: true})
	wants(t, err, "right_missing")
	wants(t, s.ForceClear(t.Context(), fusion.GroupTalk(11001)), "right_missing")
	_, err = s.Offer(t.Context(), "v=0")
	wants(t, err, "no_media")
	// Who has not been welcomed to this history of the site cannot have seen so much of it; who has may come from a node that is ahead.
	_, err = login(t, h, "alice").Open(t.Context(), 1<<40, sdk.Handler{})
	wants(t, err, "events_ahead")
}
