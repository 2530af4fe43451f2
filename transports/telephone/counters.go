package telephone

import "sync/atomic"

// Counters count what happened since the start. They only grow; the gauges are methods of Server.
type Counters struct {
	Malformed     atomic.Uint64 // messages that are not SIP, or too long
	Limited       atomic.Uint64 // dropped because their source, or all strangers together, sent too much
	Challenged    atomic.Uint64 // answered 401 from the datagram alone
	AuthFailed    atomic.Uint64 // a digest that is wrong, or for nobody
	AuthStale     atomic.Uint64 // a nonce that was too old or used before
	Registered    atomic.Uint64 // registrations accepted, refreshes included
	CallsIn       atomic.Uint64
	CallsOut      atomic.Uint64
	CallsRefused  atomic.Uint64 // before the switchboard saw them
	CallsSilent   atomic.Uint64 // cleared away because the peer was gone
	BadSDP        atomic.Uint64
	BadInfo       atomic.Uint64
	BadRTP        atomic.Uint64 // datagrams on a media port that are no RTP or RTCP of the call
	BadEvent      atomic.Uint64 // telephone-events that are malformed
	ForeignRTP    atomic.Uint64 // media from a source that is not the call's
	SendFailed    atomic.Uint64 // RTP packets that the kernel did not take
	ConnsRefused  atomic.Uint64
	Keys          atomic.Uint64 // key presses told to a seat
	KeysCollapsed atomic.Uint64 // the same press, heard a second way
	PacketsIn     atomic.Uint64
	PacketsOut    atomic.Uint64
}

// Each calls f with each counter's name, in snake_case without unit, and its value.
func (c *Counters) Each(f func(name string, value uint64)) {
	for _, e := range []struct {
		name string
		v    *atomic.Uint64
	}{
		{"sip_malformed", &c.Malformed}, {"sip_limited", &c.Limited}, {"sip_challenged", &c.Challenged},
		{"sip_auth_failed", &c.AuthFailed}, {"sip_auth_stale", &c.AuthStale}, {"sip_registered", &c.Registered},
		{"calls_in", &c.CallsIn}, {"calls_out", &c.CallsOut}, {"calls_refused", &c.CallsRefused},
		{"calls_silent", &c.CallsSilent}, {"sdp_bad", &c.BadSDP}, {"info_bad", &c.BadInfo}, {"rtp_bad", &c.BadRTP},
		{"telephone_event_bad", &c.BadEvent}, {"rtp_foreign", &c.ForeignRTP}, {"rtp_send_failed", &c.SendFailed},
		{"sip_conns_refused", &c.ConnsRefused}, {"keys", &c.Keys}, {"keys_collapsed", &c.KeysCollapsed},
		{"rtp_packets_in", &c.PacketsIn}, {"rtp_packets_out", &c.PacketsOut},
	} {
		f(e.name, e.v.Load())
	}
}
