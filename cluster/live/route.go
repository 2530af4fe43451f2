package live

import (
	"slices"
	"time"
)

// route is how frames reach a node: by its own path, or by another node's.
type route struct {
	by    *rail
	relay bool
}

// direct reports whether the path between us works both ways.
func (p *peer) direct(now time.Time, quiet time.Duration) bool {
	return p.path != nil && p.hearsUs && now.Sub(p.heard) <= quiet
}

// reroute finds the way to every node. l.mu is held.
func (l *Link) reroute(now time.Time) {
	routes := make(map[string]route, len(l.peers))
	for id, p := range l.peers {
		if p.direct(now, l.cfg.Quiet) {
			routes[id] = route{by: p.path}
		}
	}
	for id, p := range l.peers {
		if _, ok := routes[id]; ok {
			continue
		}
		if via := l.relayTo(id, now); via != nil {
			routes[id] = route{by: via.path, relay: true}
		} else if p.path != nil {
			routes[id] = route{by: p.path} // it may be coming up
		}
	}
	l.routes.Store(&routes)
}

// relayTo finds a node that we hear, and that hears id; the lowest named, so that it does not change without need.
func (l *Link) relayTo(id string, now time.Time) *peer {
	var best *peer
	for _, p := range l.peers {
		if p.id != id && p.direct(now, l.cfg.Quiet) && (best == nil || p.id < best.id) &&
			slices.Contains(p.hears, id) {
			best = p
		}
	}
	return best
}

// forward sends a frame to a node by the way that there is. It does not block; what finds no room is lost.
func (l *Link) forward(to string, frame []byte, ordered bool) bool {
	r, ok := (*l.routes.Load())[to]
	if !ok {
		return false
	}
	if r.relay {
		frame = relayed(to, l.cfg.Self, frame)
	}
	if ordered {
		return r.by.stream(frame)
	}
	return r.by.datagram(frame)
}

// SendFrame sends a frame of speech to a node: soon, or not at all. It does not block, and takes a copy.
func (l *Link) SendFrame(node string, frame []byte) {
	r, ok := (*l.routes.Load())[node]
	if !ok || len(frame) > maxVoice {
		return
	}
	if !r.relay {
		r.by.voice(frame)
		return
	}
	inner := append(make([]byte, 0, 1+len(frame)), kindVoice)
	r.by.datagram(relayed(node, l.cfg.Self, append(inner, frame...)))
}

// beat tells p how we are: on the path between us, and by another way while that does not work. l.mu is held.
func (l *Link) beat(p *peer, now time.Time) {
	b := beat{Mine: p.mine, Theirs: p.theirs, Ack: p.received, Term: l.term, Leads: l.leads, You: p.path != nil && now.Sub(p.heard) <= l.cfg.Quiet}
	for id, q := range l.peers {
		if id != p.id && q.direct(now, l.cfg.Quiet) && len(b.Hears) < maxHears {
			b.Hears = append(b.Hears, id)
		}
	}
	frame := frameOf(kindBeat, b)
	if p.path != nil {
		p.path.datagram(frame)
	}
	if r, ok := (*l.routes.Load())[p.id]; ok && r.relay {
		r.by.datagram(relayed(p.id, l.cfg.Self, frame))
	}
}

// take handles one frame that came on a path.
func (l *Link) hear(r *rail, frame []byte) {
	from := r.path.Node()
	if frame[0] == kindRelay {
		to, origin, inner, err := unrelayed(frame)
		if err != nil {
			l.stray(err)
			return
		}
		if to != l.cfg.Self {
			l.bringOn(to, frame)
			return
		}
		l.hearFrom(origin, inner, false)
		return
	}
	l.hearFrom(from, frame, true)
}

// bringOn passes a frame on to a node that we hear directly; never to another relay, so that nothing goes round.
func (l *Link) bringOn(to string, frame []byte) {
	r, ok := (*l.routes.Load())[to]
	if !ok || r.relay {
		l.stray(nil)
		return
	}
	if _, _, inner, err := unrelayed(frame); err == nil && inner[0] == kindMessage {
		r.by.stream(frame)
	} else {
		r.by.datagram(frame)
	}
}

func (l *Link) hearFrom(node string, frame []byte, direct bool) {
	switch frame[0] {
	case kindVoice:
		l.cfg.Frame(node, frame[1:])
	case kindBeat:
		var b beat
		if err := decodeFrame(frame, &b); err != nil {
			l.stray(err)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		p := l.peers[node]
		if p == nil {
			return // nobody whom the record knows, and no path of its own
		}
		now, was := l.cfg.Now(), p.leads
		routed := p.direct(now, l.cfg.Quiet)
		l.hearBeat(p, b, direct, now)
		if routed != p.direct(now, l.cfg.Quiet) {
			l.reroute(now)
		}
		if was != p.leads {
			l.judge(now)
		}
	case kindMessage:
		var m message
		if err := decodeFrame(frame, &m); err != nil {
			l.stray(err)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if p := l.peers[node]; p != nil {
			l.hearMessage(p, m)
		}
	case kindHello:
	default:
		l.stray(nil)
	}
}

// judge finds who arbitrates for this node: who leads in the highest term, of those that are heard; without one for a while, the lowest
// named of those that are. l.mu is held.
func (l *Link) judge(now time.Time) {
	best := Arbiter{}
	if l.leads {
		best = Arbiter{Node: l.cfg.Self, Term: l.term}
	}
	lowest, highest := l.cfg.Self, l.term
	for id, p := range l.peers {
		if !p.up || now.Sub(p.known) > l.cfg.Quiet {
			continue
		}
		if p.leads && (best.Node == "" || p.term > best.Term) {
			best = Arbiter{Node: id, Term: p.term}
		}
		lowest, highest = min(lowest, id), max(highest, p.term)
	}
	switch {
	case best.Node != "":
		l.orphan = time.Time{}
	case l.orphan.IsZero():
		l.orphan = now
		return // for now it stays as it was
	case now.Sub(l.orphan) < l.cfg.Island:
		return
	default:
		best = Arbiter{Node: lowest, Term: highest, Island: true}
	}
	if best == l.arbiter || best.Island && l.arbiter.Island && best.Node == l.arbiter.Node {
		return
	}
	l.arbiter = best
	l.cfg.Log.Info("who arbitrates the floors", "node", best.Node, "term", best.Term, "island", best.Island)
	l.inbox.put(event{kind: newArbiter, arbiter: best})
}
