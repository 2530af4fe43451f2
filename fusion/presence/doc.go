// Package presence knows which units can be reached now, and by what: a console, a telephone, a terminal.
//
// It is memory of one node and is never replicated. Any package but pure ones may import it.
package presence
