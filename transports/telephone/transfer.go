package telephone

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// transfer is a REFER of the far end's (RFC 3515) that the switchboard carries out. It is done when the switchboard
// hangs up the line that was replaced.
type transfer struct {
	s    *Server
	d    *dialog
	once sync.Once
}

// transferTime is how long the switchboard has.
const transferTime = 60 * time.Second

func (s *Server) onRefer(req *sip.Request, tx sip.ServerTransaction) {
	c, d := s.inCall(req, tx)
	if c == nil {
		return
	}
	to := req.ReferTo()
	if to == nil || len(req.GetHeaders("Refer-To")) != 1 || to.Address.User == "" || len(to.Address.User) > 64 {
		s.respond(tx, sip.NewResponseFromRequest(req, 400, "Bad Refer-To", nil))
		return
	}
	tr := &transfer{s: s, d: d}
	c.mu.Lock()
	busy, over := c.transfer != nil, c.state != up
	if !busy && !over {
		c.transfer = tr
	}
	c.mu.Unlock()
	if busy || over {
		s.respond(tx, sip.NewResponseFromRequest(req, 491, "Request Pending", nil))
		return
	}
	s.respond(tx, sip.NewResponseFromRequest(req, 202, "Accepted", nil))
	s.background.Go(func() {
		tr.notify("100 Trying", fmt.Sprintf("active;expires=%d", int(transferTime.Seconds())))
		s.deps.Events.Transfer(c, to.Address.User)
		t := time.NewTimer(transferTime)
		defer t.Stop()
		select {
		case <-c.settled:
		case <-t.C:
			tr.done(c, d, false)
			c.mu.Lock()
			c.transfer = nil
			c.mu.Unlock()
		}
	})
}

// done reports the end, once.
func (t *transfer) done(_ *call, _ *dialog, ok bool) {
	t.once.Do(func() {
		if ok {
			t.notify("200 OK", "terminated;reason=noresource")
		} else {
			t.notify("503 Service Unavailable", "terminated;reason=noresource")
		}
	})
}

// notify sends the state as a sipfrag (RFC 3515 §2.4.4).
func (t *transfer) notify(status, state string) {
	req := t.s.inDialog(t.d, sip.NOTIFY, 0)
	req.AppendHeader(sip.NewHeader("Event", "refer"))
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	ct := sip.ContentTypeHeader("message/sipfrag;version=2.0")
	req.AppendHeader(&ct)
	req.SetBody([]byte("SIP/2.0 " + status + "\r\n"))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := t.s.roundTrip(ctx, req); err != nil {
		t.s.deps.Log.Debug("telephone: NOTIFY", "error", err)
	}
}
