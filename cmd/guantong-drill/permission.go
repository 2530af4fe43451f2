package main

import (
	"context"
	"errors"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/peer"
)

// withoutPermission shows that who is no member neither joins nor hears, and that who may only listen does not talk. The page is not asked to be honest: what it hides
// is tried past it, on a WebSocket of the same user.
func (s *cast) withoutPermission(ctx context.Context, d *drill, t *timing) error {
	if err := errors.Join(s.chief.tune(ctx, s.groups, s.closed), s.brigade.dial(ctx, s.closed)); err != nil {
		return err
	}
	if err := s.strangersAreRefused(ctx, d); err != nil {
		return err
	}
	if err := d.sayTo(ctx, "a closed group", s.chief, []*station{s.brigade}, []*station{s.officer, s.pilot}, t); err != nil {
		return err
	}
	if err := s.listenerIsDenied(ctx, d); err != nil {
		return err
	}
	return s.floorIsNotTaken(ctx, d)
}

// strangersAreRefused tries to get into the closed group by the protocol and by telephone.
func (s *cast) strangersAreRefused(ctx context.Context, d *drill) error {
	refusal, err := s.ask(ctx, s.officer.account, map[string]any{"t": "join", "id": 2, "talk": s.closed.String()})
	if err != nil {
		return err
	}
	d.check("the officer joins a group that is closed to it, past its page", "error", refusal, refusal == "error")
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	before := s.pilot.mark()
	err = s.pilot.dial(short, s.closed)
	if after := s.pilot.mark(); err == nil && after.file == before.file {
		err = errors.New("no call was set up")
	}
	got := "the call was answered"
	if err != nil {
		got = "refused"
	}
	// A telephone may be answered to be told in words that it is no member; what it must not do is hear. That is checked with the next sentence.
	d.say("the pilot calls the closed group: %s", got)
	return nil
}

// ask opens a WebSocket for an account, sends one request with id 2, and gives the type of the answer.
func (s *cast) ask(ctx context.Context, a peer.Account, request any) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	session, _, err := s.server.API().Login(ctx, a.User, a.Password)
	if err != nil {
		return "", err
	}
	w, err := session.Dial(ctx, -1)
	if err != nil {
		return "", err
	}
	defer w.Close()
	if _, err := w.Until(ctx, func(f peer.Frame) bool { return f.T == "welcome" }); err != nil {
		return "", err
	}
	if err := w.Send(request); err != nil {
		return "", err
	}
	f, err := w.Until(ctx, func(f peer.Frame) bool { return string(f.Re) == "2" || string(f.Re) == `"2"` })
	return f.T, err
}

// listenerIsDenied has the officer press in a group in which it may only listen.
func (s *cast) listenerIsDenied(ctx context.Context, d *drill) error {
	if err := errors.Join(s.chief.tune(ctx, s.groups, s.listen), s.officer.tune(ctx, s.groups, s.listen)); err != nil {
		return err
	}
	m := s.chief.mark()
	from, to, err := s.officer.talk(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	events, err := s.officer.page.Events(ctx)
	if err != nil {
		return err
	}
	shown := "nothing"
	for _, e := range events {
		if e.ID == "ptt-state" && e.What == "data-state" && e.At > from && e.At < to+500 && e.Value != "idle" {
			shown = e.Value
		}
	}
	d.check("the officer presses where it may only listen", "denied", shown, shown == "denied")
	return d.deaf(ctx, "a group to listen to", s.officer, s.chief, m)
}

// floorIsNotTaken has the officer press, past its page, in a group that it has not joined and may not.
func (s *cast) floorIsNotTaken(ctx context.Context, d *drill) error {
	answer, err := s.ask(ctx, s.officer.account, map[string]any{"t": "press", "id": 2, "talks": []string{s.closed.String()}, "request": "0123456789abcdef0123456789abcdef", "precedence": "routine"})
	got := answer
	if errors.Is(err, context.DeadlineExceeded) {
		got = "no answer"
	} else if err != nil {
		return err
	}
	// ok only says that the request was read; the floor is what counts.
	state, err := s.talker(ctx, s.closed)
	if err != nil {
		return err
	}
	d.check("the officer takes the floor of a group that is closed to it, past its page", "no talker", got+", talker "+state, state == "")
	return nil
}

// talker is who talks in a group, as the chief's console shows it.
func (s *cast) talker(ctx context.Context, g fusion.Number) (string, error) {
	return s.chief.page.Attribute(ctx, "talker-"+g.String(), "data-talker")
}
