package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

func TestAMessageThatIsTooLongEndsTheConnectionAndIsCounted(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	s := must[*sdk.Session](t)(login(t, h, "alice").Open(t.Context(), -1, sdk.Handler{}))
	if _, err := s.Offer(t.Context(), strings.Repeat("a", 40<<10)); err == nil {
		t.Fatal("an offer of 40 KiB was answered")
	}
	<-s.Done()
	text := ""
	for range 200 { // it is counted a moment after the client was told
		res := must[*http.Response](t)(h.Client.Get(h.URL + "/metrics"))
		text = string(must[[]byte](t)(io.ReadAll(res.Body)))
		_ = res.Body.Close()
		if strings.Contains(text, `guantong_api_ws_messages_total{t="bad"} 1`) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Errorf("not counted:\n%s", text)
}

func TestAMailboxKnowsWhatWasReadAndHowFarOnesOwnHaveCome(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice, bob, dora := login(t, h, "alice"), login(t, h, "bob"), login(t, h, "dora")
	m := must[state.Message](t)(alice.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "集合", Sign: true, Precedence: fusion.Routine}))
	_ = must[state.Receipt](t)(bob.AddReceipt(t.Context(), m.ID, 0, state.Signed))
	for who, c := range map[string]struct {
		client *sdk.Client
		want   int
	}{"the sender knows of all": {alice, 1}, "a reader of its own": {bob, 1}, "another of none": {dora, 0}} {
		got := must[wire.MessagePage](t)(c.client.Mailbox(t.Context(), 11001))
		if len(got.Items) != 1 || len(got.Receipts) != c.want {
			t.Errorf("%s: %+v", who, got)
		}
	}
	if got := must[wire.MessagePage](t)(bob.Mailbox(t.Context(), 0)); got.Receipts[0].State != state.Signed {
		t.Errorf("bob has signed, but is told %+v", got.Receipts)
	}
}

func TestWithoutAQuorumWhatOnlyAddsIsHeldAndSaidSo(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice := login(t, h, "alice")
	h.Record.Hold = true
	id := sdk.NewID()
	m := must[state.Message](t)(alice.Post(t.Context(), id, wire.MessageRequest{To: []fusion.Number{11001}, Text: "断网", Precedence: fusion.Routine}))
	if m.ID != id || m.Seq != 0 {
		t.Errorf("held message: %+v", m)
	}
	h.Record.Hold = false
	m = must[state.Message](t)(alice.Post(t.Context(), id, wire.MessageRequest{To: []fusion.Number{11001}, Text: "断网", Precedence: fusion.Routine}))
	if m.ID != id || m.Seq == 0 || m.Text != "断网" {
		t.Errorf("committed message: %+v", m)
	}
}

func TestAnAlertThatIsHeldSoundsAtTheConsolesOfThisNodeAtOnce(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	sounds := make(chan state.Alert, 4)
	must[*sdk.Session](t)(login(t, h, "dora").Open(t.Context(), -1, sdk.Handler{Sound: func(a state.Alert) { sounds <- a }}))
	h.Record.Hold = true
	id := sdk.NewID()
	must[state.Alert](t)(login(t, h, "alice").Raise(t.Context(), id, wire.AlertRequest{Text: "溃口"}))
	select {
	case a := <-sounds:
		if a.ID != id || a.Text != "溃口" || a.State != state.AlertRaised || a.By != "alice" {
			t.Errorf("%+v", a)
		}
	case <-time.After(5 * time.Second):
		t.Error("nobody heard it")
	}
}
