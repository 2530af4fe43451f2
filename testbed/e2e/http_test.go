package e2e

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/peer"
)

// post sends octets as JSON and gives the refusal.
func post(ctx context.Context, a *peer.API, path, body string) error {
	_, err := a.Raw(ctx, http.MethodPost, "/api/v1"+path, http.Header{"Content-Type": {"application/json"}}, strings.NewReader(body))
	return err
}

func TestBadBodiesAreRefusedAndCounted(t *testing.T) {
	b := server(t)
	talk := converse(t, b)
	a := b.login(t, b.person(t, fusion.Dispatcher))
	before := b.metric(t, `guantong_api_refused_total{fault="bad_request"}`)
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for _, c := range []struct {
		what, path, body, reason string
		status                   int
	}{
		{"no JSON", "/messages", `{"to":[`, "bad_json", 400},
		{"an array", "/messages", `[]`, "bad_json", 400},
		{"two objects", "/messages", `{}{}`, "bad_json", 400},
		{"an unknown field", "/messages", `{"to":[10001],"text":"a","precedence":"routine","colour":"red"}`, "bad_json", 400},
		{"a wrong type", "/messages", `{"to":"everybody","text":"a"}`, "bad_json", 400},
		{"no UTF-8", "/messages", "{\"text\":\"\xff\xfe\"}", "bad_json", 400},
		{"nested too deep", "/patches", deep, "bad_json", 400},
		{"too many octets", "/patches", `{"name":"` + strings.Repeat("a", 70<<10) + `"}`, "too_large", 413},
		{"an unknown precedence", "/messages", `{"to":[10001],"text":"a","precedence":"now"}`, "bad_json", 400},
	} {
		refused(t, c.what, post(t.Context(), a, c.path, c.body), c.status, c.reason)
	}
	_, err := a.Raw(t.Context(), http.MethodPost, "/api/v1/messages", http.Header{"Content-Type": {"text/html"}}, strings.NewReader(`{}`))
	refused(t, "another type of content", err, 400, "bad_content_type")
	_, err = a.Raw(t.Context(), http.MethodPost, "/api/v1/messages", http.Header{"Idempotency-Key": {"xyz"}}, strings.NewReader(`{"to":[10001],"text":"a","precedence":"routine"}`))
	refused(t, "a key that is none", err, 400, "bad_key")
	_, err = a.Raw(t.Context(), http.MethodGet, "/api/v1/bursts?from=yesterday", nil, nil)
	refused(t, "a query that cannot be read", err, 400, "bad_query")
	_, err = a.Raw(t.Context(), http.MethodGet, "/api/v1/nothing", nil, nil)
	refused(t, "no such call", err, 404, "no_such_call")
	b.grew(t, `guantong_api_refused_total{fault="bad_request"}`, before+10)
	if n := b.metric(t, "guantong_api_panics_total"); n != 0 {
		t.Errorf("%v panics", n)
	}
	if err := a.Call(t.Context(), http.MethodPost, "/messages", map[string]any{"to": []int{10001}, "text": "仍然可用", "precedence": "routine"}, nil); err != nil {
		t.Errorf("after all that: %v", err)
	}
	talk.check(t)
}

