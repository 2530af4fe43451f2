package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/api"
	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// lines is media that connects when the test says so.
type lines struct{ opened chan api.MediaEvents }

func (l lines) Open(_ context.Context, _ string, e api.MediaEvents) (api.MediaSession, string, error) {
	l.opened <- e
	return noEars{}, "v=0", nil
}

type noEars struct{}

func (noEars) Sink(string) voice.Sink                { return noEars{} }
func (noEars) Close()                                {}
func (noEars) Outlet() voice.Outlet                  { return noEars{} }
func (noEars) Format() codec.Params                  { return codec.Params{ID: codec.Opus} }
func (noEars) SingleStream() bool                    { return false }
func (noEars) Begin(voice.Info) (int, bool)          { return 0, true }
func (noEars) End(voice.Info, int)                   {}
func (noEars) Deliver(*voice.Packet, []voice.Target) {}

// Media comes up, or is negotiated anew, while a client talks: it talks on, nobody who waits comes between, and it is told of no loss.
func TestATalkerWhoseMediaComesTalksOn(t *testing.T) {
	m := lines{make(chan api.MediaEvents, 4)}
	h := apitest.New(t, apitest.Options{Media: m})
	group := fusion.GroupTalk(11001)
	open := func(user string) (*sdk.Session, chan talk.Indication, chan bool) {
		floor, up := make(chan talk.Indication, 64), make(chan bool, 8)
		s := must[*sdk.Session](t)(login(t, h, user).Open(t.Context(), -1, sdk.Handler{Floor: func(i talk.Indication) { floor <- i }, Media: func(on bool) { up <- on }}))
		must[wire.TalkState](t)(s.Join(t.Context(), group, false))
		return s, floor, up
	}
	await := func(floor chan talk.Indication, kind talk.Kind) talk.Indication {
		t.Helper()
		for limit := time.After(10 * time.Second); ; {
			select {
			case i := <-floor:
				if i.Kind == kind {
					return i
				}
				if i.Kind == talk.Revoked || i.Kind == talk.Ended || i.Kind == talk.Denied {
					t.Fatalf("told %+v", i)
				}
			case <-limit:
				t.Fatalf("no %s", kind)
			}
		}
	}
	alice, floor, up := open("alice")
	bob, waits, _ := open("bob")
	press := must[fusion.ID](t)(alice.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{group}}))
	if i := await(floor, talk.Granted); i.Request != press {
		t.Fatal(i)
	}
	must[fusion.ID](t)(bob.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{group}}))
	await(waits, talk.Queued)
	for range 2 { // the first media, and another network's
		must[string](t)(alice.Offer(t.Context(), "v=0"))
		events := <-m.opened
		events.Connected()
		<-up
		if i := await(floor, talk.Granted); i.Request != press {
			t.Errorf("granted %v, pressed %v", i.Request, press)
		}
		if st, _ := h.Talks.State(group); st.Talker != 12001 || len(st.Queue) != 1 || len(st.Seats) != 2 {
			t.Errorf("%+v", st)
		}
	}
	if err := alice.Release(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	await(waits, talk.Granted)
	if len(waits) > 0 {
		t.Errorf("bob was told %+v", <-waits)
	}
}
