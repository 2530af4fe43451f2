// Package fusion holds the words of the domain: object IDs, dialling numbers, precedence, roles,
// and errors sorted by who is at fault.
//
// Everything else in Guantong speaks these words, so the package imports the standard library only
// and anyone may import it. Its types are plain values: comparable, safe to copy, usable as map keys.
package fusion
