package fusion_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/guantong-net/guantong/"

// pkg is one package of the module as the go command sees it.
type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports", module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func within(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return path == f || strings.HasPrefix(path, f+"/") })
}

// pure packages have no clock, no chance, no goroutine and no I/O: the same inputs give the same outputs on every node.
var pure = []string{"fusion/clock", "fusion/command", "fusion/state", "fusion/floor", "fusion/audit", "fusion/relay/bundle"}

// impure is what pure packages may not import.
var impure = []string{"os", "net", "sync", "math/rand", "crypto/rand", "io/fs", "syscall", "runtime"}

// owners says who alone may import a library. Tests are free to use them as peers.
var owners = map[string][]string{
	"github.com/hashicorp/raft":     {"cluster"},
	"github.com/hashicorp/raft-wal": {"cluster/raftlog"},
	"github.com/dgraph-io/badger":   {"cluster/store"},
	"github.com/pion/webrtc":        {"clients/webrtc", "clients/sdk"},
	"github.com/pion/ice":           {"clients/webrtc", "clients/sdk"},
	"github.com/pion/dtls":          {"clients/webrtc", "clients/sdk"},
	"github.com/pion/stun":          {"clients/webrtc", "clients/sdk"},
	"github.com/thesyncim/gopus":    {"fusion/voice/codec"},
	"github.com/quic-go/quic-go":    {"cluster/mux", "transports/internet"},
	"github.com/emiago/sipgo":       {"transports/telephone", "transports/camera", "testbed"},
	"github.com/chromedp":           {"testbed"},
}

func TestPackagesImportWhatTheDesignAllows(t *testing.T) {
	for _, p := range packages(t) {
		at := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			if why := forbidden(at, imp); why != "" {
				t.Errorf("%s imports %s: %s", at, imp, why)
			}
		}
	}
}

func forbidden(at, imp string) string {
	own, inside := strings.CutPrefix(imp, module)
	switch {
	case at == "fusion" && (inside || strings.Contains(imp, ".")):
		return "package fusion imports the standard library only"
	case within(at, "fusion") && inside && !within(own, "fusion"):
		return "fusion declares the interfaces that it needs"
	case within(at, pure...) && within(imp, impure...):
		return "a pure package has no I/O, no locks and no chance"
	case within(at, pure...) && inside && own != "fusion" && !within(own, pure...):
		return "a pure package imports pure ones only"
	case within(at, "clients") && inside && within(own, "cluster"):
		return "clients import no cluster"
	case inside && within(own, "testbed") && !within(at, "testbed", "cmd/guantong-drill"):
		return "only tests and the drill import testbed"
	case within(at, "transports") && inside && within(own, "transports") && own != "transports" && !within(own, "transports/serial", at):
		return "transports do not import one another"
	case within(at, "transports", "cluster", "clients") && inside && within(own, "cmd"):
		return "only cmd wires"
	}
	for lib, who := range owners {
		if within(imp, lib) && !within(at, who...) {
			return "its owner is " + strings.Join(who, ", ")
		}
	}
	return ""
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		at := strings.TrimPrefix(p.ImportPath, module)
		if within(at, "cmd") {
			continue
		}
		if _, err := os.Stat(filepath.Join(p.Dir, "doc.go")); err != nil {
			t.Errorf("%s has no doc.go", at)
		}
	}
}

const (
	maxFileLines = 800
	maxFuncLines = 80
)

func TestFilesAndFunctionsAreShort(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != "..") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			checkFile(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, path string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if n := set.Position(f.End()).Line; n > maxFileLines {
		t.Errorf("%s has %d lines", path, n)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if fn.Name.Name == "init" && fn.Recv == nil {
			t.Errorf("%s has an init()", path)
		}
		if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line; n > maxFuncLines && !strings.HasSuffix(path, "_test.go") {
			t.Errorf("%s: %s has %d lines", path, fn.Name.Name, n)
		}
	}
}
