package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/guantong-net/guantong/fusion"
)

// Format names what the manifest is, in its first line.
const Format = "guantong backup 1"

// About is the manifest's first line: what the backup is of.
type About struct {
	Format      string      `json:"format"`
	Site        fusion.Site `json:"site"`
	SiteName    string      `json:"site_name"`
	Incarnation uint64      `json:"incarnation"`
	Node        string      `json:"node"` // that made it
	Version     string      `json:"version"`
	Cluster     uint32      `json:"cluster_version"`
	Index       uint64      `json:"index"` // of the last log entry that the state holds
	Term        uint64      `json:"term"`
	At          int64       `json:"at"` // milliseconds UTC
}

// Kind says what an entry is.
type Kind string

// The kinds.
const (
	State   Kind = "state"   // the record, as cluster.Reading saves it
	Outbox  Kind = "outbox"  // what the node held
	Extra   Kind = "extra"   // a small file of the data directory, by its path
	File    Kind = "file"    // the content of an attachment or a recording, by its hash
	Missing Kind = "missing" // a file that the record names and the node did not have
)

// Entry is one thing in a backup.
type Entry struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
	Size int64  `json:"size"`
	Hash string `json:"hash,omitempty"` // sha256:…
}

// foot is the manifest's last line.
type foot struct {
	Entries int    `json:"entries"`
	Hash    string `json:"manifest_hash"` // of all lines before
}

const (
	maxLine = 16 << 10
	prefix  = "sha256:"
)

// ErrDamaged reports a backup that is not what was written: the error names the entry.
var ErrDamaged = errors.New("backup: damaged")

// ErrNone reports a directory without a whole backup.
var ErrNone = errors.New("backup: there is no finished backup in the directory")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// check refuses entries that nobody here would write: their names become paths.
func (e Entry) check() error {
	ok := e.Size >= 0
	switch e.Kind {
	case State, Outbox:
		ok = ok && e.Name == string(e.Kind)
	case File, Missing:
		ok = ok && isHash(e.Name) && (e.Kind == Missing || e.Hash == e.Name)
	case Extra:
		ok = ok && filepath.IsLocal(e.Name) && filepath.ToSlash(filepath.Clean(e.Name)) == e.Name && len(e.Name) < 256
	default:
		ok = false
	}
	if !ok || e.Kind != Missing && !isHash(e.Hash) {
		return damaged("the manifest has an entry %q %q that cannot be", e.Kind, e.Name)
	}
	return nil
}

func isHash(h string) bool {
	digits, ok := strings.CutPrefix(h, prefix)
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

// manifestWriter writes line by line, and the hash of all lines last.
type manifestWriter struct {
	out     *bufio.Writer
	sum     interface{ Sum([]byte) []byte }
	entries int
}

func newManifest(w io.Writer, about About) (*manifestWriter, error) {
	sum := sha256.New()
	m := &manifestWriter{out: bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10), sum: sum}
	return m, m.line(about)
}

func (m *manifestWriter) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = m.out.Write(append(b, '\n'))
	return err
}

func (m *manifestWriter) add(e Entry) error {
	m.entries++
	return m.line(e)
}

func (m *manifestWriter) close() error {
	if err := m.out.Flush(); err != nil {
		return err
	}
	if err := m.line(foot{Entries: m.entries, Hash: prefix + hex.EncodeToString(m.sum.Sum(nil))}); err != nil {
		return err
	}
	return m.out.Flush()
}

// readManifest gives what the backup is of and visits its entries. Only when it returns without an error is the manifest known to be
// whole.
func readManifest(r io.Reader, visit func(Entry) error) (About, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, maxLine), maxLine)
	sum := sha256.New()
	var about About
	if !in.Scan() || json.Unmarshal(in.Bytes(), &about) != nil || about.Format != Format {
		return about, errors.Join(damaged("the manifest is none of %q", Format), in.Err())
	}
	entries := 0
	for {
		_, _ = sum.Write(append(in.Bytes(), '\n')) // a hash never fails
		if !in.Scan() {
			return about, errors.Join(damaged("the manifest is cut after %d entries", entries), in.Err())
		}
		var line struct {
			Entry
			Entries      int    `json:"entries"`
			ManifestHash string `json:"manifest_hash"`
		}
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return about, damaged("line %d of the manifest cannot be read", entries+2)
		}
		if line.ManifestHash != "" {
			if line.ManifestHash != prefix+hex.EncodeToString(sum.Sum(nil)) || line.Entries != entries || in.Scan() {
				return about, damaged("the manifest was altered")
			}
			return about, in.Err()
		}
		entries++
		if err := line.check(); err != nil {
			return about, err
		}
		if err := visit(line.Entry); err != nil {
			return about, err
		}
	}
}
