package shelf

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

const (
	smallFile = 8 << 20 // what is not larger is fetched whole before it is opened
	ahead     = 256 << 10
	readLimit = 20 * time.Second
)

// Open opens a content wherever it is. What this node lacks comes from one that has it: a small one whole, so that it is held against its hash and stays here;
// of a large one the ranges that are read, while the whole of it is fetched before all others.
func (k *Keeper) Open(ctx context.Context, name string) (io.ReadSeekCloser, error) {
	f, err := k.store.OpenFile(name)
	if err == nil {
		return f, nil
	}
	if fusion.FaultOf(err) != fusion.NotFound {
		return nil, err
	}
	holders := k.locate(ctx, []string{name})[name]
	for i, from := range holders {
		sizes, failed := k.client.have(ctx, from, []string{name}, false)
		if failed != nil || sizes[0] < 0 {
			continue
		}
		if sizes[0] <= smallFile && k.fetched(ctx, from, name) {
			return k.store.OpenFile(name)
		}
		k.Want(name, Worth{Keep: true, At: k.cfg.Now().UnixMilli()})
		return &remote{k: k, ctx: context.WithoutCancel(ctx), from: holders[i:], name: name, size: sizes[0]}, nil
	}
	return nil, err
}

// fetched brings a content here, and reports whether it is.
func (k *Keeper) fetched(ctx context.Context, from Peer, name string) bool {
	err := k.get(ctx, from, name, false)
	return err == nil || fusion.ReasonOf(err) == "file_here"
}

// remote is a content on other nodes. It is for one goroutine.
type remote struct {
	k    *Keeper
	ctx  context.Context
	from []Peer // who has it, the first is asked
	name string
	size int64
	at   int64
	buf  bytes.Buffer // what follows at
}

// Read implements io.Reader. When the node that it reads from dies it goes on at another one.
func (r *remote) Read(b []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	var err error
	for r.buf.Len() == 0 && len(r.from) > 0 {
		if err = r.fill(); err != nil {
			r.buf.Reset()
			r.from = r.from[1:]
		}
	}
	if r.buf.Len() == 0 {
		return 0, errors.Join(err, errLink)
	}
	n, err := r.buf.Read(b)
	r.at += int64(n)
	return n, err
}

func (r *remote) fill() error {
	ctx, cancel := context.WithTimeout(r.ctx, readLimit)
	defer cancel()
	size, err := r.k.client.fetch(ctx, r.from[0], r.name, r.at, ahead, false, &r.buf)
	if err == nil && size != r.size {
		err = fusion.E(fusion.Broken, "other_size", "%s has changed its size", r.name)
	}
	return err
}

// Seek implements io.Seeker.
func (r *remote) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.at, fusion.E(fusion.BadRequest, "bad_range", "before the beginning of %s", r.name)
	}
	if offset != r.at {
		r.buf.Reset()
	}
	r.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *remote) Close() error {
	r.buf.Reset()
	return nil
}
