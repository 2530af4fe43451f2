package voice

import "slices"

// route chooses where a member's packets come from when it hears this one stream: the talker's own packets, a private
// feed that catches up, or the shared one. nil when there is no way. Switch.mu is held.
func (sw *Switch) route(m *member) *group {
	s := m.stream
	if m.late && !s.draining {
		m.late = false
		m.own = sw.openFeed(s, 0, m)
	}
	switch {
	case m.own != nil:
		own := m.own
		g := sw.encode(&own.coded, m.format, func() { sw.closeFeed(own) })
		if g == nil {
			m.own = nil
			sw.strand(m)
		}
		return g
	case s.passes(m.format) && !s.draining:
		return &s.direct
	}
	f := sw.liveFeed(s, m)
	if f == nil {
		sw.strand(m)
		return nil
	}
	return sw.encode(&f.coded, m.format, func() { sw.release(f) })
}

// reroute follows a change in what a single-stream sink hears: one stream comes as it is, several are mixed. The first
// member stands for the sink in the mix. Switch.mu is held.
func (sw *Switch) reroute(e *ear) {
	switch len(e.members) {
	case 0:
		return
	case 1:
		sw.move(e.members[0], sw.route(e.members[0]))
		return
	}
	x := sw.mixOf(e)
	first := e.members[0]
	sw.move(first, sw.encode(&x.coded, first.format, func() { sw.closeMix(x) }))
	first.own, first.late = nil, false
	for _, m := range e.members[1:] {
		sw.move(m, nil)
		m.own, m.late = nil, false
	}
}

// strand lets a member go whose stream is closed and has nothing left to send. Whoever holds Switch.mu settles it once
// that is released.
func (sw *Switch) strand(m *member) {
	if m.stream.draining && m.own == nil {
		m.want = false
		sw.stranded = append(sw.stranded, m)
	}
}

// liveFeed is the stream's shared decoding, made when first needed.
func (sw *Switch) liveFeed(s *Stream, m *member) *feed {
	if s.live != nil || s.retired || s.draining {
		return s.live
	}
	s.mu.Lock()
	from := s.burst.tail
	if m != nil && m.preRoll {
		from = s.burst.since(sw.deps.Now().Add(-sw.cfg.PreRoll))
	}
	s.mu.Unlock()
	s.live = sw.openFeed(s, from, nil)
	return s.live
}

// encode is the group of those who hear c in one coding, made when first needed; empty is called when c has no
// coding left. It is nil when the codec is unknown here.
func (sw *Switch) encode(c *coded, p params, empty func()) *group {
	for _, e := range c.encodings {
		if e.params == p {
			return &e.group
		}
	}
	e, err := newEncoding(p)
	if err != nil {
		sw.stats.failed.Add(1)
		sw.deps.Log.Error("voice: a leg cannot be coded for", "codec", p.ID.String(), "bitrate", p.Bitrate, "err", err)
		if len(c.encodings) == 0 {
			empty()
		}
		return nil
	}
	e.group.empty = func() {
		c.encodings = without(c.encodings, e)
		if len(c.encodings) == 0 {
			empty()
		}
	}
	c.encodings = append(slices.Clone(c.encodings), e)
	return &e.group
}

// without is a copy of list that lacks x.
func without[T comparable](list []T, x T) []T {
	out := make([]T, 0, len(list))
	for _, o := range list {
		if o != x {
			out = append(out, o)
		}
	}
	return out
}
