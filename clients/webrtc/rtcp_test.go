package webrtc

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestReportsAreWhatPionReadsAndRoundTripTimeComesOut(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	x := &Session{slots: []slot{{ssrc: 100, anchor: now}, {ssrc: 200, anchor: now, packets: 7, octets: 560}}}
	x.report.init(2)
	for i := range 10 {
		if i != 4 {
			x.uplink.note(7, uint16(65530+i), uint32(960*i), now.Add(time.Duration(i)*20*time.Millisecond))
		}
	}
	packets, err := rtcp.Unmarshal(x.compound(nil, now))
	if err != nil {
		t.Fatal(err)
	}
	sr, ok := packets[0].(*rtcp.SenderReport)
	if !ok || sr.SSRC != 200 || sr.PacketCount != 7 || sr.OctetCount != 560 || len(sr.Reports) != 1 {
		t.Fatalf("%v", packets)
	}
	if r := sr.Reports[0]; r.SSRC != 7 || r.TotalLost != 1 || r.FractionLost != 25 || r.LastSequenceNumber != 65530+9 || r.Jitter > 5 {
		t.Errorf("report block: %+v", r)
	}
	answer, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 7, Reports: []rtcp.ReceptionReport{{
		SSRC: 200, TotalLost: 3, Jitter: 480, LastSenderReport: uint32(sr.NTPTime >> 16), Delay: 65536 / 2,
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	later := now.Add(600 * time.Millisecond)
	if !walkRTCP(answer, func(senderInfo) {}, func(b block) { x.reported(b, later) }) {
		t.Fatal("pion's report is malformed")
	}
	if rtt := x.report.rtt; rtt < 99*time.Millisecond || rtt > 101*time.Millisecond {
		t.Errorf("RTT %v, want 100 ms", rtt)
	}
	if x.report.lost[1] != 3 || x.report.jitter[1] != 10*time.Millisecond {
		t.Errorf("lost %d, jitter %v", x.report.lost[1], x.report.jitter[1])
	}
}

func TestMalformedReportsAreRefused(t *testing.T) {
	for _, b := range [][]byte{{0x80}, {0x80, 201, 0, 9, 0, 0, 0, 0}, {0x9F, 201, 0, 1, 0, 0, 0, 0}, {0x80, 200, 0, 1, 0, 0, 0, 0}, {0x00, 200, 0, 1, 0, 0, 0, 0}} {
		if walkRTCP(b, func(senderInfo) {}, func(block) {}) {
			t.Errorf("% X was taken", b)
		}
	}
}
