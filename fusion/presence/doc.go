// Package presence knows which units can be reached now, by what and at which node of the site: a console, a telephone, a terminal.
//
// It is memory and never written down; other nodes are told by package board. Any package but pure ones may import it.
package presence
