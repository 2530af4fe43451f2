package live

import (
	"slices"
	"time"
)

const (
	maxUnacked      = 16384
	maxUnackedBytes = 32 << 20
	resendAfter     = 250 * time.Millisecond
	resendMost      = 256 // messages in one go
)

// peer is what is known of another node. Guarded by Link.mu.
type peer struct {
	id, address string
	path        *rail // the newest one, or nil
	dialing     bool
	retry       time.Time

	heard   time.Time // the last beat on the path between us
	hearsUs bool      // and it said that it hears us on it
	known   time.Time // the last beat by any way

	// The association: what both ends count as one conversation. Its numbers are drawn anew when an end gives it up.
	mine, theirs uint64
	up           bool
	sent         uint64
	unacked      []held
	size         int
	moved        time.Time // when unacked last became shorter, or was sent again
	received     uint64

	term  uint64
	leads bool
	hears []string
}

// held is a message that was not acknowledged.
type held struct {
	seq   uint64
	frame []byte
}

// post sends a message and keeps it until it is acknowledged. l.mu is held.
func (l *Link) post(p *peer, topic string, body []byte) {
	p.sent++
	frame := frameOf(kindMessage, message{Mine: p.mine, Theirs: p.theirs, Seq: p.sent, Topic: topic, Body: body})
	if len(p.unacked) == 0 {
		p.moved = l.cfg.Now()
	}
	p.unacked = append(p.unacked, held{p.sent, frame})
	p.size += len(frame)
	if len(p.unacked) > maxUnacked || p.size > maxUnackedBytes || len(frame) > maxFrame-256 {
		l.cfg.Log.Error("a node does not take what it is sent", "node", p.id, "messages", len(p.unacked), "octets", p.size)
		l.drop(p)
		return
	}
	l.forward(p.id, frame, true)
}

// resend sends again what has waited too long: the way that it took is broken, or it was overtaken.
func (l *Link) resend(p *peer, now time.Time) {
	if !p.up || len(p.unacked) == 0 || now.Sub(p.moved) < resendAfter {
		return
	}
	p.moved = now
	for _, h := range p.unacked[:min(len(p.unacked), resendMost)] {
		l.forward(p.id, h.frame, true)
	}
}

// acknowledge forgets what the other end has.
func (p *peer) acknowledge(seq uint64, now time.Time) {
	n := 0
	for n < len(p.unacked) && p.unacked[n].seq <= seq {
		p.size -= len(p.unacked[n].frame)
		n++
	}
	if n > 0 {
		p.unacked, p.moved = slices.Delete(p.unacked, 0, n), now
	}
}

// hearBeat takes a heartbeat that came from p, directly or by another node. l.mu is held.
func (l *Link) hearBeat(p *peer, b beat, direct bool, now time.Time) {
	p.known = now
	p.term, p.leads, p.hears = b.Term, b.Leads, b.Hears
	if direct {
		p.heard, p.hearsUs = now, b.You
	}
	if b.Mine != p.theirs {
		if p.up {
			l.down(p)
		}
		p.restart(b.Mine)
	}
	if b.Theirs != p.mine {
		return // it does not know our number yet, or means an association that we gave up
	}
	p.acknowledge(b.Ack, now)
	if !p.up {
		p.up = true
		l.cfg.Log.Info("a node is there", "node", p.id)
		l.inbox.put(event{kind: nodeUp, node: p.id})
	}
}

// restart begins an association with the other end's number.
func (p *peer) restart(theirs uint64) {
	p.theirs, p.sent, p.received, p.unacked, p.size = theirs, 0, 0, nil, 0
}

// watch finds out that a node is gone.
func (l *Link) watch(p *peer, now time.Time) {
	if p.up && now.Sub(p.known) > l.cfg.Lost {
		l.drop(p)
	}
}

// drop gives an association up. The other end learns it by our new number.
func (l *Link) drop(p *peer) {
	if p.up {
		l.down(p)
	}
	p.mine = l.number()
	p.restart(p.theirs)
}

func (l *Link) down(p *peer) {
	p.up = false
	l.cfg.Log.Warn("a node is gone", "node", p.id)
	l.inbox.put(event{kind: nodeDown, node: p.id})
}

// hearMessage takes a message that came from p by any way. l.mu is held.
func (l *Link) hearMessage(p *peer, m message) {
	if !p.up || m.Mine != p.theirs || m.Theirs != p.mine || m.Seq != p.received+1 {
		return // of another association, twice, or before what was lost: that is sent again
	}
	if l.inbox.full() {
		return
	}
	p.received++
	if l.topics[m.Topic] != nil { // a later version may have more topics
		l.inbox.put(event{kind: nodeSays, node: p.id, topic: m.Topic, body: m.Body})
	}
}
