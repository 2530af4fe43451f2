package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/guantong-net/guantong/clients/webrtc"
	"github.com/guantong-net/guantong/cluster/live"
)

// metrics registers what every part counts.
func (s *server) metrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, f func() uint64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "guantong_" + name, Help: help}, func() float64 { return float64(f()) }))
	}
	gauge := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "guantong_" + name, Help: help}, f))
	}
	c := s.phones.Counters()
	counter("sip_malformed_total", "SIP messages that are not SIP, or too long.", c.Malformed.Load)
	counter("sip_limited_total", "SIP messages dropped because their source sent too much.", c.Limited.Load)
	counter("sip_challenged_total", "SIP requests answered by a challenge from the datagram alone.", c.Challenged.Load)
	counter("sip_auth_failed_total", "SIP requests with a wrong digest.", c.AuthFailed.Load)
	counter("sip_registered_total", "Registrations accepted.", c.Registered.Load)
	counter("sip_calls_in_total", "Calls that came in.", c.CallsIn.Load)
	counter("sip_calls_out_total", "Calls placed.", c.CallsOut.Load)
	counter("sip_calls_refused_total", "Calls refused before the switchboard saw them.", c.CallsRefused.Load)
	counter("sip_bad_sdp_total", "Session descriptions that could not be used.", c.BadSDP.Load)
	counter("sip_bad_info_total", "SIP INFO requests that carry no key that can be read.", c.BadInfo.Load)
	counter("sip_connections_refused_total", "SIP connections closed because there were too many.", c.ConnsRefused.Load)
	counter("sip_calls_silent_total", "Calls cleared away because the other side was gone.", c.CallsSilent.Load)
	counter("rtp_bad_total", "Datagrams on a telephone's media port that are no RTP or RTCP of the call.", c.BadRTP.Load)
	counter("rtp_foreign_total", "Media packets from a source that is not the call's.", c.ForeignRTP.Load)
	counter("rtp_bad_event_total", "Telephone events that are malformed.", c.BadEvent.Load)
	counter("rtp_send_failed_total", "RTP packets that the kernel did not take.", c.SendFailed.Load)
	s.mediaMetrics(counter, gauge)
	s.powerMetrics(gauge)
	gauge("sip_registrations", "Extensions that are registered now.", func() float64 { return float64(s.phones.Registrations()) })
	counter("voice_packets_total", "Packets of talkers.", func() uint64 { return s.voice.Stats().Packets })
	counter("voice_dropped_total", "Packets of talkers that were not usable.", func() uint64 { return s.voice.Stats().Dropped })
	counter("voice_encoded_total", "20 ms frames encoded.", func() uint64 { return s.voice.Stats().Encoded })
	gauge("voice_streams", "Streams that are open now.", func() float64 { return float64(s.voice.Stats().Streams) })
	counter("journal_stored_total", "Bursts stored and indexed.", func() uint64 { return s.recorder.Stats().Stored })
	counter("journal_dropped_total", "Packets that a slow disk lost from recordings.", func() uint64 { return s.recorder.Stats().Dropped })
	counter("journal_failed_total", "Bursts that could not be recorded.", func() uint64 { return s.recorder.Stats().Failed })
	gauge("journal_copies", "Recordings of other nodes' bursts that wait for their index entry.", func() float64 { return float64(s.recorder.Stats().Copies) })
	counter("journal_floor_dropped_total", "Floor events that were lost.", s.floorLog.Dropped)
	gauge("disk_free_bytes", "Free octets of the data directory's disk.", func() float64 { return float64(s.node.Status().DiskFree) })
	counter("record_applied_index", "Raft index applied to the state.", func() uint64 { return s.node.Status().Applied })
	gauge("record_age_seconds", "How old what this node knows may be; 0 on the leader.", func() float64 { return s.node.Age().Seconds() })
	gauge("record_held", "Commands accepted here without a quorum, not yet replicated.", func() float64 { return float64(s.node.Held()) })
	gauge("record_fsync_p50_seconds", "How long an append to the log took until it was on the disk, within the last minute: the median.", func() float64 { p50, _, _ := s.node.Fsync(); return p50.Seconds() })
	gauge("record_fsync_p99_seconds", "The same: the 99th percentile. Past nodes.slow_disk a leader hands over.", func() float64 { _, p99, _ := s.node.Fsync(); return p99.Seconds() })
	counter("record_slow_disk_handovers_total", "Times that leadership was handed over because this node's disk was slow.", func() uint64 { return s.node.Status().HandedOver })
	gauge("files_lacking", "Files that the record names and that are not on this node yet.", func() float64 { return float64(s.shelf.Stats().Lacking) })
	gauge("files_nowhere", "Of these, files that no node has that answers.", func() float64 { return float64(s.shelf.Stats().Nowhere) })
	counter("files_fetched_total", "Files that came from other nodes.", func() uint64 { return uint64(s.shelf.Stats().Fetched) })
	counter("files_failed_total", "Attempts to fetch a file that failed.", func() uint64 { return uint64(s.shelf.Stats().Failed) })
	counter("files_sent_bytes_total", "Octets of files sent to other nodes.", func() uint64 { return uint64(s.shelf.Stats().Sent) })
	counter("files_received_bytes_total", "Octets of files that came from other nodes.", func() uint64 { return uint64(s.shelf.Stats().Came) })
	if s.port != nil {
		counter("nodes_refused_total", "Connections to the node port that were refused.", func() uint64 { return s.port.mux.Stats().Refused })
		counter("nodes_limited_total", "Connections to the node port beyond what one source, or all, may have.", func() uint64 { return s.port.mux.Stats().Limited })
		counter("link_strayed_total", "Frames between nodes that could not be read, or not be brought on.", s.link.Strayed)
		gauge("link_nodes_up", "Other nodes that are heard by some way.", func() float64 { return float64(countUp(s.link.Peers(), false)) })
		gauge("link_nodes_direct", "Other nodes that are heard by the path between us.", func() float64 { return float64(countUp(s.link.Peers(), true)) })
	}
	return reg
}

