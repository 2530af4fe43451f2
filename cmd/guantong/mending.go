package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/guantong-net/guantong/cluster/member"
	"github.com/guantong-net/guantong/fusion"
)

// mending is a restore, a recovery or a rejoining under way in a data directory. While its file is there no server starts on the directory:
// what it holds is neither what it was nor what it is to be. The command that began it ends it when it is run again.
type mending struct {
	Command     string    `json:"command"` // how to go on
	From        string    `json:"from,omitempty"`
	ID          fusion.ID `json:"id"`          // request ID of the new incarnation
	Incarnation uint64    `json:"incarnation"` // that is being made
	Before      uint64    `json:"before"`
	Index       uint64    `json:"index,omitempty"` // of the recovery point; 0: not known yet
	Term        uint64    `json:"term,omitempty"`

	Grant *member.Grant `json:"grant,omitempty"` // what the site has granted: a token is taken once
	Done  bool          `json:"done,omitempty"`  // what was to be saved is saved
}

const mendingFile = "mending.json"

func (c config) mendingName() string { return filepath.Join(c.Data, mendingFile) }

// mending reads what is under way; nil when nothing is.
func (c config) mending() (*mending, error) {
	b, err := os.ReadFile(c.mendingName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(mending)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%s: %w", c.mendingName(), err)
	}
	return m, nil
}

func (c config) setMending(m mending) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return writeFile(c.mendingName(), b)
}

// mended ends it.
func (c config) mended() error { return errors.Join(os.Remove(c.mendingName()), syncDir(c.Data)) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// refuseMending keeps servers off a directory that is being mended.
func (c config) refuseMending() error {
	m, err := c.mending()
	if err == nil && m != nil {
		err = fmt.Errorf("%s is half way through %q: run that again to its end", c.Data, m.Command)
	}
	return err
}

// readKey reads a key of 16, 24 or 32 octets, as they are or in hexadecimal.
func readKey(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	for _, key := range [][]byte{b, []byte(strings.TrimSpace(string(b)))} {
		if decoded, err := hex.DecodeString(string(key)); err == nil {
			key = decoded
		}
		if n := len(key); n == 16 || n == 24 || n == 32 {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%s holds no key of 16, 24 or 32 octets, plain or in hexadecimal", name)
}
