package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/api"
	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

func login(t *testing.T, h *apitest.House, user string) *sdk.Client {
	t.Helper()
	c := sdk.New(h.URL, sdk.Options{HTTP: h.Client})
	if _, err := c.Login(t.Context(), user, apitest.Password, ""); err != nil {
		t.Fatalf("log in as %s: %v", user, err)
	}
	return c
}

// wants fails unless err has the given reason.
func wants(t *testing.T, err error, reason string) {
	t.Helper()
	if err == nil || fusion.ReasonOf(err) != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestAUnitSeesOnlyWhatIsForIt(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice, carol, dora := login(t, h, "alice"), login(t, h, "carol"), login(t, h, "dora")
	m := must[state.Message](t)(alice.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "集合", Precedence: fusion.Routine}))
	if got := must[[]state.Message](t)(carol.Messages(t.Context(), 0, 0)); len(got) != 0 {
		t.Errorf("carol sees %v", got)
	}
	if got := must[[]state.Message](t)(carol.Search(t.Context(), "集合")); len(got) != 0 {
		t.Errorf("carol finds %v", got)
	}
	_, err := carol.Receipts(t.Context(), m.ID)
	wants(t, err, "message_unknown")
	if got := must[[]state.Message](t)(dora.Messages(t.Context(), 0, 0)); len(got) != 1 || got[0].ID != m.ID {
		t.Errorf("the dispatcher sees %v", got)
	}
	if got := must[[]state.Group](t)(carol.Groups(t.Context())); len(got) != 1 || got[0].Number != 11002 {
		t.Errorf("carol sees the groups %v", got)
	}
	_, err = carol.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "x", Precedence: fusion.Routine})
	wants(t, err, "not_a_member")
	_, err = carol.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11002}, Text: "x", Precedence: fusion.Flash})
	wants(t, err, "precedence")
	_, err = carol.PutGroup(t.Context(), state.Group{Number: 11003, Name: "x", Kind: state.TalkGroup})
	wants(t, err, "right_missing")
	_, err = carol.Users(t.Context())
	wants(t, err, "right_missing")
}

func TestARequestIsCarriedOutOnce(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice, bob := login(t, h, "alice"), login(t, h, "bob")
	id, q := sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "一次", Precedence: fusion.Routine}
	first := must[state.Message](t)(alice.Post(t.Context(), id, q))
	again := must[state.Message](t)(alice.Post(t.Context(), id, q))
	if first.ID != id || again.Seq != first.Seq {
		t.Errorf("posted as %v and %v", first, again)
	}
	_, err := bob.Post(t.Context(), id, q)
	wants(t, err, "id_taken")
}

func TestAdministrationAndSecretsOnce(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	dave := login(t, h, "dave")
	must[state.Unit](t)(dave.PutUnit(t.Context(), state.Unit{Number: 12100, Name: "新", Kind: state.PersonUnit}))
	made := must[string](t)(dave.PutUser(t.Context(), state.User{Name: "erin", Unit: 12100, Roles: []fusion.Role{fusion.UnitRole}}, ""))
	if len(made) < 16 {
		t.Fatalf("made the password %q", made)
	}
	erin := sdk.New(h.URL, sdk.Options{HTTP: h.Client})
	must[wire.LoginReply](t)(erin.Login(t.Context(), "erin", made, ""))
	_, err := erin.Groups(t.Context())
	wants(t, err, "must_change")
	wants(t, erin.ChangePassword(t.Context(), made, "short"), "weak_password")
	if err := erin.ChangePassword(t.Context(), made, "a-good-long-one"); err != nil {
		t.Fatal(err)
	}
	must[[]state.Group](t)(erin.Groups(t.Context()))
	secret := must[string](t)(dave.PutExtension(t.Context(), state.Extension{Unit: 12100}, ""))
	if len(secret) < 16 {
		t.Errorf("made the telephone password %q", secret)
	}
	users := must[[]state.User](t)(dave.Users(t.Context()))
	if len(users) != 6 {
		t.Errorf("%d users", len(users))
	}
	g := must[state.Group](t)(dave.PutGroup(t.Context(), state.Group{Number: 11009, Name: "三组", Kind: state.TalkGroup, Precedence: fusion.Routine}))
	g.Name = "四组"
	must[state.Group](t)(dave.PutGroup(t.Context(), g))
	_, err = dave.PutGroup(t.Context(), g)
	wants(t, err, "revision_conflict")
	entries := must[[]state.Audit](t)(dave.Audit(t.Context(), 1, 0))
	if !slices.ContainsFunc(entries, func(a state.Audit) bool { return a.Action == "user.set" && a.By == "dave" && a.Target == "erin" }) {
		t.Error("the new user is not in the audit")
	}
}

