package journal

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/guantong-net/guantong/fusion/journal/ogg"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

type codecID = codec.ID

// maxGap is the longest silence that is kept as silence inside a recording; a talker's clock that jumps further is not believed.
const maxGap = 10 * 48000

func appendFrame(dst []byte, f frame) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.payload)))
	dst = binary.BigEndian.AppendUint16(dst, f.seq)
	dst = binary.BigEndian.AppendUint32(dst, f.stamp)
	dst = binary.BigEndian.AppendUint32(dst, f.at)
	return append(dst, f.payload...)
}

func cutFrame(b []byte) (f frame, rest []byte, ok bool) {
	if len(b) < frameHead {
		return frame{}, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	f = frame{seq: binary.BigEndian.Uint16(b[2:]), stamp: binary.BigEndian.Uint32(b[4:]), at: binary.BigEndian.Uint32(b[8:])}
	f.payload = b[frameHead : frameHead+n]
	return f, b[frameHead+n:], true
}

// sink is the file of one recording.
type sink struct {
	f      *os.File
	name   string
	synced time.Time
	dirty  bool
	framed *framedWriter
	opus   *opusFile
}

func newSink(dir, name string, m meta, id codecID) (*sink, error) {
	if id == codec.Opus {
		name += ".ogg"
	} else {
		name += ".rec"
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s := &sink{f: f, name: name, synced: time.Now()}
	if id == codec.Opus {
		s.opus, err = newOpusFile(f, m)
	} else {
		s.framed, err = newFramedWriter(f, m)
	}
	if err != nil {
		s.abandon()
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return s, nil
}

// frames writes packets.
func (s *sink) frames(b []byte) error {
	for {
		f, rest, ok := cutFrame(b)
		if !ok {
			return nil
		}
		b, s.dirty = rest, true
		var err error
		if s.opus != nil {
			err = s.opus.packet(f)
		} else {
			err = s.framed.packet(f)
		}
		if err != nil {
			return err
		}
	}
}

// flush makes what was written survive a crash, and now and then (synced) a power cut.
func (s *sink) flush(now time.Time) (synced bool, err error) {
	if s.opus != nil {
		if err := s.opus.w.Flush(); err != nil {
			return false, err
		}
	}
	if !s.dirty || now.Sub(s.synced) < syncEvery {
		return false, nil
	}
	s.synced, s.dirty = now, false
	return true, s.f.Sync()
}

// finish closes and syncs the file and moves it to dir, under a name that says why the burst ended.
func (s *sink) finish(dir, cause string) (string, error) {
	if s.opus != nil {
		if err := s.opus.w.Close(); err != nil {
			return "", err
		}
	}
	if err := s.f.Sync(); err != nil {
		return "", err
	}
	if err := s.f.Close(); err != nil {
		return "", err
	}
	name := cause + "." + s.name
	if err := os.Rename(s.f.Name(), filepath.Join(dir, name)); err != nil {
		return "", err
	}
	return name, syncDir(dir)
}

func (s *sink) abandon() { _ = s.f.Close() }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// opusFile puts packets into Ogg by their timestamps: where packets are missing, empty frames keep the time true.
type opusFile struct {
	w       *ogg.Writer
	started bool
	next    uint32 // timestamp that follows without a gap
	silence [1]byte
}

func newOpusFile(f *os.File, m meta) (*opusFile, error) {
	comments, err := m.comments()
	if err != nil {
		return nil, err
	}
	w, err := ogg.NewWriter(f, binary.BigEndian.Uint32(m.ID[:]), comments)
	if err != nil {
		return nil, err
	}
	return &opusFile{w: w}, nil
}

func (o *opusFile) packet(f frame) error {
	d, err := codec.OpusDuration(f.payload)
	if err != nil {
		return nil // the switch has refused it already; a recording holds only what can be played
	}
	samples := int(d * 48 / time.Millisecond)
	if o.started {
		switch gap := int32(f.stamp - o.next); {
		case gap < 0 && gap > -maxGap:
			return nil // late: its place is taken
		case gap > 0 && gap <= maxGap:
			if err := o.quiet(int(gap)); err != nil {
				return err
			}
		}
	}
	o.started = true
	o.next = f.stamp + uint32(samples)
	o.silence[0] = f.payload[0] &^ 3 // its configuration, one frame
	return o.w.Packet(f.payload, samples)
}

// quiet fills a gap with empty frames (RFC 7845 §4.1): a decoder conceals them.
func (o *opusFile) quiet(samples int) error {
	d, err := codec.OpusDuration(o.silence[:])
	if err != nil {
		return nil
	}
	for step := int(d * 48 / time.Millisecond); samples >= step; samples -= step {
		if err := o.w.Packet(o.silence[:], step); err != nil {
			return err
		}
	}
	return nil
}
