package talk

import "github.com/guantong-net/guantong/fusion/voice"

// A full-duplex call has no floor: every seat that may talk has a stream of its own, which all others hear. A telephone that
// would hear several of them gets them mixed, by the voice switch.

func (r *room) admitDuplex(s *seat) {
	for _, o := range r.order {
		if a := o.out.Load(); a != nil {
			r.attach(a, s, false)
		}
	}
	if !s.opt.MayTalk || s.opt.Monitor {
		return
	}
	a := r.broadcast(s, voice.Info{Burst: r.x.d.NewID(), Talk: s.talk, Talker: s.leg.Unit(), Name: s.opt.Name, Exercise: r.x.d.Exercise()})
	for _, o := range r.order {
		r.attach(a, o, false)
	}
	a.free = true
	s.out.Store(a)
}

func (r *room) dismissDuplex(s *seat) {
	for _, o := range r.order {
		if a := o.out.Load(); a != nil && o != s {
			r.detach(a, s)
		}
	}
	if a := s.out.Swap(nil); a != nil {
		a.cause = "left"
		a.over()
	}
}

func (r *room) rehearDuplex(s *seat) {
	for _, o := range r.order {
		a := o.out.Load()
		switch {
		case a == nil || o == s:
		case s.held:
			r.detach(a, s)
		default:
			r.attach(a, s, false)
		}
	}
}
