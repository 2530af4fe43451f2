package talk

import (
	"bytes"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/floor"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

func FuzzDecodeWord(f *testing.F) {
	for _, w := range []word{
		{Epoch: 3, Sync: &inventory{Chairs: []chair{{ID: fusion.ID{1}, Talk: fusion.GroupTalk(10001), Name: "张三"}}, Asks: []input{{Kind: floor.Request}}}},
		{Orders: []order{{Type: floor.FloorTaken, To: []fusion.ID{{1}, {2}}}}},
		{States: &states{List: []shownState{{State: State{Talk: fusion.GroupTalk(10001)}}}, All: true}},
		{Begin: &begin{Burst: fusion.ID{1}}}, {End: &ending{Burst: fusion.ID{1}}}, {Note: &noted{At: 1}}, {Refuse: true},
	} {
		b, err := encodeWord(w)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := decodeWord(b)
		if err != nil {
			return
		}
		if _, err := encodeWord(w); err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
	})
}

func FuzzParseFrame(f *testing.F) {
	f.Add(appendFrame(nil, fusion.ID{1}, &voice.Packet{Codec: codec.Opus, Marker: true, Seq: 7, Time: 960, Payload: []byte{0x48}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p voice.Packet
		if parseFrame(b, &p) != nil {
			return
		}
		again := appendFrame(nil, fusion.ID(b[:16]), &p)
		if b[17] <= frameMarker && !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
