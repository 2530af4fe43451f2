package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/journal/ogg"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// peakCount is how many values the small waveform has.
const peakCount = 64

// lastChance is how long a stopping recorder goes on indexing.
const lastChance = 5 * time.Second

// waiting is a finished recording that is to be indexed.
type waiting struct {
	name string
	b    *state.Burst // once it has been read
}

// indexAll indexes finished recordings, those that a crash left first, until the writer has stopped. What fails is tried again.
func (r *Recorder) indexAll(ctx context.Context, stopped <-chan struct{}) {
	var list []waiting
	for _, name := range r.crash {
		list = append(list, waiting{name: name})
	}
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for {
		list = r.indexSome(ctx, append(list, r.take()...))
		select {
		case <-r.todo:
		case <-retry.C:
		case <-stopped:
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastChance)
			defer cancel()
			r.indexSome(last, append(list, r.take()...))
			return
		}
	}
}

// take gives what has been finished since the last time.
func (r *Recorder) take() (list []waiting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range r.finished {
		list = append(list, waiting{name: name})
	}
	r.finished = nil
	return list
}

// indexSome indexes what it can and gives back the rest. The first failure ends the round: when there is no quorum for one
// there is none for the others; and the next round begins with another one, so that none holds the others up.
func (r *Recorder) indexSome(ctx context.Context, list []waiting) (rest []waiting) {
	for i := range list {
		if ctx.Err() != nil {
			return list[i:]
		}
		if err := r.index(ctx, &list[i]); err != nil {
			r.cfg.Log.Warn("recording not indexed yet", "file", list[i].name, "error", err)
			return append(list[i+1:], list[i])
		}
	}
	return nil
}

// index stores one finished recording and commits its entry. It may be repeated, also after a crash at any of its steps: until
// the entry is committed the file has a name in the recorder's own directory. That second link also says to whoever sweeps the
// content store that the file is still needed.
func (r *Recorder) index(ctx context.Context, w *waiting) error {
	err := r.commit(ctx, w, filepath.Join(r.cfg.Dir, doneDir, w.name), r.cfg.Index)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		id := idIn(w.name)
		if r.waits[id]--; r.waits[id] <= 0 {
			delete(r.waits, id)
		}
	}
	return err
}

// commit is index, of a recording anywhere in the recorder's directory.
func (r *Recorder) commit(ctx context.Context, w *waiting, path string, entry func(context.Context, state.Burst) error) error {
	if err := w.read(path); err != nil {
		if errors.Is(err, ErrFormat) || errors.Is(err, ogg.ErrFormat) {
			return r.setAside(w.name, path, err)
		}
		return err
	}
	keep := path + ".keep" // the entry may fail to commit after the file has moved: then it is still here
	if err := os.Link(path, keep); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	b := *w.b
	var err error
	if b.File, b.Size, err = r.cfg.Files.Adopt(path); err == nil {
		err = entry(ctx, b)
	}
	if err != nil {
		err = errors.Join(err, os.Rename(keep, path))
		if fusion.FaultOf(err) == fusion.BadRequest { // it will never be taken
			return r.setAside(w.name, path, err)
		}
		return err
	}
	r.stored.Add(1)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // renaming onto a link of itself leaves both names
		return err
	}
	return os.Remove(keep)
}

// read makes the index entry, once.
func (w *waiting) read(path string) error {
	if w.b != nil {
		return nil
	}
	b, err := describe(path)
	if err != nil {
		return err
	}
	b.EndCause, _, _ = strings.Cut(w.name, ".")
	w.b = &b
	return nil
}

