package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
)

// Target is where a backup is restored to. Each is given content that was held against its hash by the time it returns, and is to
// put nothing in place before its reader has ended without an error.
type Target interface {
	// HasFile tells whether an earlier run, which was interrupted, has put a content in place.
	HasFile(hash string) bool
	File(hash string, r io.Reader) error
	Extra(name string, r io.Reader) error
	// State and Outbox may open what they are given several times. It is whole.
	State(about About, open func() (io.ReadCloser, error)) error
	Outbox(open func() (io.ReadCloser, error)) error
}

// Open reads what a backup is of, and checks its manifest, but nothing that it names.
func Open(opt Options) (Result, error) { return each(opt, func(Entry) error { return nil }) }

// each visits the entries of a manifest, and gives what they sum up to.
func each(opt Options, visit func(Entry) error) (res Result, err error) {
	b := box{opt.Dir, opt.Key, opt.Random}
	r, err := b.open(filepath.Join(opt.Dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return res, ErrNone
	}
	if err != nil {
		return res, err
	}
	res.About, err = readManifest(r, func(e Entry) error {
		switch e.Kind {
		case File:
			res.Files++
		case Missing:
			res.Missing++
			if len(res.Lacks) < maxLacks {
				res.Lacks = append(res.Lacks, e.Name)
			}
		}
		res.Octets += e.Size
		return visit(e)
	})
	return res, errors.Join(err, r.Close())
}

// Check holds everything in a backup against its hash.
func Check(ctx context.Context, opt Options) (Result, error) {
	return run(ctx, opt, func(b box, e Entry) error {
		return b.read(e, func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
	})
}

// Read restores a backup. The state comes last: without it there is no site, so that one that was interrupted is taken up again.
func Read(ctx context.Context, opt Options, to Target) (Result, error) {
	var state, outbox *Entry
	reused := 0
	res, err := run(ctx, opt, func(b box, e Entry) error {
		switch e.Kind {
		case File:
			if to.HasFile(e.Name) {
				reused++
				return nil
			}
			return b.read(e, func(r io.Reader) error { return to.File(e.Name, r) })
		case Extra:
			return b.read(e, func(r io.Reader) error { return to.Extra(e.Name, r) })
		case State:
			state = &e
		case Outbox:
			outbox = &e
		}
		return b.read(e, func(r io.Reader) error { // whole before it is opened for good
			_, err := io.Copy(io.Discard, r)
			return err
		})
	})
	res.Reused = reused
	if err != nil {
		return res, err
	}
	if state == nil {
		return res, damaged("there is no state in it")
	}
	b := box{opt.Dir, opt.Key, opt.Random}
	if outbox != nil {
		if err := to.Outbox(func() (io.ReadCloser, error) { return b.open(b.place(outbox.Hash)) }); err != nil {
			return res, fmt.Errorf("restore the outbox: %w", err)
		}
	}
	if err := to.State(res.About, func() (io.ReadCloser, error) { return b.open(b.place(state.Hash)) }); err != nil {
		return res, fmt.Errorf("restore the state: %w", err)
	}
	return res, nil
}

// run visits the entries of a backup whose manifest is known to be whole.
func run(ctx context.Context, opt Options, visit func(box, Entry) error) (Result, error) {
	if _, err := Open(opt); err != nil {
		return Result{}, err
	}
	b := box{opt.Dir, opt.Key, opt.Random}
	var seen Progress
	return each(opt, func(e Entry) error {
		if err := ctx.Err(); err != nil || e.Kind == Missing {
			return err
		}
		if opt.Room != nil {
			if err := opt.Room(e.Size); err != nil {
				return err
			}
		}
		if err := visit(b, e); err != nil {
			return err
		}
		if slices.Contains([]Kind{File, State}, e.Kind) {
			seen.Files++
		}
		seen.Octets += e.Size
		if opt.Note != nil {
			opt.Note(seen)
		}
		return nil
	})
}