func TestEveryRouteWantsALogin(t *testing.T) {
	b := server(t)
	raw, err := os.ReadFile("../../clients/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	open := map[string]bool{"post /api/v1/login": true, "get /healthz": true, "get /readyz": true, "get /metrics": true, "get /openapi.yaml": true}
	walked := 0
	for path, methods := range doc.Paths {
		at := strings.NewReplacer("{id}", "0123456789abcdef0123456789abcdef", "{n}", "10001", "{unit}", "10100", "{name}", "admin", "{hash}", "sha256:00").Replace(path)
		for method := range methods {
			if open[method+" "+path] {
				continue
			}
			for token, a := range map[string]*peer.API{"none": b.from(1), "a wrong one": b.from(1).With(strings.Repeat("A", 43))} {
				_, err := a.Raw(t.Context(), strings.ToUpper(method), at, http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(nil))
				refused(t, method+" "+path+" with token "+token, err, 401, "login")
			}
			walked++
		}
	}
	if walked < 50 {
		t.Errorf("only %d routes found", walked)
	}
}

func TestAForeignPageMayNotUseTheCookie(t *testing.T) {
	b := server(t)
	p := b.person(t, fusion.Dispatcher)
	_, reply, err := b.API().Login(t.Context(), p.name, p.password)
	if err != nil {
		t.Fatal(err)
	}
	cookie := "guantong=" + reply.Token
	own := "https://" + b.HTTP
	for _, c := range []struct {
		origin string
		good   bool
	}{{own, true}, {"https://evil.example", false}, {"null", false}, {"https://127.0.0.1:1", false}, {"", false}} {
		h := http.Header{"Cookie": {cookie}, "Content-Type": {"application/json"}}
		if c.origin != "" {
			h.Set("Origin", c.origin)
		}
		_, err := b.API().Raw(t.Context(), http.MethodPost, "/api/v1/messages", h, strings.NewReader(`{"to":[10001],"text":"来自页面","precedence":"routine"}`))
		if c.good && err != nil {
			t.Errorf("origin %q: %v", c.origin, err)
		} else if !c.good {
			refused(t, "origin "+c.origin, err, 403, "")
		}
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
		h.Set("Sec-Websocket-Version", "13")
		h.Set("Sec-Websocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
		if !c.good {
			_, err = b.API().Raw(t.Context(), http.MethodGet, "/api/v1/ws", h, nil)
			refused(t, "WebSocket from "+c.origin, err, 403, "")
		}
	}
	refused(t, "log-in by a foreign page", func() error {
		_, err := b.from(2).Raw(t.Context(), http.MethodPost, "/api/v1/login", http.Header{"Origin": {"https://evil.example"}}, strings.NewReader(`{"user":"admin","password":"x"}`))
		return err
	}(), 403, "")
}

func TestBadWebSocketMessagesAreAnsweredAndCounted(t *testing.T) {
	b := server(t)
	talk := converse(t, b)
	a := b.login(t, b.person(t, fusion.Operator))
	before := b.metric(t, `guantong_api_ws_messages_total{t="bad"}`)
	w, err := a.Dial(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := w.Until(ctx, func(f peer.Frame) bool { return f.T == "welcome" }); err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		[]int{1}, "text", map[string]any{"t": "explode", "id": 9}, map[string]any{"id": 9}, map[string]any{"t": "join", "id": 9, "colour": "red"},
		map[string]any{"t": "press", "id": 9, "request": "not an ID"}, map[string]any{"t": "join", "id": 9, "talk": "999999999"},
	} {
		if err := w.Send(v); err != nil {
			t.Fatal(err)
		}
		f, err := w.Until(ctx, func(f peer.Frame) bool { return f.T == "error" })
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		if !strings.Contains(string(f.Raw), `"bad_request"`) {
			t.Errorf("%v: %s", v, f.Raw)
		}
	}
	for _, v := range []map[string]any{{"t": "hello", "id": 9}, {"t": "offer", "id": 9, "sdp": "v=0\r\nnonsense"}, {"t": "offer", "id": 9, "sdp": ""}, {"t": "leave", "id": 9, "talk": "10009"}} {
		if err := w.Send(v); err != nil {
			t.Fatal(err)
		}
		f, err := w.Until(ctx, func(f peer.Frame) bool { return string(f.Re) == "9" })
		if err != nil || f.T != "error" && v["t"] != "leave" {
			t.Errorf("%v: %s, %v", v, f.Raw, err)
		}
	}
	b.grew(t, `guantong_api_ws_messages_total{t="bad"}`, before+6)
	// What is too long ends the connection, and this one alone.
	_ = w.Send(map[string]any{"t": "offer", "sdp": strings.Repeat("a", 40<<10)}) // the server may close it before all has left
	if _, err := w.Until(ctx, func(peer.Frame) bool { return false }); err == nil || !strings.Contains(err.Error(), "1009") {
		t.Errorf("a message of 40 KiB did not end the connection: %v", err)
	}
	b.grew(t, `guantong_api_ws_messages_total{t="bad"}`, before+7)
	talk.check(t)
}
