package console

import (
	"io/fs"
	"strings"
	"testing"
)

func TestFilesAlwaysHavePage(t *testing.T) {
	files, built := Files()
	page, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Fatalf("no index.html: %v", err)
	}
	if !built && !strings.Contains(string(page), "npm ci") {
		t.Error("the page of an unbuilt console does not say how to build it")
	}
}

func TestUnbuiltPageSaysHowToBuild(t *testing.T) {
	page, err := fs.ReadFile(unbuilt, "unbuilt/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "npm run build") {
		t.Error("it does not name the command")
	}
}
