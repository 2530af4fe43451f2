package api

import (
	"bytes"
	"encoding"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/files"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

var update = flag.Bool("update", false, "write openapi.yaml anew")

// operation says of a route what its code does not.
type operation struct {
	summary string
	body    any    // a value of the body's type; nil: none
	reply   any    // a value of the answer's type; nil: 204; list(x): a list; media("…"): not JSON
	query   string // names of query parameters, separated by blanks
}

type list struct{ of any }
type media string

func operations() map[string]operation {
	type password struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	type code struct {
		Code string `json:"code"`
	}
	type secret struct {
		Password string `json:"password"`
	}
	type exercise struct {
		Exercise string `json:"exercise"`
	}
	type patch struct {
		Name   string          `json:"name"`
		Groups []fusion.Number `json:"groups"`
	}
	type receipt struct {
		Recipient fusion.Number      `json:"recipient"`
		State     state.ReceiptState `json:"state"`
	}
	type kept struct {
		Keep bool `json:"keep"`
	}
	type desk struct {
		Position fusion.Number `json:"position"`
	}
	m := map[string]operation{
		"GET /healthz":      {"The process serves.", nil, media("text/plain"), ""},
		"GET /readyz":       {"The node can do its work.", nil, media("text/plain"), ""},
		"GET /metrics":      {"Prometheus metrics, for loopback or with the metrics token.", nil, media("text/plain"), ""},
		"GET /openapi.yaml": {"This description.", nil, media("application/yaml"), ""},

		"POST /login":           {"Log in. needs_totp asks for the second factor.", wire.LoginRequest{}, wire.LoginReply{}, ""},
		"POST /logout":          {"End the session.", nil, nil, ""},
		"GET /me":               {"Who is logged in and what it may do.", nil, wire.Me{}, ""},
		"POST /me/token":        {"The token of the own session, for a page that goes on at another node.", nil, wire.TokenReply{}, ""},
		"POST /me/password":     {"Change the own password; the other sessions end.", password{}, nil, ""},
		"POST /me/totp":         {"Begin to set up a second factor.", nil, TOTPReply{}, ""},
		"POST /me/totp/confirm": {"Confirm the second factor with a code.", code{}, nil, ""},
		"DELETE /me/totp":       {"Take the second factor away.", secret{}, nil, ""},

		"GET /site":          {"The site and the nodes to re-home to.", nil, wire.SiteInfo{}, ""},
		"PUT /site/exercise": {"Begin or (empty) end an exercise.", exercise{}, wire.SiteInfo{}, ""},

		"GET /groups":                       {"The groups that one may see.", nil, list{state.Group{}}, ""},
		"PUT /groups/{n}":                   {"Make (revision 0) or change a group.", state.Group{}, state.Group{}, ""},
		"DELETE /groups/{n}":                {"Remove a group.", nil, nil, "revision"},
		"GET /groups/{n}/members":           {"The members of a group.", nil, list{state.Member{}}, ""},
		"PUT /groups/{n}/members/{unit}":    {"Make a unit a member, or change its right.", state.Member{}, state.Member{}, ""},
		"DELETE /groups/{n}/members/{unit}": {"Take a unit out of a group.", nil, nil, ""},
		"POST /groups/temporary":            {"Make a temporary group of units and of the members of groups.", Temporary{}, state.Group{}, ""},
		"GET /units":                        {"All units.", nil, list{state.Unit{}}, ""},
		"PUT /units/{n}":                    {"Make or change a unit.", state.Unit{}, state.Unit{}, ""},
		"DELETE /units/{n}":                 {"Remove a unit.", nil, nil, "revision"},
		"GET /people":                       {"Which unit each user is.", nil, list{wire.Person{}}, ""},
		"GET /users":                        {"All users.", nil, list{state.User{}}, ""},
		"PUT /users/{name}":                 {"Make or change a user. The answer is the user, or with the password that was made, once.", UserPut{}, UserPut{}, ""},
		"DELETE /users/{name}":              {"Remove a user; its sessions end.", nil, nil, ""},
		"GET /extensions":                   {"All telephone accounts.", nil, list{state.Extension{}}, ""},
		"PUT /extensions/{n}":               {"Make or change a telephone account. The answer is the account, or with the password that was made, once.", ExtensionPut{}, ExtensionPut{}, ""},
		"DELETE /extensions/{n}":            {"Remove a telephone account.", nil, nil, "revision"},
		"POST /import":                      {"Units, users, extensions and memberships from a CSV file; nothing is applied when a row is wrong, or with check=1.", media("text/csv"), wire.ImportReply{}, "check"},
		"GET /positions":                    {"All desks.", nil, list{state.Position{}}, ""},
		"PUT /positions/{n}":                {"Make or change a desk.", state.Position{}, state.Position{}, ""},
		"DELETE /positions/{n}":             {"Remove a desk.", nil, nil, "revision"},
		"POST /positions/{n}/take":          {"Sit down at a desk.", noteBody{}, state.Position{}, ""},
		"POST /positions/{n}/leave":         {"Leave a desk.", noteBody{}, state.Position{}, ""},
		"GET /positions/{n}/handovers":      {"Shift changes, the newest first.", nil, list{state.Handover{}}, "limit"},
		"GET /positions/{n}/log":            {"The shift log.", nil, wire.ShiftLog{}, "from to"},
		"GET /patches":                      {"Standing patches.", nil, list{state.Patch{}}, ""},
		"POST /patches":                     {"Join groups under one floor.", patch{}, state.Patch{}, ""},
		"DELETE /patches/{id}":              {"Part a patch.", nil, nil, ""},
		"GET /messages":                     {"Messages, the newest first; q searches; receipts=1 adds the caller's receipts.", nil, wire.MessagePage{}, "to before limit q cursor receipts"},
		"POST /messages":                    {"Send a message: answered when it is committed. Its ID is the Idempotency-Key.", wire.MessageRequest{}, state.Message{}, ""},
		"GET /messages/{id}/receipts":       {"The receipts of a message.", nil, list{state.Receipt{}}, ""},
		"POST /messages/{id}/receipts":      {"Say that a message was delivered, read or signed for.", receipt{}, state.Receipt{}, ""},
		"POST /messages/{id}/keep":          {"Flag a message, so that retention passes it over.", kept{}, nil, ""},
		"POST /uploads":                     {"Begin an upload, or find the one of the same content.", files.Promise{}, wire.Upload{}, ""},
		"GET /uploads/{id}":                 {"How far an upload has come.", nil, wire.Upload{}, ""},
		"PATCH /uploads/{id}":               {"The octets from the header Upload-Offset on. What is answered for is on disk.", media("application/octet-stream"), wire.Upload{}, ""},
		"GET /files/{hash}":                 {"A file's content; Range works.", nil, media("application/octet-stream"), "name type"},
		"GET /alerts":                       {"Alerts, the newest first; open=1: those that are not cleared.", nil, list{state.Alert{}}, "open limit"},
		"POST /alerts":                      {"Raise an emergency alert.", wire.AlertRequest{}, state.Alert{}, ""},
		"POST /alerts/{id}/ack":             {"Take an alert, in the name of the own desk.", desk{}, state.Alert{}, ""},
		"POST /alerts/{id}/clear":           {"End an alert.", desk{}, state.Alert{}, ""},
		"GET /bursts":                       {"Recorded talk bursts, the newest first.", nil, list{state.Burst{}}, "group call talker from to before limit cursor"},
		"GET /bursts/{id}/audio":            {"The recording as Ogg Opus, or (raw=1) as it is stored; Range works.", nil, media("audio/ogg"), "raw"},
		"POST /bursts/{id}/keep":            {"Flag a burst, so that retention passes it over.", kept{}, nil, ""},
		"GET /export":                       {"A time range as ZIP, with a manifest of hashes.", nil, media("application/zip"), "from to groups"},
		"GET /calls":                        {"Live calls.", nil, list{wire.CallInfo{}}, ""},
		"GET /calls/log":                    {"Past calls, the newest first.", nil, list{state.CallRecord{}}, "number result from to limit"},
		"POST /calls":                       {"Place a call.", Placing{}, wire.CallInfo{}, ""},
		"GET /events":                       {"Durable events after a sequence number; fewer than limit: these were the last.", nil, list{state.Event{}}, "after limit cursor"},
		"GET /audit":                        {"The audit chain; without from: its end.", nil, list{state.Audit{}}, "from limit cursor"},
		"GET /status":                       {"What the node is doing.", nil, wire.Status{}, ""},
		"GET /nodes":                        {"How the nodes of the site are, as this one knows it; this one first.", nil, list{wire.NodeState{}}, ""},
		"GET /ws":                           {"The WebSocket: see PROTOCOL.md.", nil, media("application/json"), ""},
	}
	for _, d := range deeds() {
		m["POST /calls/{id}/"+d.name] = operation{"Do with a call: " + d.name + ".", callBody{}, wire.CallInfo{}, ""}
	}
	return m
}

// schemas collects the types that the description names.
type schemas map[string]any

func (s schemas) of(t reflect.Type) map[string]any {
	switch {
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return map[string]any{"type": "string"}
	case t == reflect.TypeFor[[]byte]():
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float64, reflect.Float32:
		return map[string]any{"type": "number"}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Struct:
		name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		if t.PkgPath() == reflect.TypeFor[state.Site]().PkgPath() || t.Name() == strings.ToUpper(t.Name()[:1])+t.Name()[1:] {
			return s.named(name, t)
		}
		return s.object(t)
	}
	return map[string]any{"type": "integer"}
}

func (s schemas) named(name string, t reflect.Type) map[string]any {
	if _, known := s[name]; !known {
		s[name] = nil
		s[name] = s.object(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// object describes a struct. No member is required: one schema serves requests, which may leave out most, and answers.
func (s schemas) object(t reflect.Type) map[string]any {
	props := map[string]any{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			panic(fmt.Sprintf("%s.%s has no JSON name", t, f.Name))
		}
		props[name] = s.of(f.Type)
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": props}
}

// document writes the description of a table of routes.
func document(t *testing.T, routes []route) []byte {
	t.Helper()
	ops, types, paths := operations(), schemas{}, map[string]any{}
	types["Error"] = map[string]any{"type": "object", "properties": map[string]any{"error": map[string]any{"type": "object", "properties": map[string]any{
		"fault":  map[string]any{"type": "string", "enum": []string{"broken", "bad_request", "not_allowed", "not_found", "conflict", "busy", "cut_off", "full"}},
		"reason": map[string]any{"type": "string"}, "detail": map[string]any{"type": "string"}}}}}
	for _, r := range routes {
		key := r.method + " " + strings.TrimPrefix(r.path, "/api/v1")
		op, ok := ops[key]
		if !ok {
			t.Errorf("%s is served but not described", key)
			continue
		}
		delete(ops, key)
		item, _ := paths[r.path].(map[string]any)
		if item == nil {
			item = map[string]any{}
			paths[r.path] = item
		}
		item[strings.ToLower(r.method)] = describe(types, r, op)
	}
	for key := range ops {
		t.Errorf("%s is described but not served", key)
	}
	var out bytes.Buffer
	out.WriteString("# Written by `go test ./clients/api -run OpenAPI -update` from the routes and types; a test compares them.\n")
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err := e.Encode(map[string]any{"openapi": "3.1.0",
		"info":  map[string]any{"title": "Guantong 贯通", "version": "1", "description": "The client protocol: see clients/wire/PROTOCOL.md for the WebSocket and the meaning.", "license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"paths": paths, "components": map[string]any{"schemas": map[string]any(types), "securitySchemes": map[string]any{
			"bearer": map[string]any{"type": "http", "scheme": "bearer"}, "cookie": map[string]any{"type": "apiKey", "in": "cookie", "name": cookieName}}}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func describe(types schemas, r route, op operation) map[string]any {
	d := map[string]any{"summary": op.summary}
	if r.guard == anybody {
		d["security"] = []any{}
	} else {
		d["security"] = []any{map[string]any{"bearer": []any{}}, map[string]any{"cookie": []any{}}}
	}
	if r.right != "" {
		d["description"] = "Needs the right `" + string(r.right) + "`."
	}
	var params []any
	for _, part := range strings.Split(r.path, "/") {
		if strings.HasPrefix(part, "{") {
			params = append(params, map[string]any{"name": strings.Trim(part, "{}"), "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
		}
	}
	for _, q := range strings.Fields(op.query) {
		params = append(params, map[string]any{"name": q, "in": "query", "schema": map[string]any{"type": "string"}})
	}
	if changes(r.method) && r.guard != anybody {
		params = append(params, map[string]any{"name": "Idempotency-Key", "in": "header", "schema": map[string]any{"type": "string", "pattern": "^[0-9a-f]{32}$"}})
	}
	if params != nil {
		d["parameters"] = params
	}
	if op.body != nil {
		d["requestBody"] = map[string]any{"content": content(types, op.body)}
	}
	good := map[string]any{"description": "done"}
	code := "204"
	if op.reply != nil {
		good, code = map[string]any{"description": "the answer", "content": content(types, op.reply)}, "200"
	}
	if strings.HasSuffix(r.path, "/ws") {
		good, code = map[string]any{"description": "switching to the WebSocket"}, "101"
	}
	bad := map[string]any{"description": "a refusal", "content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Error"}}}}
	answers := map[string]any{code: good, "default": bad}
	if slices.Contains(holds, r.method+" "+r.path) {
		answers["202"] = map[string]any{"description": "accepted at this node, which has no quorum: on its disk, and replicated by itself later", "content": content(types, wire.Held{})}
	}
	d["responses"] = answers
	return d
}

// holds lists what is accepted without a quorum.
var holds = []string{"POST /api/v1/messages", "POST /api/v1/messages/{id}/receipts", "POST /api/v1/alerts"}

func content(types schemas, v any) map[string]any {
	switch x := v.(type) {
	case media:
		return map[string]any{string(x): map[string]any{}}
	case list:
		return map[string]any{"application/json": map[string]any{"schema": map[string]any{"type": "object", "properties": map[string]any{
			"items": map[string]any{"type": "array", "items": types.of(reflect.TypeOf(x.of))}, "next": map[string]any{"type": "string"}}}}}
	}
	return map[string]any{"application/json": map[string]any{"schema": types.of(reflect.TypeOf(v))}}
}

func TestOpenAPIDescribesWhatIsServedAndNothingElse(t *testing.T) {
	hasher, err := identity.NewHasher(identity.Params{Memory: 64, Time: 1, Threads: 1}, zeros{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{}, Deps{Rand: zeros{}, Now: time.Now, Hasher: hasher, Metrics: prometheus.NewRegistry(), Sessions: identity.NewSessions(identity.SessionConfig{Now: time.Now, Rand: zeros{}})})
	if err != nil {
		t.Fatal(err)
	}
	want := document(t, s.routes)
	if *update {
		if err := os.WriteFile("openapi.yaml", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("openapi.yaml is not what is served; look at what changed, then: go test ./clients/api -run OpenAPI -update")
	}
	if !slices.Equal(OpenAPI(), got) && !*update {
		t.Error("the binary carries another openapi.yaml")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
