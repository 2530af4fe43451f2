package e2e

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/testbed/peer"
)

// reason checks what the Go client was refused with.
func reason(t *testing.T, what string, err error, fault fusion.Fault, want string) {
	t.Helper()
	if err == nil || fusion.FaultOf(err) != fault || fusion.ReasonOf(err) != want {
		t.Errorf("%s: %v, want %v: %s", what, err, fault, want)
	}
}

func TestNobodyIsHeardWithoutTheFloor(t *testing.T) {
	b := server(t)
	member, listener, stranger := b.person(t, fusion.Operator), b.person(t, fusion.Operator), b.person(t, fusion.Operator)
	closed := b.group(t, false, state.Member{Unit: member.unit, Talk: true}, state.Member{Unit: listener.unit})
	other := b.group(t, true)
	m, l, s := sit(t, b.sdk(t, member)), sit(t, b.sdk(t, listener)), sit(t, b.sdk(t, stranger))
	m.join(t, closed)
	l.join(t, closed)
	s.join(t, other)

	_, err := s.session.Join(t.Context(), fusion.GroupTalk(closed), false)
	reason(t, "a stranger joins", err, fusion.NotAllowed, "not_a_member")
	_, err = s.session.Join(t.Context(), fusion.GroupTalk(closed), true)
	reason(t, "a stranger monitors", err, fusion.NotAllowed, "right_missing")
	_, err = s.session.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(closed)}})
	reason(t, "a stranger presses", err, fusion.Conflict, "not_joined")
	err = s.session.ForceClear(t.Context(), fusion.GroupTalk(closed))
	reason(t, "a stranger force-clears", err, fusion.NotAllowed, "right_missing")

	before := b.metric(t, "guantong_api_uplink_without_floor_total")
	if _, err := l.session.Press(t.Context(), sdk.Press{Talks: []fusion.Talk{fusion.GroupTalk(closed)}}); err == nil {
		if i := l.next(t, talk.Denied); i.Cause == "" {
			t.Errorf("a listener's press is denied without a cause: %+v", i)
		}
	}
	l.say(t, 15)
	s.say(t, 15)
	b.grew(t, "guantong_api_uplink_without_floor_total", before+29)

	// With the floor of one group nobody is heard in another one, and the healthy go on.
	s.press(t, other)
	s.say(t, 15)
	if n := m.heard.Load() + l.heard.Load(); n != 0 {
		t.Errorf("%d packets were heard in a group whose floor nobody had", n)
	}
	m.press(t, closed)
	sent := m.say(t, 25)
	eventually(t, "the member is heard", func() bool { return l.heard.Load() >= int64(sent) })
	if n := s.heard.Load(); n != 0 {
		t.Errorf("a stranger heard %d packets", n)
	}
}

// burstOf waits until a person's burst is indexed.
func burstOf(t *testing.T, a *peer.API, id fusion.ID) state.Burst {
	t.Helper()
	var found state.Burst
	eventually(t, "the burst "+id.String()+" is indexed", func() bool {
		list, err := peer.List[state.Burst](t.Context(), a, "/bursts")
		if err != nil {
			return false
		}
		for _, x := range list {
			if x.ID == id {
				found = x
				return true
			}
		}
		return false
	})
	return found
}

func TestWhoIsRevokedIsCutAtOnceAndItsRecordingKept(t *testing.T) {
	b := server(t)
	for name, revoke := range map[string]func(t *testing.T, p person){
		"the user is disabled": func(t *testing.T, p person) {
			u := find(t, b, "/users", func(u state.User) bool { return u.Name == p.name })
			u.Disabled = true
			b.must(t, http.MethodPut, "/users/"+p.name, map[string]any{"user": u}, nil)
		},
		"the unit is revoked": func(t *testing.T, p person) {
			u := find(t, b, "/units", func(u state.Unit) bool { return u.Number == p.unit })
			u.Revoked = true
			b.must(t, http.MethodPut, "/units/"+p.unit.String(), u, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := b.person(t, fusion.Operator)
			api := b.login(t, bad)
			g := b.group(t, true)
			h, s := sit(t, b.sdk(t, b.person(t, fusion.Operator))), sit(t, b.sdk(t, bad))
			h.join(t, g)
			s.join(t, g)
			id := s.press(t, g)
			sent := s.say(t, 25)
			eventually(t, "it is heard", func() bool { return h.heard.Load() >= int64(sent) })
			before := time.Now()
			revoke(t, bad)
			select {
			case <-s.session.Done():
			case <-time.After(3 * time.Second):
				t.Fatal("the WebSocket was not ended within 3 s")
			}
			reason(t, "the goodbye", s.session.Err(), fusion.CutOff, "revoked")
			t.Logf("cut after %v", time.Since(before))
			at := h.heard.Load()
			speech, err := frames()
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				_ = s.media.Send(speech[i], 960, false) // it may have been told the end by now
			}
			h.press(t, g) // the floor is free
			if n := h.heard.Load(); n != at {
				t.Errorf("%d packets were heard after the end", n-at)
			}
			if burst := burstOf(t, b.admin, id); burst.Duration < 400 || burst.EndCause == "" {
				t.Errorf("the recording: %+v", burst)
			}
			refused(t, "its old session", api.Call(t.Context(), http.MethodGet, "/me", nil, nil), 401, "login")
			_, _, err = b.API().Login(t.Context(), bad.name, bad.password)
			refused(t, "a new log-in", err, 403, "user_disabled")
		})
	}
}

// find gives the one object of a list that matches.
func find[T any](t *testing.T, b *bench, path string, match func(T) bool) T {
	t.Helper()
	list, err := peer.List[T](t.Context(), b.admin, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		if match(x) {
			return x
		}
	}
	t.Fatal(errors.New(path + ": not there"))
	panic("unreachable")
}
