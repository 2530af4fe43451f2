package webrtc

import "time"

// heard notes authenticated media: the client has its keys.
func (x *Session) heard() {
	if !x.media.Load() {
		x.media.Store(true)
	}
	if !x.connected.Load() {
		x.server.connect(x)
	}
}

// connect tells the owner once that bursts may begin.
func (s *Server) connect(x *Session) {
	if x.closed.Load() || !x.connected.CompareAndSwap(false, true) {
		return
	}
	x.events.Connected()
}

// raise looks after the sessions that are coming up, and reports whether any still is.
func (s *Server) raise() bool {
	now := s.cfg.Now()
	s.mu.Lock()
	var late, up, done []*Session
	keep := s.young[:0]
	for _, x := range s.young {
		d := &x.dtls
		switch {
		case x.closed.Load():
			continue
		case d.stage == stageUp && x.connected.Load() && (x.media.Load() || now.Sub(d.upAt) > retireAfter) && now.Sub(d.record) > time.Second:
			done = append(done, x)
			continue
		case d.stage == stageUp && !x.connected.Load() && now.Sub(d.upAt) >= quiet && now.Sub(d.record) >= quiet:
			up = append(up, x)
		case !x.connected.Load() && now.Sub(x.opened) >= s.cfg.Setup:
			late = append(late, x)
			continue
		}
		keep = append(keep, x)
	}
	clear(s.young[len(keep):])
	s.young = keep
	more := len(keep) > 0
	s.mu.Unlock()
	for _, x := range up {
		s.connect(x)
	}
	for _, x := range late {
		s.end(x, "setup_timeout")
	}
	for _, x := range done {
		s.retire(x)
	}
	return more
}

// sweep ends sessions without consent, and sends the reports that are due.
func (s *Server) sweep() {
	now := s.cfg.Now()
	oldest := now.Add(-s.cfg.Consent).UnixNano()
	var lost, live []*Session
	s.mu.RLock()
	for _, x := range s.byUfrag {
		switch {
		case !x.connected.Load():
		case x.consented.Load() <= oldest:
			lost = append(lost, x)
		default:
			live = append(live, x)
		}
	}
	s.mu.RUnlock()
	for _, x := range lost {
		s.end(x, "consent_lost")
	}
	var buf [reportBuffer]byte
	for _, x := range live {
		x.tellReports(now, buf[:])
	}
}
