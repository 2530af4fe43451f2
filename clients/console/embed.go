package console

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// unbuilt is what a browser gets from a binary that was built without the console.
//
//go:embed unbuilt
var unbuilt embed.FS

// Files gives the console's files, with index.html at the root. built is false when the page was not built; then the
// only file is an index.html that says how to build it.
func Files() (files fs.FS, built bool) {
	if root, err := fs.Sub(dist, "dist"); err == nil && hasPage(root) {
		return root, true
	}
	root, err := fs.Sub(unbuilt, "unbuilt")
	if err != nil {
		return unbuilt, false // cannot be: the name is constant and valid
	}
	return root, false
}

func hasPage(root fs.FS) bool {
	_, err := fs.Stat(root, "index.html")
	return err == nil
}
