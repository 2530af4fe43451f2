package load

import (
	"context"
	"fmt"
	"time"

	"github.com/guantong-net/guantong/fusion/voice/codec"
	"github.com/guantong-net/guantong/testbed/speech"
)

// opusRate gives packets of about 80 octets, the size that the peers were measured with.
const opusRate = 32000

// OpusFrames codes speech as Opus packets of 20 ms.
func OpusFrames(s speech.Sound) ([][]byte, error) {
	enc, err := codec.NewEncoder(codec.Params{ID: codec.Opus, Bitrate: opusRate})
	if err != nil {
		return nil, fmt.Errorf("load: opus: %w", err)
	}
	s = s.Resample(codec.PCMRate)
	var out [][]byte
	for at := 0; at+codec.FrameSamples <= len(s.Samples); at += codec.FrameSamples {
		var pcm [codec.FrameSamples]int16
		for i := range pcm {
			pcm[i] = speech.Int16(s.Samples[at+i])
		}
		packet, err := enc.Encode(nil, pcm[:])
		if err != nil {
			return nil, fmt.Errorf("load: opus: %w", err)
		}
		out = append(out, packet)
	}
	return out, nil
}

// talk presses, waits for the grant, and sends 50 packets a second.
func (l *browserLeg) talk(ctx context.Context, seconds float64) (int, error) {
	said, err := speech.Load("pilot")
	if err != nil {
		return 0, err
	}
	frames, err := OpusFrames(said.Loop(0.1, min(seconds, 5)))
	if err != nil {
		return 0, err
	}
	press := map[string]any{"t": "press", "id": 3, "talks": []string{l.group}, "request": fmt.Sprintf("%032x", time.Now().UnixNano()), "precedence": "routine"}
	if err := l.socket.Send(press); err != nil {
		return 0, err
	}
	select {
	case <-l.granted:
	case <-time.After(3 * time.Second):
		return 0, fmt.Errorf("load: the talker was not granted the floor")
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	total := int(seconds * 50)
	for i := range total {
		if err := l.media.Send(frames[i%len(frames)], 960, i == 0); err != nil {
			return i, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return i, ctx.Err()
		}
	}
	return total, l.socket.Send(map[string]any{"t": "release", "id": 4, "talks": []string{l.group}})
}
