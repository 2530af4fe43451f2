package telephone

import (
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion/voice"
)

// outlet sends for all calls of a server. The payload is written once; per listener there is a header of
// 12 bytes and one system call.
type outlet struct {
	now     func() time.Time
	scratch sync.Pool
}

func newOutlet(now func() time.Time) *outlet {
	return &outlet{now: now, scratch: sync.Pool{New: func() any { return new(scratch) }}}
}

// Deliver implements voice.Outlet.
func (o *outlet) Deliver(p *voice.Packet, to []voice.Target) {
	if len(p.Payload) > rtpMax-rtpHeader {
		return
	}
	buf := o.scratch.Get().(*scratch)
	n := copy(buf.plain[rtpHeader:], p.Payload)
	now := o.now()
	for i := range to {
		if c, ok := to[i].Sink.(*call); ok {
			c.forward(p, buf, n, now)
		}
	}
	o.scratch.Put(buf)
}
