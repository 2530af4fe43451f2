package telephone

import (
	"context"
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/fusion/voice/codec"
	"github.com/guantong-net/guantong/fusion/voice/tone"
	"github.com/guantong-net/guantong/testbed/peer"
)

// A telephone without a sound sends no RTP; it answers OPTIONS, so it stays. When its process hangs, it goes.
func TestSilenceEndsNoCallButDeathDoes(t *testing.T) {
	b := newBoard(t)
	s := serve(t, Config{UDP: "127.0.0.1:0", Timers: Timers{PeerSilence: time.Second, PingTimeout: time.Second}},
		book{extension(11001, "1001")}, b, b)
	p := phone(t, peer.Phone{User: "1001", Password: "pw-1001", Server: s.Addr("udp").String()})
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := p.Dial(ctx, "2000"); err != nil {
		t.Fatal(err)
	}
	b.wait("seat", b.has("seated"))
	c := b.lines[0].(*call)
	time.Sleep(4 * time.Second) // four times PeerSilence of a real telephone's real silence
	if s.Calls() != 1 || c.misses.Load() != 0 {
		t.Fatal("a telephone was dropped because nobody talked")
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	b.wait("the end of a peer that hangs", b.has("ended failed"))
	if s.counters.CallsSilent.Load() != 1 {
		t.Error("not counted")
	}
}

// ear is a seat that keeps what is pushed.
type ear struct {
	talk.Seat
	requests, releases int
	pcm                []int16
}

func (e *ear) Request(talk.Request) { e.requests++ }
func (e *ear) Release()             { e.releases++ }
func (e *ear) Leave()               {}
func (e *ear) Push(p *voice.Packet) {
	for i := 0; i+1 < len(p.Payload); i += 2 {
		e.pcm = append(e.pcm, int16(binary.NativeEndian.Uint16(p.Payload[i:])))
	}
}

// speak sends PCM as PCMA packets into a call, as its socket would.
func speak(t *testing.T, c *call, seq *uint16, pcm []int16) {
	t.Helper()
	frames, err := encode(pcm, codec.Params{ID: codec.PCMA})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		*seq++
		c.audio(&voice.Packet{Codec: codec.PCMA, Seq: *seq, Payload: f})
	}
}

func dtmf(t *testing.T, digits string) []int16 {
	t.Helper()
	pat, err := tone.DTMF(digits, 100*time.Millisecond, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 16000*len(digits)/5)
	tone.NewGenerator(pat).Read(pcm)
	return pcm
}

func TestKeysHeardInTheSpeechAreNotPassedOn(t *testing.T) {
	_, targets := legs(t, farEnds(t, 1), false)
	c := targets[0].Sink.(*call)
	e := &ear{}
	c.Sit(e, false)
	var seq uint16
	speak(t, c, &seq, dtmf(t, "*"))
	if e.requests != 1 {
		t.Fatalf("%d requests", e.requests)
	}
	speech := synthesize([]note{{300, 600}})
	speak(t, c, &seq, speech)
	speak(t, c, &seq, dtmf(t, "5"))
	speak(t, c, &seq, synthesize([]note{{0, 200}}))
	if e.releases != 0 || len(e.pcm) < len(speech) {
		t.Fatalf("%d releases, %d samples heard", e.releases, len(e.pcm))
	}
	det := tone.NewDetector()
	if events := det.Feed(e.pcm, nil); len(events) > 0 {
		t.Fatalf("keys passed into the group: %v", events)
	}
	speak(t, c, &seq, dtmf(t, "#"))
	if e.releases != 1 {
		t.Fatalf("%d releases", e.releases)
	}
}

func TestVoicePressesOnlyWhereItIsSwitchedOn(t *testing.T) {
	for _, vad := range []bool{false, true} {
		_, targets := legs(t, farEnds(t, 1), false)
		c := targets[0].Sink.(*call)
		c.account.VAD = vad
		c.events = true
		e := &ear{}
		c.Sit(e, false)
		var seq uint16
		speak(t, c, &seq, synthesize([]note{{0, 500}, {350, 700}}))
		want := 0
		if vad {
			want = 1
		}
		if e.requests != want {
			t.Errorf("switched on %v: %d requests", vad, e.requests)
		}
		if vad && len(e.pcm) < 16000*600/1000 {
			t.Errorf("%d samples of 700 ms passed", len(e.pcm))
		}
		speak(t, c, &seq, synthesize([]note{{0, 1000}}))
		if e.releases != want {
			t.Errorf("switched on %v: %d releases", vad, e.releases)
		}
	}
}
