package main

import (
	"context"
	"strings"
	"time"

	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

const (
	logWithin    = 30 * time.Second
	missedWithin = 7 * 24 * time.Hour // a call back later than that is a call of its own
	missedMost   = 200
)

// logCall keeps what stays of a call. A record's ID is that of the command which makes it.
func (s *server) logCall(r state.CallRecord) {
	ctx, cancel := context.WithTimeout(context.Background(), logWithin)
	defer cancel()
	if err := s.propose(ctx, command.CallLog, r.ID, r); err != nil {
		s.log.Error("call not logged", "call", r.ID.String(), "error", err)
		return
	}
	for _, m := range s.returned(r) {
		m.Returned = true
		if err := s.propose(ctx, command.CallLog, newID(), m); err != nil {
			s.log.Error("missed call not marked as returned", "call", m.ID.String(), "error", err)
		}
	}
}

// returned finds the missed calls that an answered call calls back.
func (s *server) returned(r state.CallRecord) (list []state.CallRecord) {
	if r.Answered == 0 || r.To == 0 && r.ToDigits == "" {
		return nil
	}
	from := r.Start - state.Millis(missedWithin.Milliseconds())
	missed, ok := look(s.node, func(v *state.View) ([]state.CallRecord, error) {
		return v.Calls(state.CallFilter{From: from, To: r.Start, Result: "missed", Limit: missedMost})
	})
	if !ok {
		return nil
	}
	for _, m := range missed {
		if !m.Returned && callsBack(r, m) {
			list = append(list, m)
		}
	}
	return list
}

// callsBack reports whether r calls whoever made the missed call m: an extension by its number, somebody outside by the digits that it
// showed. What is dialled outward may begin with digits of our own.
func callsBack(r, m state.CallRecord) bool {
	if m.From != 0 {
		return m.From == r.To
	}
	digits := m.FromName
	if i := strings.LastIndexByte(digits, '<'); i >= 0 {
		digits = strings.TrimSuffix(digits[i+1:], ">")
	}
	return len(digits) >= 3 && strings.HasSuffix(r.ToDigits, digits)
}
