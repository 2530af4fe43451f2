package main

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion/state"
)

const (
	strangerEvery = time.Minute // how often one reason is audited for one address
	maxStrangers  = 256         // addresses and reasons that are remembered
)

// strangers keeps who knocks again and again from filling the audit.
type strangers struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// news tells whether a refusal is to be audited. When more are remembered than there may be, all is forgotten but the last minute's, and
// who comes then waits.
func (s *strangers) news(from, reason string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = make(map[string]time.Time)
	}
	key := from + " " + reason
	if now.Sub(s.last[key]) < strangerEvery {
		return false
	}
	for k, at := range s.last {
		if now.Sub(at) >= strangerEvery {
			delete(s.last, k)
		}
	}
	if len(s.last) >= maxStrangers {
		return false
	}
	s.last[key] = now
	return true
}

// noteStranger audits who came to the node port with a certificate and was not let in.
func (s *server) noteStranger(from, reason string, refusal error) {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		host = from
	}
	if s.port == nil || s.port.node.Load() == nil || !s.strangers.news(host, reason, time.Now()) {
		return // the record is not open yet, or it was said a moment ago
	}
	detail := refusal.Error()
	a := state.Audit{By: "system", Action: "node.refused", Target: s.cfg.Node, Result: reason, From: host, Detail: detail[:min(len(detail), 512)]}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.proposeAudit(ctx, a); err != nil {
			s.log.ErrorContext(ctx, "a refusal was not audited", "reason", reason, "error", err)
		}
	}()
}
