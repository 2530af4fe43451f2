package backup_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/cluster/backup"
	"github.com/guantong-net/guantong/fusion"
)

// record is a source, and a target, in memory.
type record struct {
	state, outbox string
	files         map[string]string // by hash
	lost          string            // a hash that the record names and the node lacks
	dir           string
	read          int // files that were opened
	stop          int // fail after so many
	put           map[string]string
}

var errPower = errors.New("the power went")

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func newRecord(t *testing.T, files int) *record {
	r := &record{state: "all that was decided", outbox: "held", files: map[string]string{}, dir: t.TempDir(), put: map[string]string{}}
	for i := range files {
		text := strings.Repeat(fmt.Sprint("recording ", i, " "), 10_000)
		r.files[hashOf(text)] = text
	}
	if err := errors.Join(os.Mkdir(filepath.Join(r.dir, "keys"), 0o700), os.WriteFile(filepath.Join(r.dir, "keys", "ca.pem"), []byte("CA"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *record) Point() (uint64, uint64) { return 42, 3 }
func (r *record) Close()                  {}
func (r *record) Save(w io.Writer) error  { _, err := io.WriteString(w, r.state); return err }
func (r *record) SaveOutbox(w io.Writer) (bool, error) {
	_, err := io.WriteString(w, r.outbox)
	return r.outbox != "", err
}
func (r *record) EachFile(visit func(string) error) error {
	names := slices.Sorted(maps.Keys(r.files))
	if r.lost != "" {
		names = append(names, r.lost)
	}
	for _, n := range names {
		if err := visit(n); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) source() backup.Source {
	return backup.Source{
		About: backup.About{Site: 1, SiteName: "县指挥中心", Node: "node-1"}, Data: r.dir,
		Reading: func() (backup.Reading, error) { return r, nil },
		Extra:   func() ([]string, error) { return []string{"keys/ca.pem", "keys/gone"}, nil },
		File: func(hash string) (io.ReadCloser, error) {
			if r.read++; r.stop != 0 && r.read > r.stop {
				return nil, errPower
			}
			text, ok := r.files[hash]
			if !ok {
				return nil, fusion.E(fusion.NotFound, "file_unknown", "not here")
			}
			return io.NopCloser(strings.NewReader(text)), nil
		},
	}
}

func (r *record) HasFile(hash string) bool { return r.put[hash] != "" }
func (r *record) File(hash string, in io.Reader) error {
	if r.read++; r.stop != 0 && r.read > r.stop {
		return errPower
	}
	return r.take(hash, in)
}
func (r *record) Extra(name string, in io.Reader) error { return r.take(name, in) }
func (r *record) take(name string, in io.Reader) error {
	b, err := io.ReadAll(in)
	if err == nil {
		r.put[name] = string(b)
	}
	return err
}
func (r *record) State(_ backup.About, open func() (io.ReadCloser, error)) error {
	in, err := open()
	if err != nil {
		return err
	}
	return errors.Join(r.take("state", in), in.Close())
}
func (r *record) Outbox(open func() (io.ReadCloser, error)) error {
	in, err := open()
	if err != nil {
		return err
	}
	return errors.Join(r.take("outbox", in), in.Close())
}

func options(dir string, key []byte) backup.Options {
	return backup.Options{Dir: dir, Key: key, Random: rand.Reader, Room: func(int64) error { return nil }}
}

var key = bytes.Repeat([]byte{9}, 32)

func TestABackupComesBackAndTellsWhatItLacks(t *testing.T) {
	for _, key := range [][]byte{nil, key} {
		r, dir := newRecord(t, 5), filepath.Join(t.TempDir(), "b")
		r.lost = hashOf("never came to this node")
		res, err := backup.Write(t.Context(), options(dir, key), r.source())
		if err != nil || res.Files != 5 || res.Missing != 1 || !slices.Equal(res.Lacks, []string{r.lost}) || res.About.Index != 42 {
			t.Fatalf("%+v %v", res, err)
		}
		if _, err := backup.Check(t.Context(), options(dir, key)); err != nil {
			t.Fatal(err)
		}
		to := &record{put: map[string]string{}}
		res, err = backup.Read(t.Context(), options(dir, key), to)
		if err != nil || res.Missing != 1 || to.put["state"] != r.state || to.put["outbox"] != "held" || to.put["keys/ca.pem"] != "CA" || len(to.put) != 8 {
			t.Fatalf("%+v %v", res, err)
		}
		for h, text := range r.files {
			if to.put[h] != text {
				t.Errorf("%s came back otherwise", h)
			}
		}
		if key != nil {
			nothingReadable(t, dir, "recording 1", "decided", "指挥", strings.TrimPrefix(hashOf("CA"), "sha256:"))
		}
	}
}

func nothingReadable(t *testing.T, dir string, texts ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) || strings.Contains(path, text) {
				t.Errorf("%s can be read", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnInterruptedBackupGoesOnAndTheOneBeforeStaysWhole(t *testing.T) {
	r, dir := newRecord(t, 6), t.TempDir()
	r.stop = 3
	if _, err := backup.Write(t.Context(), options(dir, nil), r.source()); !errors.Is(err, errPower) {
		t.Fatal(err)
	}
	if _, err := backup.Open(options(dir, nil)); !errors.Is(err, backup.ErrNone) {
		t.Fatalf("half a backup is taken for one: %v", err)
	}
	r.stop = 0
	if res, err := backup.Write(t.Context(), options(dir, nil), r.source()); err != nil || res.Reused != 3 {
		t.Fatalf("%+v %v", res, err)
	}
	// The next one into the same directory takes what is new, dies, and the first one is still there.
	old := maps.Clone(r.files)
	delete(r.files, slices.Sorted(maps.Keys(old))[0])
	r.files[hashOf("new")], r.state, r.read, r.stop = "new", "decided since", 0, 2
	if _, err := backup.Write(t.Context(), options(dir, nil), r.source()); !errors.Is(err, errPower) {
		t.Fatal(err)
	}
	to := &record{put: map[string]string{}}
	if _, err := backup.Read(t.Context(), options(dir, nil), to); err != nil || to.put["state"] != "all that was decided" {
		t.Fatalf("%v", err)
	}
	r.stop = 0
	if res, err := backup.Write(t.Context(), options(dir, nil), r.source()); err != nil || res.Reused < 5 {
		t.Fatalf("%+v %v", res, err)
	}
	to = &record{put: map[string]string{}}
	if _, err := backup.Read(t.Context(), options(dir, nil), to); err != nil || to.put["state"] != "decided since" || to.put[hashOf("new")] != "new" || len(to.put) != 9 {
		t.Fatalf("%v %d", err, len(to.put))
	}
	if n := objects(t, dir); len(n) != 9 {
		t.Errorf("%d objects: what nothing names is still there", len(n))
	}
}

func objects(t *testing.T, dir string) (out []string) {
	t.Helper()
	out, err := filepath.Glob(filepath.Join(dir, "objects", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnInterruptedRestoreGoesOn(t *testing.T) {
	r, dir := newRecord(t, 6), t.TempDir()
	if _, err := backup.Write(t.Context(), options(dir, nil), r.source()); err != nil {
		t.Fatal(err)
	}
	to := &record{put: map[string]string{}, stop: 4}
	if _, err := backup.Read(t.Context(), options(dir, nil), to); !errors.Is(err, errPower) || to.put["state"] != "" {
		t.Fatalf("%v", err)
	}
	to.stop = 0
	if res, err := backup.Read(t.Context(), options(dir, nil), to); err != nil || res.Reused != 4 || to.put["state"] == "" {
		t.Fatalf("%+v %v", res, err)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if _, err := backup.Read(over, options(dir, nil), &record{put: map[string]string{}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestWhateverIsDamagedIsNamedAndNotRestored harms every object in every way.
func TestWhateverIsDamagedIsNamedAndNotRestored(t *testing.T) {
	for _, key := range [][]byte{nil, key} {
		r, dir := newRecord(t, 2), t.TempDir()
		if _, err := backup.Write(t.Context(), options(dir, key), r.source()); err != nil {
			t.Fatal(err)
		}
		for _, path := range append(objects(t, dir), filepath.Join(dir, "manifest")) {
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for what, bad := range map[string][]byte{
				"cut": whole[:len(whole)-2], "empty": {}, "altered": append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1), "longer": append(bytes.Clone(whole), 'x'),
				"another's": []byte("something else"), "gone": nil,
			} {
				err := os.WriteFile(path, bad, 0o600)
				if bad == nil {
					err = errors.Join(err, os.Remove(path))
				}
				if err != nil {
					t.Fatal(err)
				}
				to := &record{put: map[string]string{}}
				_, err = backup.Read(t.Context(), options(dir, key), to)
				if err == nil || to.put["state"] != "" && !strings.HasSuffix(path, "manifest") || !errors.Is(err, backup.ErrDamaged) && !strings.HasSuffix(path, "manifest") {
					t.Errorf("%s, %s: %v", filepath.Base(path), what, err)
				}
				for name, text := range to.put {
					if want, is := r.files[name]; is && want != text {
						t.Errorf("%s was restored from what was %s", name, what)
					}
				}
				if err := os.WriteFile(path, whole, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := backup.Check(t.Context(), options(dir, key)); err != nil {
			t.Error(err)
		}
	}
}

func TestADirectoryOfSomethingElseAndAnotherKeyAreRefused(t *testing.T) {
	r, dir := newRecord(t, 1), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "photo.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Write(t.Context(), options(dir, nil), r.source()); err == nil || !strings.Contains(err.Error(), "photo.jpg") {
		t.Error(err)
	}
	dir = t.TempDir()
	if _, err := backup.Write(t.Context(), options(dir, key), r.source()); err != nil {
		t.Fatal(err)
	}
	for _, other := range [][]byte{nil, bytes.Repeat([]byte{1}, 32)} {
		if _, err := backup.Write(t.Context(), options(dir, other), r.source()); err == nil {
			t.Error("a backup is continued under another key")
		}
		if _, err := backup.Read(t.Context(), options(dir, other), &record{put: map[string]string{}}); err == nil {
			t.Error("a backup is read with another key")
		}
	}
	full := options(t.TempDir(), nil)
	full.Room = func(int64) error { return fusion.E(fusion.Full, "disk_reserve", "") }
	if _, err := backup.Write(t.Context(), full, r.source()); fusion.FaultOf(err) != fusion.Full {
		t.Error(err)
	}
}

func TestTheNodesOwnDamageIsNotBackedUpUnseen(t *testing.T) {
	r := newRecord(t, 1)
	h := slices.Sorted(maps.Keys(r.files))[0]
	r.files[h] += "x"
	if _, err := backup.Write(t.Context(), options(t.TempDir(), nil), r.source()); err == nil || !strings.Contains(err.Error(), h) {
		t.Error(err)
	}
}

func FuzzManifest(f *testing.F) {
	about := `{"format":"guantong backup 1","site":1}` + "\n"
	f.Add(about + `{"kind":"extra","name":"../../etc/passwd","size":1,"hash":"` + hashOf("x") + `"}` + "\n")
	f.Add(about + `{"kind":"file","name":"` + hashOf("x") + `","size":-1,"hash":"` + hashOf("x") + `"}` + "\n")
	f.Add(about + `{"entries":0,"manifest_hash":"` + hashOf(about) + `"}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "manifest"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		to := &record{put: map[string]string{}}
		if _, err := backup.Read(t.Context(), options(dir, nil), to); err == nil {
			t.Error("restored from nothing")
		}
	})
}
