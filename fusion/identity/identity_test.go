package identity_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
)

func small(t *testing.T) *identity.Hasher {
	t.Helper()
	h, err := identity.NewHasher(identity.Params{Memory: 64, Time: 1, Threads: 1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAPasswordFitsItsHashOnly(t *testing.T) {
	h := small(t)
	phc, err := h.Hash(t.Context(), "贯通-correct-horse", false)
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("%q, %v", phc, err)
	}
	for password, want := range map[string]bool{"贯通-correct-horse": true, "贯通-correct-hors": false, "": false, strings.Repeat("x", 1000): false} {
		if got, err := h.Verify(t.Context(), phc, password, false); got != want || err != nil {
			t.Errorf("%.20q: %v, %v", password, got, err)
		}
	}
	if got, err := h.Verify(t.Context(), "", "decoy", false); got || err != nil {
		t.Errorf("nobody's password: %v, %v", got, err)
	}
	// RFC 9106's reference implementation made this one: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 24.
	known := "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if got, err := h.Verify(t.Context(), known, "password", false); !got || err != nil {
		t.Errorf("the reference's hash: %v, %v", got, err)
	}
	for _, damaged := range []string{"x", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA", "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"} {
		if _, err := h.Verify(t.Context(), damaged, "x", false); err == nil {
			t.Errorf("%q is taken", damaged)
		}
	}
}

func TestAFloodOfStrangersLeavesAPlaceForTheDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := small(t)
		block := identity.Hold(h, 2)
		defer block()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Verify(ctx, "", "x", false); fusion.ReasonOf(err) != "login_busy" {
			t.Errorf("a stranger: %v", err)
		}
		if _, err := h.Verify(t.Context(), "", "x", true); err != nil {
			t.Errorf("the desk: %v", err)
		}
	})
}

func TestThePolicyRefusesWhatEverybodyTries(t *testing.T) {
	for password, good := range map[string]bool{
		"short": false, "aaaaaaaaaaaa": false, "1234567890": false, "0987654321": false, "abcdefghijkl": false, "zhangsan2026": false, "password1!": false,
		"correct-horse-42": true, "应急指挥中心值班电话": true, "k7mp-w3xa-9tbn": true, "with\ncontrol-xx": false, strings.Repeat("ab cd ef", 40): false,
	} {
		if err := identity.CheckPassword(password, "zhangsan"); (err == nil) != good {
			t.Errorf("%q: %v", password, err)
		}
	}
	seen := make(map[string]bool)
	for range 100 {
		p, err := identity.NewPassword(rand.Reader)
		if err != nil || len(p) != 19 || seen[p] || identity.CheckPassword(p, "zhangsan") != nil || strings.ContainsAny(p, "0o1luv") {
			t.Fatalf("made %q, %v", p, err)
		}
		seen[p] = true
	}
}

// The vectors of RFC 6238 appendix B (SHA-1), cut to six digits.
func TestOneTimeCodes(t *testing.T) {
	key := []byte("12345678901234567890")
	for at, code := range map[int64]string{59: "287082", 1111111109: "081804", 1234567890: "005924", 2000000000: "279037"} {
		now := time.Unix(at, 0)
		step, err := identity.CheckTOTP(key, code, now, 0)
		if err != nil || step != at/30 {
			t.Errorf("at %d: step %d, %v", at, step, err)
		}
		if _, err := identity.CheckTOTP(key, code, now, step); err == nil {
			t.Errorf("the code of %d works twice", at)
		}
		if _, err := identity.CheckTOTP(key, code, now.Add(30*time.Second), 0); err != nil {
			t.Errorf("a clock one step ahead: %v", err)
		}
		if _, err := identity.CheckTOTP(key, code, now.Add(90*time.Second), 0); err == nil {
			t.Error("a code three steps old works")
		}
	}
	secret, uri := identity.ShowTOTP(key, "测试站", "zhang")
	if secret != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || !strings.HasPrefix(uri, "otpauth://totp/") {
		t.Errorf("shown as %s %s", secret, uri)
	}
}

