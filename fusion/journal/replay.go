package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/journal/ogg"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// OggType is the media type of what Audio gives.
const OggType = "audio/ogg; codecs=opus"

// RawType is the media type of a recording in the framed container.
const RawType = "application/vnd.guantong.recording"

// replayBitrate is that of speech which was stored in another codec.
const replayBitrate = 24000

// How much of a recording is decoded, in samples. A replay is made in memory: four hours of it are 43 MB.
const (
	maxReplay    = 4 * 3600 * codec.PCMRate
	maxDescribed = 48 * 3600 * codec.PCMRate
)

type peeker struct{ *bufio.Reader }

func newPeeker(r io.Reader) peeker { return peeker{bufio.NewReader(r)} }

func (p peeker) starts(with string) bool {
	b, err := p.Peek(len(with))
	return err == nil && string(b) == with
}

// Audio opens a recording for replay: Ogg Opus, converted when it was stored otherwise, or (raw) as it is stored. The caller closes it.
func (r *Recorder) Audio(b state.Burst, raw bool) (f File, mediaType string, err error) {
	f, err = r.cfg.Files.Open(b.File)
	if err != nil {
		return nil, "", fusion.E(fusion.NotFound, "recording_missing", "recording of %s: %v", b.ID, err)
	}
	if b.Codec == codec.Opus.String() {
		return f, OggType, nil
	}
	if raw {
		return f, RawType, nil
	}
	defer func() { _ = f.Close() }()
	out, err := convert(f)
	if err != nil {
		return nil, "", fmt.Errorf("replay %s: %w", b.ID, err)
	}
	return memory{bytes.NewReader(out)}, OggType, nil
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// convert makes Ogg Opus of any recording.
func convert(r io.Reader) ([]byte, error) {
	p, err := newPackets(r)
	if err != nil {
		return nil, err
	}
	comments, err := p.meta.comments()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	c := &converter{}
	if c.w, err = ogg.NewWriter(&out, binary.BigEndian.Uint32(p.meta.ID[:]), comments); err != nil {
		return nil, err
	}
	if c.enc, err = codec.NewEncoder(codec.Params{ID: codec.Opus, Bitrate: replayBitrate}); err != nil {
		return nil, err
	}
	if err := play(p, maxReplay, c.add); err != nil {
		return nil, err
	}
	if err := c.close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// converter encodes speech as it comes.
type converter struct {
	w      *ogg.Writer
	enc    codec.Encoder
	rest   []int16 // less than a frame
	packet []byte
}

func (c *converter) add(pcm []int16) error {
	c.rest = append(c.rest, pcm...)
	n := 0
	for ; len(c.rest)-n >= codec.FrameSamples; n += codec.FrameSamples {
		if err := c.frame(c.rest[n : n+codec.FrameSamples]); err != nil {
			return err
		}
	}
	c.rest = append(c.rest[:0], c.rest[n:]...)
	return nil
}

func (c *converter) frame(pcm []int16) (err error) {
	if c.packet, err = c.enc.Encode(c.packet[:0], pcm); err != nil {
		return err
	}
	return c.w.Packet(c.packet, 960)
}

func (c *converter) close() error {
	if len(c.rest) > 0 {
		var last [codec.FrameSamples]int16
		copy(last[:], c.rest)
		if err := c.frame(last[:]); err != nil {
			return err
		}
	}
	return c.w.Close()
}

// play gives the speech of a recording at 16 kHz, piece by piece, at most limit samples and one piece more. What is missing is concealed, silences
// are kept, both by the packets' timestamps. A piece is valid until emit returns.
func play(p *packets, limit int, emit func([]int16) error) error {
	id := codecNamed(p.meta.Codec)
	dec, err := codec.NewDecoder(id)
	if err != nil {
		return err
	}
	var pcm []int16
	t := timeline{clock: int64(id.Clock())}
	for have := 0; have < limit; have += len(pcm) {
		f, err := p.next()
		if err != nil {
			return nil
		}
		pcm = pcm[:0]
		if p.framed != nil {
			gap, ok := t.gap(f.stamp, have)
			if !ok {
				continue
			}
			pcm = dec.Conceal(pcm, gap)
		}
		if got, err := dec.Decode(pcm, f.payload); err == nil {
			pcm = got
		}
		if err := emit(pcm); err != nil {
			return err
		}
	}
	return nil
}

// timeline places packets by their timestamps.
type timeline struct {
	clock   int64
	started bool
	first   uint32
}

// gap tells how many samples are missing before the packet; ok is false when its place has gone by.
func (t *timeline) gap(stamp uint32, have int) (missing int, ok bool) {
	if !t.started {
		t.started, t.first = true, stamp-uint32(int64(have)*t.clock/codec.PCMRate)
	}
	at := int64(int32(stamp-t.first)) * codec.PCMRate / t.clock
	gap := at - int64(have)
	if gap < -codec.PCMRate || gap > 10*codec.PCMRate { // the talker's clock jumped: go on from here
		t.first = stamp - uint32(int64(have)*t.clock/codec.PCMRate)
		return 0, true
	}
	return int(max(0, gap)), gap > -codec.FrameSamples/2
}