// setAside keeps a recording that cannot be indexed where an operator finds it.
func (r *Recorder) setAside(name, path string, why error) error {
	r.failed.Add(1)
	r.cfg.Log.Error("recording set aside", "file", name, "error", why)
	if err := os.Remove(path + ".keep"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(path, filepath.Join(r.cfg.Dir, name+".bad"))
}

// recover brings the directory into order after a crash and lists the recordings to be indexed.
func (r *Recorder) recover() ([]string, error) {
	live, err := os.ReadDir(filepath.Join(r.cfg.Dir, liveDir))
	if err != nil {
		return nil, err
	}
	for _, e := range live {
		if _, _, err := r.mend(e.Name()); err != nil {
			return nil, err
		}
	}
	copies, err := r.sealed(copyDir)
	if err != nil {
		return nil, err
	}
	for _, name := range copies {
		r.copies[name] = &kept{name: name, ended: time.Now()}
	}
	names, err := r.sealed(doneDir)
	for _, name := range names {
		r.know(name)
	}
	return names, err
}

// sealed lists the finished recordings of a directory. What was being indexed when the power went has its own name again.
func (r *Recorder) sealed(dir string) ([]string, error) {
	dir = filepath.Join(r.cfg.Dir, dir)
	done, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range done {
		name := e.Name()
		if plain, ok := strings.CutSuffix(name, ".keep"); ok {
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, plain)); err != nil {
				return nil, err
			}
			name = plain
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return names, nil
}

// know remembers the burst ID of a recording that waits, so that no other takes its name.
func (r *Recorder) know(name string) {
	if id := idIn(name); !id.IsZero() {
		r.seen.add(id)
		r.waits[id]++
	}
}

// mend cuts an interrupted recording at its last sound page or packet and hands it on under the name that it gives; none when nothing was said.
func (r *Recorder) mend(name string) (string, meta, error) {
	path := filepath.Join(r.cfg.Dir, liveDir, name)
	s, err := sound(path)
	if err != nil || s.packets == 0 {
		r.cfg.Log.Warn("interrupted recording holds nothing", "file", name)
		return "", s.meta, os.Remove(path)
	}
	if err := cut(path, s.whole); err != nil {
		return "", s.meta, err
	}
	dir := filepath.Join(r.cfg.Dir, s.meta.dir())
	name = "interrupted." + name
	if err := os.Rename(path, filepath.Join(dir, name)); err != nil {
		return "", s.meta, err
	}
	return name, s.meta, syncDir(dir)
}

// cut shortens a file for good.
func cut(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// soundness is how much of a file can be believed.
type soundness struct {
	meta    meta
	whole   int64 // octets
	packets int
	heard   time.Duration
}

// sound reads a file without decoding what was said.
func sound(path string) (s soundness, err error) {
	p, err := openPackets(path)
	if err != nil {
		return s, err
	}
	defer p.close()
	s.meta = p.meta
	for {
		if _, err := p.next(); err != nil {
			s.whole, s.heard = p.whole(), p.heard
			return s, nil
		}
		s.packets++
	}
}

// describe reads a whole recording and makes its index entry.
func describe(path string) (state.Burst, error) {
	p, err := openPackets(path)
	if err != nil {
		return state.Burst{}, err
	}
	defer p.close()
	b := p.meta.burst()
	var w waveform
	if err := play(p, maxDescribed, w.add); err != nil {
		return state.Burst{}, err
	}
	b.Duration, b.Heard = w.samples*1000/codec.PCMRate, p.heard.Milliseconds()
	b.Peaks = w.peaks()
	return b, nil
}

// waveform gathers the largest sample of each 20 ms.
type waveform struct {
	samples int64
	top     []byte
}

func (w *waveform) add(pcm []int16) error {
	for len(pcm) > 0 {
		at := int(w.samples % codec.FrameSamples)
		if at == 0 {
			w.top = append(w.top, 0)
		}
		n := min(len(pcm), codec.FrameSamples-at)
		top := max(int(slices.Max(pcm[:n])), -int(slices.Min(pcm[:n])))
		last := &w.top[len(w.top)-1]
		*last = max(*last, byte(min(255, top>>7)))
		w.samples += int64(n)
		pcm = pcm[n:]
	}
	return nil
}

// peaks makes the small waveform: the largest sample of each part, 0 to 255.
func (w *waveform) peaks() []byte {
	n := min(peakCount, len(w.top))
	out := make([]byte, n)
	for i := range out {
		out[i] = slices.Max(w.top[len(w.top)*i/n : len(w.top)*(i+1)/n])
	}
	return out
}

// packets reads either kind of recording.
type packets struct {
	f      *os.File
	meta   meta
	ogg    *ogg.Reader
	framed *framedReader
	codec  codecID
	heard  time.Duration // of what has been read: without what a gap was filled with
}

func openPackets(path string) (*packets, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	p, err := newPackets(f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	p.f = f
	return p, nil
}

func newPackets(r io.Reader) (*packets, error) {
	p := &packets{}
	br := newPeeker(r)
	var err error
	if br.starts(framedMagic) {
		if p.framed, err = newFramedReader(br); err == nil {
			p.meta = p.framed.meta
		}
	} else if p.ogg, err = ogg.NewReader(br); err == nil {
		p.meta, err = metaFromComments(p.ogg.Comments())
	}
	if err != nil {
		return nil, err
	}
	p.codec = codecNamed(p.meta.Codec)
	return p, nil
}

func (p *packets) close() { _ = p.f.Close() }

func (p *packets) whole() int64 {
	if p.ogg != nil {
		return p.ogg.Whole()
	}
	return p.framed.whole
}

func (p *packets) next() (frame, error) {
	f, err := frame{}, error(nil)
	if p.framed != nil {
		f, err = p.framed.next()
	} else {
		f.payload, err = p.ogg.Next()
	}
	if len(f.payload) > 1 && err == nil { // Opus fills gaps with packets of one octet
		d, _ := codec.Duration(p.codec, f.payload) // what cannot be played was not heard
		p.heard += d
	}
	return f, err
}
