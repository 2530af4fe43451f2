package voice

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// TestBeginAndEndFrameEveryPacketUnderChurn attaches, detaches, talks and closes from many goroutines. fakeSink checks the
// contract; afterwards nothing is left over.
func TestBeginAndEndFrameEveryPacketUnderChurn(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	sw := New(Config{}, Deps{Ticker: fastTicker})
	out := newFakeOutlet()
	ids := []codec.ID{codec.Opus, codec.PCMA, codec.G722}
	var sinks []*fakeSink
	for i := range 12 {
		sinks = append(sinks, newFakeSink(t, out, ids[i%3], i%2 == 0))
	}
	sinks[5].refuse = true
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(seed, uint64(n)))
			for round := range 8 {
				churn(t, sw, sinks, ids[(n+round)%3], rng)
			}
		}()
	}
	wg.Wait()
	deadline := time.After(20 * time.Second)
	for sw.Stats().Streams != 0 || sw.Stats().Transcodings != 0 {
		select {
		case <-deadline:
			t.Fatalf("left over: %+v", sw.Stats())
		case <-time.After(time.Millisecond):
		}
	}
	for i, s := range sinks {
		if b, e := s.counts(); b != e || len(s.open) != 0 {
			t.Errorf("sink %d: %d Begin, %d End", i, b, e)
		}
	}
	sw.mu.Lock()
	ears, mixes := len(sw.ears), len(sw.mixes)
	sw.mu.Unlock()
	if ears != 0 || mixes != 0 {
		t.Errorf("%d ears and %d mixes left over", ears, mixes)
	}
	sw.Close()
}

// fastTicker runs twenty times as fast as the clock on the wall, so that ticks meet everything else.
func fastTicker(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(d / 20)
	return t.C, t.Stop
}

func churn(t *testing.T, sw *Switch, sinks []*fakeSink, id codec.ID, rng *rand.Rand) {
	self := sinks[rng.IntN(len(sinks))]
	s := sw.Open(info(byte(rng.IntN(200)+1)), id, nil, self)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pick := rand.New(rand.NewPCG(rng.Uint64(), 2))
		for range 60 {
			sink := sinks[pick.IntN(len(sinks))]
			if pick.IntN(3) == 0 {
				s.Detach(sink)
			} else {
				s.Attach(sink, pick.IntN(2) == 0)
			}
		}
	}()
	k := newTalker(t, s)
	pcm := voiceLike(FrameTime, 1)
	for range 30 {
		s.Push(k.packet(pcm, time.Now()))
		s.Listeners()
	}
	<-done
	s.Close()
	select {
	case <-s.Done():
	case <-time.After(20 * time.Second):
		t.Errorf("does not end: %+v", s.Stats())
	}
}

func TestADetachFromInsideDeliverDoesNotLockUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		defer sw.Close()
		s := sw.Open(info(1), codec.PCMA, nil, nil)
		for _, id := range []codec.ID{codec.PCMA, codec.G722} {
			hang := &hangUp{s: s, id: id}
			s.Attach(hang, false)
		}
		newTalker(t, s).say(voiceLike(time.Second, 1))
		if n := s.Listeners(); n != 0 {
			t.Errorf("%d listeners left", n)
		}
		s.Close()
		<-s.Done()
	})
}

// hangUp is a leg whose socket fails with the first packet.
type hangUp struct {
	s    *Stream
	id   codec.ID
	ends int
}

func (h *hangUp) Outlet() Outlet            { return h }
func (h *hangUp) Format() codec.Params      { return codec.Params{ID: h.id} }
func (h *hangUp) SingleStream() bool        { return true }
func (h *hangUp) Begin(Info) (int, bool)    { return 0, true }
func (h *hangUp) End(Info, int)             { h.ends++ }
func (h *hangUp) Deliver(*Packet, []Target) { h.s.Detach(h) }

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := New(Config{}, Deps{})
		out := newFakeOutlet()
		var streams []*Stream
		sink := newFakeSink(t, out, codec.Opus, true)
		for i := range 3 {
			s := sw.Open(info(byte(i+1)), codec.PCMA, nil, nil)
			s.Attach(sink, false)
			streams = append(streams, s)
		}
		sw.Close()
		sw.Close()
		for _, s := range streams {
			<-s.Done()
			s.Push(&Packet{Codec: codec.PCMA, Payload: make([]byte, 160)})
			s.Close()
		}
		late := sw.Open(info(9), codec.PCMA, nil, nil)
		<-late.Done()
		late.Close()
		if b, e := sink.counts(); b != 3 || e != 3 {
			t.Errorf("%d Begin, %d End", b, e)
		}
	})
}

func TestBadPacketsAreCountedAndPassToNobody(t *testing.T) {
	sw := New(Config{}, Deps{})
	defer sw.Close()
	out := newFakeOutlet()
	s := sw.Open(info(1), codec.Opus, nil, nil)
	sink := newFakeSink(t, out, codec.Opus, false)
	s.Attach(sink, false)
	for _, p := range []*Packet{
		{Codec: codec.Opus}, {Codec: codec.PCMA, Payload: make([]byte, 160)}, {Codec: codec.Opus, Payload: []byte{31<<3 | 3, 60}},
		{Codec: codec.Opus, Payload: make([]byte, 5000)},
	} {
		s.Push(p)
	}
	if st := s.Stats(); st.Dropped != 4 || st.Packets != 0 || len(out.packets(sink)) != 0 {
		t.Errorf("%+v", st)
	}
}
