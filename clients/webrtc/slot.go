package webrtc

import (
	"time"

	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

const (
	maxSlots  = 32
	opusClock = 48000
	// opusFrame is the step of a timestamp where nothing better is known: 20 ms.
	opusFrame = opusClock / 50
	// maxJump is the largest gap in the talker's numbering that is passed on as loss; a larger one is a new beginning.
	maxJump = 500
	// stillGap is the pause from which the talker's timestamp is compared with the clock.
	stillGap = 200 * time.Millisecond
)

// slot is one receive stream of the page. What goes out on it is one RTP stream for ever: sequence numbers without a
// break, timestamps that follow the wall clock, whoever talks.
type slot struct {
	ssrc uint32
	pt   uint8
	mid  string

	busy  bool
	gen   uint32 // of the stream on it: a handle with another one is stale
	info  voice.Info
	freed time.Time

	started  bool   // the stream on it has sent
	seqOff   uint16 // out = in + seqOff
	timeOff  uint32
	inSeq    uint16 // highest of the stream
	inTime   uint32
	arrived  time.Time
	high     uint16 // highest sequence number sent
	sentMask uint64 // bit i: high-i was sent
	last     uint32 // highest timestamp sent
	anchor   time.Time
	anchorTS uint32

	packets, octets uint32 // for sender reports
	reported        uint32 // packets at the last one
}

// handleOf packs a slot's index and generation into the handle that the switch gives back.
func handleOf(index int, gen uint32) int { return int(gen)<<8 | index }

// slotOf is the index in a handle.
func slotOf(handle int) int { return handle & 0xFF }

func (t *slot) owns(handle int) bool {
	return t.busy && t.gen == uint32(handle>>8)&genMask
}

const genMask = 1<<22 - 1 // a handle fits into 31 bits, so into int everywhere

func (t *slot) take(info voice.Info) {
	t.busy, t.info, t.started = true, info, false
	t.gen = (t.gen + 1) & genMask
}

// clock is the timestamp of a moment.
func (t *slot) clock(now time.Time) uint32 {
	return t.anchorTS + uint32(int64(now.Sub(t.anchor))*(opusClock/1000)/int64(time.Millisecond))
}

// stamp says with which sequence number, timestamp and marker a packet goes out. ok is false for one whose
// number has been used: under one key and SSRC that must never happen twice.
func (t *slot) stamp(p *voice.Packet, now time.Time) (seq uint16, ts uint32, marker, ok bool) {
	marker = p.Marker
	switch jump := int16(p.Seq - t.inSeq); {
	case !t.started:
		t.begin(p, now)
		marker = true
	case jump > maxJump || jump < -maxJump:
		t.begin(p, now)
		marker = true
	case jump > 0:
		t.keepTime(p)
		t.inSeq, t.inTime, t.arrived = p.Seq, p.Time, p.Arrived
	}
	seq, ts = p.Seq+t.seqOff, p.Time+t.timeOff
	if !t.use(seq) {
		return 0, 0, false, false
	}
	if int32(ts-t.last) > 0 {
		t.last = ts
	}
	return seq, ts, marker, true
}

// begin maps the talker's numbering onto the slot's: the next sequence number, and the time that it is.
func (t *slot) begin(p *voice.Packet, now time.Time) {
	ts := t.clock(now)
	if next := t.last + opusFrame; int32(ts-next) < 0 {
		ts = next
	}
	t.started = true
	t.seqOff, t.timeOff = t.high+1-p.Seq, ts-p.Time
	t.inSeq, t.inTime, t.arrived = p.Seq, p.Time, p.Arrived
}

// keepTime moves the timestamps on when the talker's stood still over a pause: a browser whose clock of arrivals
// and timestamps disagree keeps the difference as delay.
func (t *slot) keepTime(p *voice.Packet) {
	wall := p.Arrived.Sub(t.arrived)
	if wall < stillGap || wall > time.Hour {
		return
	}
	passed := uint32(int64(wall) * (opusClock / 1000) / int64(time.Millisecond))
	if stood := int32(p.Time - t.inTime); int64(stood) < int64(passed)/2 {
		t.timeOff += passed - uint32(stood)
	}
}

// use marks a sequence number as sent; it reports false when it was, or is too old to tell.
func (t *slot) use(seq uint16) bool {
	ahead := int16(seq - t.high)
	switch {
	case ahead > 0:
		t.sentMask = t.sentMask<<uint(ahead) | 1
		t.high = seq
		return true
	case ahead <= -64 || t.sentMask&(1<<uint(-ahead)) != 0:
		return false
	}
	t.sentMask |= 1 << uint(-ahead)
	return true
}

// lessUrgent orders streams: emergency first, then precedence.
func lessUrgent(a, b *voice.Info) bool {
	if a.Emergency != b.Emergency {
		return b.Emergency
	}
	return a.Precedence > b.Precedence
}

// pick finds the slot for a stream: the one that is free for longest, else the least urgent one, if it is less urgent
// than the newcomer. It returns -1 when there is none.
func pick(slots []slot, info *voice.Info) (index int, stolen bool) {
	free, least := -1, -1
	for i := range slots {
		t := &slots[i]
		switch {
		case !t.busy && (free < 0 || t.freed.Before(slots[free].freed)):
			free = i
		case t.busy && (least < 0 || lessUrgent(&t.info, &slots[least].info)):
			least = i
		}
	}
	if free >= 0 {
		return free, false
	}
	if least >= 0 && lessUrgent(&slots[least].info, info) {
		return least, true
	}
	return -1, false
}

// sink is the listening half of a session. Every call of Session.Sink gives another one; all share the slots.
type sink struct {
	session *Session
	name    string
}

func (k *sink) Outlet() voice.Outlet { return k.session.server }
func (k *sink) Format() codec.Params { return codec.Params{ID: codec.Opus} }
func (k *sink) SingleStream() bool   { return false }
func (k *sink) String() string       { return k.name }

// Begin puts a stream on a slot. The handle's low 8 bits are the slot.
func (k *sink) Begin(info voice.Info) (handle int, ok bool) {
	x := k.session
	x.slotMu.Lock()
	defer x.slotMu.Unlock()
	if x.closed.Load() {
		return 0, false
	}
	x.out.Lock()
	i, stolen := pick(x.slots, &info)
	if i < 0 {
		x.out.Unlock()
		x.server.count.full.Add(1)
		return 0, false
	}
	t := &x.slots[i]
	t.take(info)
	handle = handleOf(i, t.gen)
	x.out.Unlock()
	if stolen {
		x.server.count.stolen.Add(1)
	}
	x.events.Slot(i, &info)
	return handle, true
}

// End frees the slot, unless a more urgent stream has it by now.
func (k *sink) End(_ voice.Info, handle int) {
	x := k.session
	x.slotMu.Lock()
	defer x.slotMu.Unlock()
	i := slotOf(handle)
	x.out.Lock()
	if i >= len(x.slots) || !x.slots[i].owns(handle) {
		x.out.Unlock()
		return
	}
	t := &x.slots[i]
	t.busy, t.info, t.freed = false, voice.Info{}, x.server.cfg.Now()
	x.out.Unlock()
	if !x.closed.Load() {
		x.events.Slot(i, nil)
	}
}
