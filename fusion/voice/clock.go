package voice

import "time"

// lateFrames is how many ticks are made up for when the clock was late; more are left out.
const lateFrames = 5

// wind starts the clock's goroutine if it does not run. Its owner is the Switch: it ends with the last feed or with Close.
// Switch.mu is held.
func (sw *Switch) wind() {
	if sw.running || sw.closed {
		return
	}
	sw.running = true
	sw.wg.Add(1)
	go sw.run()
}

func (sw *Switch) run() {
	defer sw.wg.Done()
	c, stop := sw.deps.Ticker(FrameTime)
	defer stop()
	next := sw.deps.Now().Add(FrameTime)
	for {
		select {
		case <-sw.quit:
			return
		case <-c:
		}
		now := sw.deps.Now()
		if now.Sub(next) > lateFrames*FrameTime || next.Sub(now) > FrameTime {
			next = now // the clock has jumped
		}
		for n := 0; !next.After(now.Add(FrameTime / 2)); n++ {
			if n > 0 {
				sw.stats.lateTicks.Add(1)
			}
			if !sw.tick(next) {
				return
			}
			next = next.Add(FrameTime)
		}
	}
}

// tick makes and delivers one frame of everything. It reports false when there is nothing left to do.
func (sw *Switch) tick(now time.Time) bool {
	sw.mu.Lock()
	if len(sw.feeds) == 0 || sw.closed {
		sw.running = false
		sw.mu.Unlock()
		return false
	}
	sw.ticking = true
	feeds, mixes := sw.feeds, sw.mixes
	for _, f := range feeds {
		f.run = f.encodings
	}
	for _, x := range mixes {
		x.run = x.encodings
	}
	sw.mu.Unlock()
	for _, f := range feeds {
		f.serve(sw, now)
	}
	for _, x := range mixes {
		x.serve(sw, now)
	}
	sw.mu.Lock()
	sw.ticking = false
	todo := sw.parked
	sw.parked = nil
	for _, f := range feeds {
		todo = sw.reap(f, todo)
	}
	todo = append(todo, sw.stranded...)
	sw.stranded = nil
	sw.mu.Unlock()
	sw.settleAll(todo)
	return true
}

// serve makes, codes and delivers this tick's frame of a feed.
func (f *feed) serve(sw *Switch, now time.Time) {
	f.next(now)
	if f.active {
		sw.stats.frames.Add(1)
	}
	for _, e := range f.run {
		e.send(sw, &f.pcm, f.active, now)
	}
}

// reap moves a leg that has caught up to the common route, and lets go those whose stream is over. Switch.mu is held.
func (sw *Switch) reap(f *feed, todo []*member) []*member {
	switch {
	case f.gone:
	case f.ended && f.owner != nil:
		f.owner.want = false
		todo = append(todo, f.owner)
	case f.ended:
		for _, m := range f.stream.members {
			if m.own == nil {
				m.want = false
				todo = append(todo, m)
			}
		}
	case f.caughtUp() && f.owner.own == f && !f.stream.draining:
		f.owner.own = nil
		sw.move(f.owner, sw.route(f.owner))
	}
	return todo
}