func TestRevokedSessionsEndAtOnce(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	bob := login(t, h, "bob")
	s := must[*sdk.Session](t)(bob.Open(t.Context(), -1, sdk.Handler{}))
	must[wire.TalkState](t)(s.Join(t.Context(), fusion.GroupTalk(11001), false))
	h.Do(command.UserEndSessions, state.NameKey{Name: "bob"})
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the WebSocket is still there")
	}
	wants(t, s.Err(), "revoked")
	if st, _ := h.Talks.State(fusion.GroupTalk(11001)); len(st.Seats) != 0 {
		t.Errorf("still seated: %v", st.Seats)
	}
	_, err := bob.Me(t.Context())
	wants(t, err, "login")
}

func TestAThousandWrongPasswordsShutNobodyElseOut(t *testing.T) {
	h := apitest.New(t, apitest.Options{Config: api.Config{RatePerSource: 1e6, Burst: 1e6}})
	before := login(t, h, "alice")
	guess := sdk.New(h.URL, sdk.Options{HTTP: h.Client})
	reasons := make(map[string]int)
	for range 1000 {
		_, err := guess.Login(t.Context(), "bob", "wrong-password", "")
		reasons[fusion.ReasonOf(err)]++
	}
	if reasons["wrong_password"] > 10 || reasons["wrong_password"]+reasons["login_throttled"] != 1000 {
		t.Errorf("answers: %v", reasons)
	}
	// From the same address: who has logged in there before is let in.
	if _, err := before.Login(t.Context(), "alice", apitest.Password, ""); err != nil {
		t.Errorf("alice, known here, is shut out: %v", err)
	}
	must[wire.Me](t)(before.Me(t.Context()))
}

