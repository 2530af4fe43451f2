package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

func send(t *testing.T, h *apitest.House, method, path string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := h.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

func TestALogInNamesTheNodesAndIsGoodAtEach(t *testing.T) {
	a := apitest.New(t, apitest.Options{})
	b := apitest.New(t, apitest.Options{Beside: a})
	c := sdk.New(a.URL, sdk.Options{HTTP: a.Client})
	reply := must[wire.LoginReply](t)(c.Login(t.Context(), "dora", apitest.Password, ""))
	if len(reply.Nodes) != 2 || reply.Nodes[0].URL != a.URL || reply.Nodes[1].URL != b.URL {
		t.Errorf("told of %+v", reply.Nodes)
	}
	there := sdk.New(b.URL, sdk.Options{HTTP: b.Client})
	there.SetToken(c.Token())
	deadline := time.Now().Add(5 * time.Second)
	var me wire.Me
	var err error
	for me.User.Name == "" && time.Now().Before(deadline) {
		me, err = there.Me(t.Context())
	}
	if me.User.Name != "dora" {
		t.Fatalf("%+v, %v", me, err)
	}
	if site := must[wire.SiteInfo](t)(there.Site(t.Context())); site.Nodes[0].URL != b.URL || site.Incarnation != 1 {
		t.Errorf("%+v", site)
	}
	list := must[[]wire.NodeState](t)(there.Nodes(t.Context()))
	if len(list) != 2 || !list[0].Here || list[0].Status == nil || list[1].Here {
		t.Errorf("%+v", list)
	}
	if err := there.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil && time.Now().Before(deadline); {
		_, err = c.Me(t.Context())
	}
	wants(t, err, "login")
}

func TestPagesOfOtherNodesMayCallByTokenAndNoOthersMay(t *testing.T) {
	a := apitest.New(t, apitest.Options{})
	b := apitest.New(t, apitest.Options{Beside: a})
	dora := login(t, a, "dora")
	ask := func(origin, method string, more ...string) *http.Response {
		h := http.Header{"Origin": {origin}}
		for i := 0; i+1 < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return send(t, a, method, "/api/v1/me", h)
	}
	pre := ask(b.URL, "OPTIONS", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
	if pre.StatusCode != 204 || pre.Header.Get("Access-Control-Allow-Origin") != b.URL || pre.Header.Get("Access-Control-Allow-Credentials") != "" ||
		!strings.Contains(pre.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight %d %v", pre.StatusCode, pre.Header)
	}
	if res := ask(b.URL, "GET", "Authorization", "Bearer "+dora.Token()); res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != b.URL || res.Header.Get("Vary") != "Origin" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	for _, foreign := range []string{"https://evil.example", b.URL + ".evil.example", "null", strings.ToUpper(b.URL)} {
		if res := ask(foreign, "OPTIONS", "Access-Control-Request-Method", "POST"); res.Header.Get("Access-Control-Allow-Origin") != "" || res.StatusCode < 400 {
			t.Errorf("%s: %d %v", foreign, res.StatusCode, res.Header)
		}
	}
	page := send(t, a, "GET", "/", nil).Header.Get("Content-Security-Policy")
	if !strings.Contains(page, "connect-src 'self' "+b.URL+" wss://"+strings.TrimPrefix(b.URL, "https://")+";") || strings.Contains(page, a.URL) {
		t.Error(page)
	}
	// The token that the browser keeps is given to our own page, and not by a request that another page forged.
	cookie := "guantong=" + dora.Token()
	if res := send(t, a, "POST", "/api/v1/me/token", http.Header{"Cookie": {cookie}, "Origin": {a.URL}}); res.StatusCode != 200 {
		t.Error(res.StatusCode)
	}
	for _, origin := range []string{"https://evil.example", b.URL, ""} {
		if res := send(t, a, "POST", "/api/v1/me/token", http.Header{"Cookie": {cookie}, "Origin": {origin}}); res.StatusCode != 403 {
			t.Errorf("%q: %d", origin, res.StatusCode)
		}
	}
}

func TestAPageOpensAWebSocketAtAnotherNodeByItsToken(t *testing.T) {
	a := apitest.New(t, apitest.Options{})
	b := apitest.New(t, apitest.Options{Beside: a})
	dora := login(t, a, "dora")
	tc := a.Client.Transport.(*http.Transport).TLSClientConfig
	dial := func(origin, token string) (*websocket.Conn, int) {
		d := websocket.Dialer{TLSClientConfig: tc, Subprotocols: []string{"guantong", "bearer." + token}}
		ws, res, err := d.DialContext(t.Context(), "wss"+strings.TrimPrefix(a.URL, "https")+"/api/v1/ws", http.Header{"Origin": {origin}})
		if err != nil {
			if res == nil {
				t.Fatal(err)
			}
			return nil, res.StatusCode
		}
		return ws, 101
	}
	ws, code := dial(b.URL, dora.Token())
	if code != 101 || ws.Subprotocol() != "guantong" {
		t.Fatal(code)
	}
	_ = ws.Close()
	if _, code := dial("https://evil.example", dora.Token()); code != 403 {
		t.Error("a foreign page:", code)
	}
	if _, code := dial(b.URL, "x"); code != 401 {
		t.Error("a wrong token:", code)
	}
}

// A client comes from a node that had applied more: it neither starts over nor sees anything twice.
func TestAClientMayKnowEventsThatAreStillOnTheirWay(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice := login(t, h, "alice")
	first := must[*sdk.Session](t)(alice.Open(t.Context(), -1, sdk.Handler{}))
	tc := h.Client.Transport.(*http.Transport).TLSClientConfig
	d := websocket.Dialer{TLSClientConfig: tc}
	ws, _, err := d.DialContext(t.Context(), "wss"+strings.TrimPrefix(h.URL, "https")+"/api/v1/ws", http.Header{"Authorization": {"Bearer " + alice.Token()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	after := first.Welcome.Seq + 1
	if err := ws.WriteJSON(map[string]any{"t": "hello", "after": after, "incarnation": first.Welcome.Site.Incarnation}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		must[state.Message](t)(alice.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "x", Precedence: fusion.Routine}))
	}
	_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			T   string
			Seq uint64
		}
		if err := json.Unmarshal(data, &m); err != nil || m.T == "error" {
			t.Fatalf("%s %v", data, err)
		}
		if m.T == "event" {
			if m.Seq != after+1 {
				t.Errorf("event %d after %d", m.Seq, after)
			}
			return
		}
	}
}
