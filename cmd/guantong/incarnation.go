package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/guantong-net/guantong/fusion/state"
)

// incarnationFile says of which incarnation of the site this node is: its certificate names it, before the record can be read.
const incarnationFile = "incarnation"

// incarnation reads it. A site that begins draws its first one; a node without the file is from before there was one.
func (c config) incarnation() (uint64, error) {
	name := filepath.Join(c.Data, "keys", incarnationFile)
	b, err := os.ReadFile(name)
	if err == nil {
		i, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		return i, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if _, err := os.Stat(filepath.Join(c.Data, "record")); err == nil {
		return 0, nil
	}
	i, err := nextIncarnation(0)
	if err != nil {
		return 0, err
	}
	return i, c.setIncarnation(i)
}

func (c config) setIncarnation(i uint64) error {
	return writeFile(filepath.Join(c.Data, "keys", incarnationFile), fmt.Appendln(nil, i))
}

func nextIncarnation(before uint64) (uint64, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, err
	}
	return state.NextIncarnation(before, binary.BigEndian.Uint32(b[:])), nil
}