func TestMalformedRequestsAreTheSendersFault(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice := login(t, h, "alice")
	for _, c := range []struct {
		body, kind, reason string
		status             int
	}{
		{`{`, "application/json", "bad_json", 400},
		{`[]`, "application/json", "bad_json", 400},
		{`{"to":[11001],"text":"x"} {}`, "application/json", "bad_json", 400},
		{`{"to":[11001],"text":"x","admin":true}`, "application/json", "bad_json", 400},
		{`{"to":"x"}`, "application/json", "bad_json", 400},
		{"{\"text\":\"\xff\"}", "application/json", "bad_json", 400},
		{`{"text":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "application/json", "bad_json", 400},
		{`{"text":"` + strings.Repeat("x", 100_000) + `"}`, "application/json", "too_large", 413},
		{`to=1`, "application/x-www-form-urlencoded", "bad_content_type", 400},
		{`{"to":[],"text":"x"}`, "application/json", "bad_recipients", 400},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/api/v1/messages", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.kind)
		r.Header.Set("Authorization", "Bearer "+alice.Token())
		res, err := h.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != c.status || !strings.Contains(string(answer), `"`+c.reason+`"`) {
			t.Errorf("%.40q: %d %s", c.body, res.StatusCode, answer)
		}
	}
}

func TestACookieIsGoodFromOurOwnPageOnly(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice := login(t, h, "alice")
	for origin, want := range map[string]int{h.URL: 204, "https://evil.example": 403, "": 403} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/api/v1/logout", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: "guantong", Value: alice.Token()})
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if want == 204 {
			continue // last, below: it ends the session
		}
		res, err := h.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("from %q: %s", origin, res.Status)
		}
	}
	must[wire.Me](t)(alice.Me(t.Context()))
}

func TestUploadsGoOnAndLiesAreRefused(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice, bob, carol := login(t, h, "alice"), login(t, h, "bob"), login(t, h, "carol")
	data := bytes.Repeat([]byte("照片"), 100_000)
	a := must[state.Attachment](t)(alice.Upload(t.Context(), "现场.jpg", "image/jpeg", bytes.NewReader(data)))
	_, err := bob.File(t.Context(), a.Hash, 0)
	wants(t, err, "file_unknown")
	must[state.Message](t)(alice.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "看", Precedence: fusion.Routine, Attachments: []state.Attachment{a}}))
	_, err = carol.File(t.Context(), a.Hash, 0)
	wants(t, err, "file_unknown")
	f := must[io.ReadCloser](t)(bob.File(t.Context(), a.Hash, 100))
	got, err := io.ReadAll(f)
	_ = f.Close()
	if err != nil || !bytes.Equal(got, data[100:]) {
		t.Errorf("bob got %d octets, %v", len(got), err)
	}

	sum := sha256.Sum256([]byte("truth"))
	lie := state.Attachment{Hash: "sha256:" + hex.EncodeToString(sum[:]), Name: "x", Type: "text/plain", Size: 5}
	u := must[wire.Upload](t)(alice.BeginUpload(t.Context(), sdk.NewID(), lie))
	_, err = alice.AppendUpload(t.Context(), u.ID, 3, strings.NewReader("th"))
	wants(t, err, "wrong_offset")
	_, err = alice.AppendUpload(t.Context(), u.ID, 0, strings.NewReader("truth and more"))
	wants(t, err, "too_long")
	_, err = bob.AppendUpload(t.Context(), u.ID, 0, strings.NewReader("truth"))
	wants(t, err, "upload_unknown")
	_, err = alice.AppendUpload(t.Context(), u.ID, 0, strings.NewReader("lying"))
	wants(t, err, "hash_mismatch")
	_, err = alice.AppendUpload(t.Context(), u.ID, 0, strings.NewReader("truth"))
	wants(t, err, "upload_unknown")
	_, err = alice.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Precedence: fusion.Routine, Attachments: []state.Attachment{lie}})
	wants(t, err, "file_unknown")
}

func TestAlertsAreTakenByDispatchers(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	alice, carol, dora := login(t, h, "alice"), login(t, h, "carol"), login(t, h, "dora")
	sounded := make(chan state.Alert, 4)
	must[*sdk.Session](t)(dora.Open(t.Context(), -1, sdk.Handler{Sound: func(a state.Alert) { sounded <- a }}))
	a := must[state.Alert](t)(alice.Raise(t.Context(), sdk.NewID(), wire.AlertRequest{Group: 11001, Text: "滑坡"}))
	if got := must[[]state.Alert](t)(carol.Alerts(t.Context())); len(got) != 0 {
		t.Errorf("carol sees %v", got)
	}
	_, err := alice.AckAlert(t.Context(), a.ID)
	wants(t, err, "right_missing")
	h.Do(command.AlertEscalate, state.AlertChange{ID: a.ID, Stage: 1})
	select {
	case got := <-sounded:
		if got.ID != a.ID {
			t.Errorf("sounded %v", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("no console sounds")
	}
	got := must[state.Alert](t)(dora.AckAlert(t.Context(), a.ID))
	if got.AckedBy != "dora" {
		t.Errorf("acknowledged by %q", got.AckedBy)
	}
}

func TestALogInWorksWithoutTheRecord(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	h.Record.Refuse = fusion.E(fusion.CutOff, "no_quorum", "")
	alice := login(t, h, "alice")
	_, err := alice.Post(t.Context(), sdk.NewID(), wire.MessageRequest{To: []fusion.Number{11001}, Text: "x", Precedence: fusion.Routine})
	wants(t, err, "no_quorum")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s := must[*sdk.Session](t)(alice.Open(ctx, -1, sdk.Handler{}))
	must[wire.TalkState](t)(s.Join(ctx, fusion.GroupTalk(11001), false))
	must[fusion.ID](t)(s.Press(ctx, sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(11001)}}))
}
