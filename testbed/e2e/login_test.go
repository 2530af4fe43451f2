package e2e

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

func TestAThousandWrongPasswordsLockNobodyElseOut(t *testing.T) {
	b := server(t)
	p, q := b.person(t, fusion.Dispatcher), b.person(t, fusion.Dispatcher)
	home := b.from(40) // where p has logged in before
	if _, _, err := home.Login(t.Context(), p.name, p.password); err != nil {
		t.Fatal(err)
	}
	before := b.metric(t, "guantong_api_logins_total")
	attacker := b.from(41)
	var throttled, wrong, odd int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 250 {
				_, _, err := attacker.Login(t.Context(), p.name, fmt.Sprintf("wrong-password-%d", i))
				var r *peer.Refusal
				mu.Lock()
				switch {
				case errors.As(err, &r) && r.Reason == "login_throttled" && r.Status == 429:
					throttled++
				case errors.As(err, &r) && r.Reason == "wrong_password":
					wrong++
				default:
					odd++
				}
				mu.Unlock()
			}
		})
	}
	begun := time.Now()
	if _, _, err := b.from(42).Login(t.Context(), q.name, q.password); err != nil {
		t.Errorf("another user from elsewhere: %v", err)
	}
	if _, _, err := home.Login(t.Context(), p.name, p.password); err != nil {
		t.Errorf("the same user where it has logged in before: %v", err)
	}
	if _, _, err := b.from(43).Login(t.Context(), p.name, p.password); err != nil {
		t.Errorf("the same user from a new address: %v", err)
	}
	if d := time.Since(begun); d > 10*time.Second {
		t.Errorf("three log-ins took %v under the attack", d)
	}
	all.Wait()
	t.Logf("%d throttled, %d checked and wrong", throttled, wrong)
	if odd != 0 || throttled+wrong != 1000 || wrong > 20 {
		t.Errorf("of 1000 wrong passwords %d were throttled, %d checked, %d answered oddly", throttled, wrong, odd)
	}
	b.grew(t, "guantong_api_logins_total", before+1000)
	if _, _, err := home.Login(t.Context(), p.name, p.password); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// code computes a one-time code (RFC 6238, SHA-1, 30 s, 6 digits) from what the page shows, by no code of the server's.
func code(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatalf("secret %q: %v", secret, err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	v := binary.BigEndian.Uint32(sum[sum[19]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", v%1_000_000)
}

func TestASecondFactorIsAskedForAndWorksOnce(t *testing.T) {
	b := server(t)
	p := b.person(t, fusion.Dispatcher)
	a := b.login(t, p)
	var shown struct{ Secret, URI string }
	if err := a.Call(t.Context(), http.MethodPost, "/me/totp", nil, &shown); err != nil {
		t.Fatal(err)
	}
	refused(t, "a wrong code", a.Call(t.Context(), http.MethodPost, "/me/totp/confirm", map[string]string{"code": "000000"}, nil), 403, "wrong_code")
	now := time.Now()
	first := code(t, shown.Secret, now)
	if err := a.Call(t.Context(), http.MethodPost, "/me/totp/confirm", map[string]string{"code": first}, nil); err != nil {
		t.Fatal(err)
	}
	var reply wire.LoginReply
	if err := b.API().Call(t.Context(), http.MethodPost, "/login", wire.LoginRequest{User: p.name, Password: p.password}, &reply); err != nil || !reply.NeedsTOTP || reply.Token != "" {
		t.Fatalf("without a code: %+v, %v", reply, err)
	}
	login := func(c string) error {
		return b.API().Call(t.Context(), http.MethodPost, "/login", wire.LoginRequest{User: p.name, Password: p.password, TOTP: c}, &reply)
	}
	refused(t, "the code that confirmed", login(first), 403, "wrong_code")
	next := code(t, shown.Secret, now.Add(30*time.Second)) // a clock that is one step ahead is allowed
	if err := login(next); err != nil || reply.Token == "" {
		t.Fatalf("with a code: %v", err)
	}
	refused(t, "the same code again", login(next), 403, "wrong_code")
}

func TestAPasswordThatMustBeChangedOpensNothingAndAChangeEndsSessions(t *testing.T) {
	b := server(t)
	n := b.number()
	name, first := "n"+n.String(), "ye-yu-chuan-deng-0"
	b.must(t, http.MethodPut, "/units/"+n.String(), state.Unit{Number: n, Name: name, Kind: state.PersonUnit}, nil)
	b.must(t, http.MethodPut, "/users/"+name, map[string]any{"user": map[string]any{"name": name, "unit": n, "roles": []string{"dispatcher"}, "revision": 0}, "password": first}, nil)
	fresh, _, err := b.API().Login(t.Context(), name, first)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "a list", fresh.Call(t.Context(), http.MethodGet, "/groups", nil, nil), 403, "must_change")
	if w, err := fresh.Dial(t.Context(), -1); err == nil {
		w.Close()
		t.Error("a WebSocket opened before the password was changed")
	}
	refused(t, "a weak one", fresh.Call(t.Context(), http.MethodPost, "/me/password", map[string]string{"old": first, "new": "1234"}, nil), 400, "")
	other, _, err := b.API().Login(t.Context(), name, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := fresh.Call(t.Context(), http.MethodPost, "/me/password", map[string]string{"old": first, "new": freshPassword}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other session ends", func() bool {
		var r *peer.Refusal
		return errors.As(other.Call(t.Context(), http.MethodGet, "/me", nil, nil), &r) && r.Status == 401
	})
	w, err := fresh.Dial(t.Context(), -1)
	if err != nil {
		t.Fatalf("the session that changed the password: %v", err)
	}
	defer w.Close()
	second, _, err := b.API().Login(t.Context(), name, freshPassword)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Call(t.Context(), http.MethodPost, "/me/password", map[string]string{"old": freshPassword, "new": freshPassword + "-2"}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := w.Until(t.Context(), func(f peer.Frame) bool { return f.T == "bye" })
	if err != nil {
		t.Fatalf("no goodbye: %v", err)
	}
	t.Logf("%s", f.Raw)
}
