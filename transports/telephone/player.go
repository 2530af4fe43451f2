package telephone

import (
	"time"

	"github.com/guantong-net/guantong/fusion/desk"
)

// player plays one clip on one call, with a goroutine for as long as it plays.
type player struct {
	stop   chan struct{}
	signal bool // an answer of the floor: it is heard over a stream
}

// Play implements desk.Line.
func (c *call) Play(t desk.Tone) {
	cl, loop, ok := program(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.player != nil && !c.player.signal {
		c.stopLocked()
	}
	if ok {
		c.playLocked(cl, true, loop, false)
	}
}

// stopLocked stops what plays. The caller holds c.mu.
func (c *call) stopLocked() {
	if c.player != nil {
		close(c.player.stop)
		c.player = nil
		c.muteStream.Store(false)
	}
}

// playLocked starts a clip in place of the one that plays.
func (c *call) playLocked(cl clip, words, loop, signal bool) {
	if c.state == ended || c.params.ID == 0 {
		return
	}
	c.stopLocked()
	p := &player{stop: make(chan struct{}), signal: signal}
	c.player = p
	c.muteStream.Store(signal)
	params := c.params
	c.s.background.Go(func() {
		frames, err := c.s.library.frames(cl, words, params)
		if err != nil {
			c.s.deps.Log.Error("telephone: prompt", "error", err)
		}
		for err == nil && c.playOnce(p, frames) && loop && wait(p.stop, cl.pause) {
		}
		c.mu.Lock()
		if c.player == p {
			c.player = nil
			c.muteStream.Store(false)
		}
		c.mu.Unlock()
	})
}

// playOnce sends the frames, one each 20 ms by the wall clock. It reports whether it came to the end.
func (c *call) playOnce(p *player, frames [][]byte) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	buf := new(scratch)
	for i, f := range frames {
		c.m.frame(buf, f, i == 0, c.s.now())
		select {
		case <-p.stop:
			return false
		case <-tick.C:
		}
	}
	return true
}

func wait(stop <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-stop:
		return false
	case <-t.C:
		return true
	}
}
