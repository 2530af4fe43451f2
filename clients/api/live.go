package api

import (
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/presence"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
)

// talkEvery is the least time between two states of one conversation to one client.
const talkEvery = 100 * time.Millisecond

// live is what changes without being durable, as one client has yet to be told it: only how it is now, so that it never grows beyond what
// there is.
type live struct {
	mu      sync.Mutex
	wake    chan struct{}
	talks   map[fusion.Talk]talk.State
	told    map[fusion.Talk]time.Time
	units   map[fusion.Number]presence.Entry
	calls   map[fusion.ID]wire.CallInfo
	current *wire.Status
}

func newLive() *live {
	return &live{wake: make(chan struct{}, 1), talks: make(map[fusion.Talk]talk.State), told: make(map[fusion.Talk]time.Time),
		units: make(map[fusion.Number]presence.Entry), calls: make(map[fusion.ID]wire.CallInfo)}
}

func (l *live) set(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *live) talk(st talk.State)        { l.set(func() { l.talks[st.Talk] = st }) }
func (l *live) presence(e presence.Entry) { l.set(func() { l.units[e.Unit] = e }) }
func (l *live) call(i wire.CallInfo)      { l.set(func() { l.calls[i.ID] = i }) }
func (l *live) status(st wire.Status)     { l.set(func() { l.current = &st }) }

// due is what is to be told now.
type due struct {
	talks  []talk.State
	units  []presence.Entry
	calls  []wire.CallInfo
	status *wire.Status
	again  time.Duration // when a conversation that was told too lately may be told again; 0: none waits
}

// take empties what is due. A conversation that was told within talkEvery waits.
func (l *live) take(now time.Time) due {
	l.mu.Lock()
	defer l.mu.Unlock()
	var d due
	for t, st := range l.talks {
		if left := talkEvery - now.Sub(l.told[t]); left > 0 {
			if d.again == 0 || left < d.again {
				d.again = left
			}
			continue
		}
		d.talks = append(d.talks, st)
		l.told[t] = now
		delete(l.talks, t)
	}
	for t, at := range l.told {
		if now.Sub(at) > time.Minute {
			delete(l.told, t)
		}
	}
	for n, e := range l.units {
		d.units = append(d.units, e)
		delete(l.units, n)
	}
	for id, i := range l.calls {
		d.calls = append(d.calls, i)
		delete(l.calls, id)
	}
	d.status, l.current = l.current, nil
	return d
}

func msOf(t time.Time) state.Millis {
	if t.IsZero() {
		return 0
	}
	return state.Millis(t.UnixMilli())
}

// talkState is a conversation as a client is told it.
func talkState(st talk.State) wire.TalkState {
	seats := func(in []talk.SeatState) []wire.SeatInfo {
		out := make([]wire.SeatInfo, 0, len(in))
		for _, x := range in {
			out = append(out, wire.SeatInfo{Unit: x.Unit, Name: x.Name, Via: x.Via, Talk: x.Talk})
		}
		return out
	}
	return wire.TalkState{Talk: st.Talk, Patch: st.Patch, Seats: seats(st.Seats), Talker: st.Talker, Name: st.Name, Burst: st.Burst,
		Since: msOf(st.Since), Emergency: st.Emergency, Alarms: st.Alarms, Queue: seats(st.Queue), Hearing: st.Hearing, Deaf: st.Deaf}
}

func presenceOf(e presence.Entry) wire.Presence {
	return wire.Presence{Unit: e.Unit, Online: e.Online, Via: e.Via, Node: e.Node, Since: msOf(e.Since)}
}
