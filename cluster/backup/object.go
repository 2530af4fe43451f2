package backup

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/guantong-net/guantong/fusion/sealed"
)

const (
	manifestName = "manifest"
	objectDir    = "objects"
	scratch      = "scratch" // what is being written
	purpose      = "backup"
)

// box is a backup's directory.
type box struct {
	dir    string
	key    []byte
	random io.Reader
}

// place is where the object of a hash lies. With a key the name tells nobody who has the same content that it is in here.
func (b box) place(hash string) string {
	digits := strings.TrimPrefix(hash, prefix)
	if len(b.key) > 0 {
		mac := hmac.New(sha256.New, b.key)
		mac.Write([]byte("guantong backup object\n" + digits)) // a hash never fails
		digits = hex.EncodeToString(mac.Sum(nil))
	}
	return filepath.Join(b.dir, objectDir, digits[:2], digits)
}

func (b box) has(hash string) bool {
	info, err := os.Stat(b.place(hash))
	return err == nil && info.Mode().IsRegular()
}

// create writes a file into the scratch directory, sealed if there is a key, and synced.
func (b box) create(write func(io.Writer) error) (path string, err error) {
	f, err := os.CreateTemp(filepath.Join(b.dir, scratch), "new-*")
	if err != nil {
		return "", err
	}
	var out io.Writer = f
	var seal *sealed.Writer
	if len(b.key) > 0 {
		if seal, err = sealed.NewWriter(f, b.key, purpose, b.random); err == nil {
			out = seal
		}
	}
	if err == nil {
		err = write(out)
	}
	if err == nil && seal != nil {
		err = seal.Close()
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// store writes an object under the hash of what is written.
func (b box) store(write func(io.Writer) error) (hash string, size int64, err error) {
	sum := &tally{sum: sha256.New()}
	path, err := b.create(func(w io.Writer) error { return write(io.MultiWriter(w, sum)) })
	if err != nil {
		return "", 0, err
	}
	hash = sum.hash()
	return hash, sum.size, b.keep(path, hash)
}

// keep moves a synced file to its place, for good.
func (b box) keep(path, hash string) error {
	to := b.place(hash)
	dir := filepath.Dir(to)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(os.Rename(path, to), syncDir(dir), syncDir(filepath.Dir(dir)))
}

// open gives what an object holds, unsealed. It is not yet held against its hash.
func (b box) open(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if len(b.key) == 0 {
		head := make([]byte, len(sealed.Magic))
		n, _ := io.ReadFull(f, head)
		if string(head[:n]) == sealed.Magic {
			return nil, errors.Join(errors.New("the backup is sealed: its key is needed (-key FILE)"), f.Close())
		}
		_, err := f.Seek(0, io.SeekStart)
		return f, err
	}
	r, err := sealed.NewReader(f, b.key, purpose)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// read gives an entry's content to take, which is told only at its end whether it was what it should be.
func (b box) read(e Entry, take func(io.Reader) error) error {
	r, err := b.open(b.place(e.Hash))
	if errors.Is(err, fs.ErrNotExist) {
		return damaged("%s %s is not there", e.Kind, e.Name)
	}
	if err != nil {
		return fmt.Errorf("%w: %s %s: %w", ErrDamaged, e.Kind, e.Name, err)
	}
	held := &verified{r: io.LimitReader(r, e.Size+1), e: e, sum: tally{sum: sha256.New()}}
	if err = take(held); err == nil {
		_, err = io.Copy(io.Discard, held) // what the taker left
	}
	return errors.Join(err, r.Close())
}

// verified ends with an error when what was read is not what the entry says.
type verified struct {
	r   io.Reader
	e   Entry
	sum tally
}

// Read implements io.Reader.
func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	_, _ = v.sum.Write(p[:n]) // a hash never fails
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("%w: %s %s: %w", ErrDamaged, v.e.Kind, v.e.Name, err)
	}
	if v.sum.size != v.e.Size || v.sum.hash() != v.e.Hash {
		return n, damaged("%s %s is cut or altered", v.e.Kind, v.e.Name)
	}
	return n, io.EOF
}

// tally hashes and counts.
type tally struct {
	sum  hash.Hash
	size int64
}

func (t *tally) Write(p []byte) (int, error) {
	t.size += int64(len(p))
	return t.sum.Write(p)
}

func (t *tally) hash() string { return prefix + hex.EncodeToString(t.sum.Sum(nil)) }

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