func TestSessionsEnd(t *testing.T) {
	now := time.Unix(1e9, 0)
	x := identity.NewSessions(identity.SessionConfig{Now: func() time.Time { return now }, Rand: rand.Reader, PerUser: 2})
	open := func(user string, epoch uint64) (string, *identity.Session) {
		token, s, err := x.Open(user, epoch, "10.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		return token, s
	}
	token, s := open("zhang", 1)
	if got, ok := x.Find(token); !ok || got != s {
		t.Fatal("not found")
	}
	if _, ok := x.Find(token + "x"); ok {
		t.Error("another token is taken")
	}
	x.EndUser("zhang", 1, "revoked")
	if _, ok := x.Find(token); !ok {
		t.Error("ended in its own epoch")
	}
	x.EndUser("zhang", 2, "revoked")
	if _, ok := x.Find(token); ok || s.Why() != "revoked" {
		t.Errorf("still there, %q", s.Why())
	}
	token, s = open("zhang", 2)
	now = now.Add(31 * time.Minute)
	if _, ok := x.Find(token); ok || s.Why() != "expired" {
		t.Error("idle for 31 minutes and valid")
	}
	token, s = open("zhang", 2)
	for range 30 {
		now = now.Add(25 * time.Minute)
		x.Touch(s)
	}
	if _, ok := x.Find(token); ok {
		t.Error("older than 12 hours and valid")
	}
	_, first := open("li", 1)
	now = now.Add(time.Second)
	open("li", 1)
	open("li", 1)
	if first.Why() != "expired" || x.Len() != 2 {
		t.Errorf("%d sessions, the oldest %q", x.Len(), first.Why())
	}
}

func TestAGuesserIsSlowedDownAlone(t *testing.T) {
	now := time.Unix(1e9, 0)
	th := identity.NewThrottle(identity.ThrottleConfig{Now: func() time.Time { return now }})
	if th.Allow("desk", "zhang") != 0 {
		t.Fatal("the first try waits")
	}
	th.Success("desk", "zhang")
	tries := 0
	for range 10_000 { // a day and more, ten seconds apart
		if th.Allow("evil", "zhang") == 0 {
			tries++
		}
		now = now.Add(10 * time.Second)
	}
	if tries > 360 {
		t.Errorf("%d guesses in a day", tries)
	}
	if w := th.Allow("elsewhere", "zhang"); w != 0 {
		t.Errorf("zhang waits %v elsewhere", w)
	}
	for range 100 {
		th.Allow("desk", "zhang")
	}
	if w := th.Allow("desk", "zhang"); w > 5*time.Second {
		t.Errorf("the desk waits %v", w)
	}
	for i := range 200_000 {
		th.Allow("flood", string(rune('a'+i%26))+time.Duration(i).String())
	}
}

func TestAdministrationsExcludeOneAnother(t *testing.T) {
	hear := []identity.Right{identity.TalkAnywhere, identity.ReplayAll, identity.Monitor, identity.Export}
	admins := map[fusion.Role]identity.Right{fusion.SystemAdmin: identity.AdminObjects, fusion.SecurityAdmin: identity.AdminUsers, fusion.AuditAdmin: identity.ReadAudit}
	for role, own := range admins {
		rights := identity.RightsOf([]fusion.Role{role})
		for other, theirs := range admins {
			if rights.Has(theirs) != (other == role) {
				t.Errorf("%s has %s: %v", role, theirs, rights.Has(theirs))
			}
		}
		for _, r := range hear {
			if rights.Has(r) {
				t.Errorf("%s has %s", role, r)
			}
		}
		_ = own
	}
	if len(identity.RightsOf([]fusion.Role{fusion.UnitRole})) != 0 {
		t.Error("a unit has rights of its own")
	}
}

func TestTelephoneDigests(t *testing.T) {
	// RFC 7616 §3.9.1: user Mufasa, realm http-auth@example.org, password "Circle of Life".
	s := identity.ExtensionSecret("Mufasa", "http-auth@example.org", "Circle of Life")
	if s.MD5 != "3d78807defe7de2157e2b0b6573a855f" || s.SHA256 != "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232" {
		t.Errorf("digests %s %s", s.MD5, s.SHA256)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=-1,t=1,p=1$$")
	h, err := identity.NewHasher(identity.Params{Memory: 64, Time: 1, Threads: 1}, bytes.NewReader(make([]byte, 1024)))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, phc string) {
		if ok, _ := h.Verify(t.Context(), phc, "no such password", false); ok {
			t.Errorf("%q fits", phc)
		}
	})
}