func countUp(peers []live.PeerStatus, direct bool) (n int) {
	for _, p := range peers {
		if p.Up && (p.Direct || !direct) {
			n++
		}
	}
	return n
}

// mediaMetrics registers what the browsers' media port counts.
func (s *server) mediaMetrics(counter func(name, help string, f func() uint64), gauge func(name, help string, f func() float64)) {
	for _, m := range []struct {
		name, help string
		of         func(webrtc.Stats) uint64
	}{
		{"offers_refused_total", "Media offers turned down: malformed, or too many sessions.", func(x webrtc.Stats) uint64 { return x.Refused }},
		{"handshakes_failed_total", "DTLS handshakes that failed.", func(x webrtc.Stats) uint64 { return x.Failed }},
		{"sent_total", "Speech packets sent to browsers.", func(x webrtc.Stats) uint64 { return x.Sent }},
		{"send_failed_total", "Speech packets that the kernel did not take.", func(x webrtc.Stats) uint64 { return x.SendErrors }},
		{"uplink_total", "Speech packets of browsers that were authentic.", func(x webrtc.Stats) uint64 { return x.Uplink }},
		{"bad_stun_total", "STUN messages malformed, of an unknown session, or failing integrity.", func(x webrtc.Stats) uint64 { return x.BadSTUN }},
		{"bad_dtls_total", "DTLS records malformed, of an unknown session, or over a limit.", func(x webrtc.Stats) uint64 { return x.BadDTLS }},
		{"bad_rtp_total", "SRTP packets malformed or failing authentication.", func(x webrtc.Stats) uint64 { return x.BadRTP }},
		{"bad_rtcp_total", "SRTCP packets malformed or failing authentication.", func(x webrtc.Stats) uint64 { return x.BadRTCP }},
		{"replayed_total", "SRTP and SRTCP packets that had come before.", func(x webrtc.Stats) uint64 { return x.Replayed }},
		{"unknown_total", "Datagrams of no known protocol or address.", func(x webrtc.Stats) uint64 { return x.Unknown }},
		{"stale_total", "Speech packets not sent: the slot carries another stream by now.", func(x webrtc.Stats) uint64 { return x.Stale }},
		{"duplicate_total", "Speech packets not sent: their sequence number was used already.", func(x webrtc.Stats) uint64 { return x.Duplicate }},
		{"early_total", "Speech packets not sent: the client was not connected yet.", func(x webrtc.Stats) uint64 { return x.Early }},
	} {
		counter("media_"+m.name, m.help, func() uint64 { return m.of(s.media.Stats()) })
	}
	gauge("media_sessions", "Media sessions of browsers that are open now.", func() float64 { return float64(s.media.Stats().Sessions) })
}

// residentMemory is what the process holds in memory, in octets; 0 where the system does not say.
func residentMemory() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// diskTotal is the size of the disk that holds dir, in octets.
func diskTotal(dir string) int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0
	}
	return int64(st.Blocks) * st.Bsize
}
