package telephone

import (
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
)

// way is how a key press came.
type way uint8

const (
	byEvent way = iota // RFC 4733
	byInfo             // SIP INFO
	byTone             // heard in the speech
)

// sameKey is how far apart two reports of one press by two ways may be.
const sameKey = 400 * time.Millisecond

// keys are the talk keys of a call. Guarded by call.mu.
type keys struct {
	lastKey byte
	lastWay way
	lastAt  time.Time
	eventTS uint32 // of the telephone-event being received
	inEvent bool
	request fusion.ID // of the press that is on
	pressed bool
	offered []crypto // what we offered, until the answer
}

func (k *keys) reset() { k.pressed, k.request = false, fusion.ID{} }

// fresh reports whether a press is a new one, and not the last one heard by another way.
func (k *keys) fresh(key byte, by way, now time.Time) bool {
	same := key == k.lastKey && by != k.lastWay && now.Sub(k.lastAt) < sameKey
	if same {
		return false
	}
	k.lastKey, k.lastWay, k.lastAt = key, by, now
	return true
}

// event takes a telephone-event packet. All packets of one press have one timestamp (RFC 4733 §2.5.1.2).
func (c *call) event(e event, ts uint32) {
	c.mu.Lock()
	again := c.keys.inEvent && c.keys.eventTS == ts
	c.keys.inEvent, c.keys.eventTS = true, ts
	c.mu.Unlock()
	if key := e.key(); key != 0 && !again {
		c.key(key, byEvent)
	}
}

// key takes one press: * asks for the floor, # gives it up. Other keys mean nothing in a conversation.
func (c *call) key(key byte, by way) {
	c.mu.Lock()
	if !c.keys.fresh(key, by, c.s.now()) {
		c.mu.Unlock()
		c.s.counters.KeysCollapsed.Add(1)
		return
	}
	c.mu.Unlock()
	c.s.counters.Keys.Add(1)
	switch key {
	case '*':
		c.press()
	case '#':
		c.unpress()
	}
}

func (c *call) press() {
	c.mu.Lock()
	seat := c.seat
	if seat == nil || c.full || c.keys.pressed {
		c.mu.Unlock()
		return
	}
	c.keys.pressed, c.keys.request = true, c.s.newID()
	req := talk.Request{ID: c.keys.request, Ordinary: true}
	c.mu.Unlock()
	seat.Request(req)
}

func (c *call) unpress() {
	c.mu.Lock()
	seat, was := c.seat, c.keys.pressed
	c.keys.reset()
	c.mu.Unlock()
	if seat != nil && was {
		seat.Release()
	}
}

// Indicate implements talk.Leg: what the floor says becomes a tone, and words where nobody else is heard.
func (c *call) Indicate(i talk.Indication) {
	name := ""
	c.mu.Lock()
	defer c.mu.Unlock()
	switch i.Kind {
	case talk.Granted:
		name = "granted"
		if i.Hearing == 0 {
			name = "granted_alone"
		}
	case talk.Denied, talk.Unqueued:
		name = "denied"
		c.keys.reset()
	case talk.Queued:
		name = "queued"
	case talk.Revoked:
		name = "revoked"
		c.keys.reset()
	case talk.Ended:
		c.keys.reset()
	}
	if name != "" {
		// Words would run into the speech of whoever talks, so they are for when the floor is idle.
		words := i.Talker == 0 && name != "granted"
		c.playLocked(signal(name), words, false, true)
	}
}

// audio takes a packet of the far end's speech. Keys are listened for in it where the telephone sends no telephone-events.
func (c *call) audio(p *voice.Packet) {
	c.mu.Lock()
	seat, heard := c.seat, c.full || c.keys.pressed
	listen := !c.full && !c.events
	c.mu.Unlock()
	if seat == nil {
		return
	}
	c.speech.take(c, seat, p, heard, listen)
}
