package state_test

import (
	"testing"

	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// BenchmarkApplyMessage applies 256-octet messages to a map: the cost of the state machine without a disk.
func BenchmarkApplyMessage(b *testing.B) {
	s := furnished(b)
	m := post(10002)
	m.Text = ""
	for len(m.Text) < 256 {
		m.Text += "三号大坝水位上涨"
	}
	b.ReportAllocs()
	for b.Loop() {
		s.do(command.MessagePost, m)
	}
	if _, err := state.Hash(s.mem); err != nil {
		b.Fatal(err)
	}
}
