package telephone

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sessionTimer is RFC 4028 for one call. Guarded by call.mu, but for setup.
type sessionTimer struct {
	interval time.Duration // 0: the peer asked for none; then OPTIONS finds out whether it lives
	ours     bool          // we refresh
	update   bool          // by UPDATE, else by INVITE
	last     time.Time
	running  bool
}

// readTimer reads what an INVITE or UPDATE asks for; ok is false for an interval below our least (§6).
func readTimer(req *sip.Request, t Timers) (st sessionTimer, ok bool) {
	st.update = has(req, "Allow", "UPDATE")
	h := req.GetHeader("Session-Expires")
	if h == nil {
		h = req.GetHeader("x")
	}
	if h == nil {
		return st, true
	}
	interval, refresher := parseExpires(h.Value())
	if interval == 0 {
		return st, true
	}
	if interval < t.MinSE {
		return st, false
	}
	st.interval = min(interval, 24*time.Hour)
	st.ours = refresher == "uas" || !has(req, "Supported", "timer")
	return st, true
}

// parseExpires reads "1800;refresher=uac".
func parseExpires(v string) (time.Duration, string) {
	parts := strings.Split(v, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(parts[0]), 10, 31)
	if err != nil {
		return 0, ""
	}
	refresher := ""
	for _, p := range parts[1:] {
		if name, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(name), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(value))
		}
	}
	return time.Duration(n) * time.Second, refresher
}

// answer writes the headers of a 2xx (§9).
func (st *sessionTimer) answer(res *sip.Response, req *sip.Request) {
	if st.interval == 0 {
		return
	}
	who := "uac"
	if st.ours {
		who = "uas"
	}
	if has(req, "Supported", "timer") {
		res.AppendHeader(sip.NewHeader("Require", "timer"))
	}
	res.AppendHeader(sip.NewHeader("Session-Expires", seconds(st.interval)+";refresher="+who))
}

// confirmed reads the 2xx to our INVITE or UPDATE (§7.2).
func (st *sessionTimer) confirmed(res *sip.Response, now time.Time) {
	h := res.GetHeader("Session-Expires")
	if h == nil {
		h = res.GetHeader("x")
	}
	if h == nil {
		return
	}
	interval, refresher := parseExpires(h.Value())
	if interval < 30*time.Second {
		return
	}
	st.interval, st.ours = interval, refresher == "uac"
	st.update = has(res, "Allow", "UPDATE")
	st.refreshed(now)
}

func (st *sessionTimer) refreshed(now time.Time) { st.last, st.running = now, true }

// due says what is to be done: our refresh at half the interval, or the end of a session that the peer did not refresh: 32 s
// or a third before it expires, whichever is less (§10).
func (st *sessionTimer) due(now time.Time) (refresh, expired bool) {
	if st.interval == 0 || !st.running {
		return false, false
	}
	age := now.Sub(st.last)
	if st.ours {
		return age >= st.interval/2, age >= st.interval
	}
	return false, age >= st.interval-min(32*time.Second, st.interval/3)
}
