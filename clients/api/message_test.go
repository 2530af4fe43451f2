package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
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
