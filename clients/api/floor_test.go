package api_test

import (
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
)

func heard(t *testing.T, c <-chan talk.Indication, kind talk.Kind) talk.Indication {
	t.Helper()
	limit := time.After(5 * time.Second)
	for {
		select {
		case i := <-c:
			if i.Kind == kind {
				return i
			}
		case <-limit:
			t.Fatalf("no %s came", kind)
		}
	}
}

func TestOnePressesAndTheOthersAreTold(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	group := fusion.GroupTalk(11001)
	open := func(user string) (*sdk.Session, <-chan talk.Indication) {
		floor := make(chan talk.Indication, 64)
		s := must[*sdk.Session](t)(login(t, h, user).Open(t.Context(), -1, sdk.Handler{Floor: func(i talk.Indication) { floor <- i }}))
		must[wire.TalkState](t)(s.Join(t.Context(), group, false))
		return s, floor
	}
	alice, toAlice := open("alice")
	bob, toBob := open("bob")
	id := must[fusion.ID](t)(alice.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{group}}))
	if got := heard(t, toAlice, talk.Granted); got.Request != id {
		t.Errorf("granted %+v for request %s", got, id)
	}
	if got := heard(t, toBob, talk.Taken); got.Name != "alice" || got.Talker != 12001 {
		t.Errorf("taken by %+v", got)
	}
	must[fusion.ID](t)(bob.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{group}}))
	if err := alice.Release(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	heard(t, toBob, talk.Granted)
	dora, toDora := open("dora")
	must[fusion.ID](t)(dora.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{group}, BreakIn: true}))
	heard(t, toDora, talk.Granted)
	heard(t, toBob, talk.Revoked)
}
