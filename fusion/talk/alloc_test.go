package talk_test

import (
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// wireNodes hands frames straight to the other exchange, and messages in order.
type wireNodes struct {
	from string
	to   *talk.Exchange
	said chan []byte
}

func (w *wireNodes) Send(_ string, m []byte)  { w.said <- m }
func (w *wireNodes) Broadcast(m []byte)       { w.said <- m }
func (w *wireNodes) Frame(_ string, f []byte) { w.to.Frame(w.from, f) }

// BenchmarkFrameToAnotherNode is one packet of a talker from its leg to a leg at another node: it allocates nothing.
func BenchmarkFrameToAnotherNode(b *testing.B) {
	one, two := &wireNodes{from: "n1", said: make(chan []byte, 64)}, &wireNodes{from: "n2", said: make(chan []byte, 64)}
	x1, x2 := benchExchange(b, "n1", one), benchExchange(b, "n2", two)
	one.to, two.to = x2, x1
	for _, w := range []*wireNodes{one, two} {
		go func() {
			for m := range w.said {
				w.to.Hear(w.from, m)
			}
		}()
	}
	for x, other := range map[*talk.Exchange]string{x1: "n2", x2: "n1"} {
		x.Up(other)
		x.Arbitrate(talk.Arbiter{Node: "n1", Term: 1})
	}
	time.Sleep(300 * time.Millisecond) // a new arbiter waits for what others carry
	alice, bob := newLeg(10101), newLeg(10102)
	sa, err := x1.Join(b.Context(), fusion.GroupTalk(groupA), alice, talk.JoinOptions{MayTalk: true})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := x2.Join(b.Context(), fusion.GroupTalk(groupA), bob, talk.JoinOptions{}); err != nil {
		b.Fatal(err)
	}
	burst := fusion.ID{1}
	sa.Request(talk.Request{ID: burst, Precedence: fusion.Routine})
	p := voice.Packet{Codec: codec.Opus, Payload: []byte{0x48, 1, 2, 3}, Arrived: time.Now()}
	for bob.heard(burst) == 0 {
		sa.Push(&p)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Seq++
		p.Time += 960
		sa.Push(&p)
	}
}

func benchExchange(b *testing.B, self string, n talk.Nodes) *talk.Exchange {
	k := &bench{rec: &recorder{ended: make(map[fusion.ID]string), count: make(map[fusion.ID]int)}}
	k.ids.Store(uint32(self[1]) << 16)
	k.sw = voice.New(voice.Config{}, voice.Deps{})
	b.Cleanup(k.sw.Close)
	d := k.deps()
	d.Self, d.Nodes = self, n
	x := talk.New(d)
	b.Cleanup(x.Close)
	return x
}
