package floor

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write TABLE.md anew")

// TestTableIsPrinted prints both tables (go test shows it with -v) and keeps TABLE.md true.
func TestTableIsPrinted(t *testing.T) {
	var doc bytes.Buffer
	doc.WriteString("# The transitions\n\nWritten by `go test ./fusion/floor -run Table -update`, from what the code runs. The first row whose guard holds is taken;\n`=` is the same state. Clauses are of TS 24.380; `ours` is explained in DESIGN.md.\n")
	doc.WriteString("\n## Floor control server (§6.3.4, and §6.3.5 towards each participant)\nA guard is about the seat that the input came from, unless it says otherwise.\n\n```\n")
	printRows(&doc, serverTable(), states, kinds)
	doc.WriteString("```\n\n## Floor participant (§6.2.4)\nWhat is not listed has no procedure and is discarded (§6.2.4.1).\n\n```\n")
	printRows(&doc, slices.DeleteFunc(clientTable(), func(r clientRow) bool { return r.clause == "6.2.4.1" }), clientStates, clientKinds)
	doc.WriteString("```\n")
	fmt.Print(doc.String())

	if *update {
		if err := os.WriteFile("TABLE.md", doc.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("TABLE.md")
	if err != nil || !bytes.Equal(kept, doc.Bytes()) {
		t.Fatalf("TABLE.md is not what the code runs (%v): go test ./fusion/floor -run Table -update", err)
	}
}

// TestTable proves that the server's table has a row for every state and input, and that random walks take every row that can
// be taken from every state and input it is for, and no other.
func TestTable(t *testing.T) {
	whole(t, serverIndex, states, kinds)

	seen := map[seenRow]int{}
	missing := unseen(seen)
	for seed := 1; len(missing) > 0 && seed <= 30; seed++ {
		seeded(t, strconv.Itoa(seed), "4000", func() {
			rapid.Check(t, func(t *rapid.T) { newWalker(t, seen).walk(60) })
		})
		missing = unseen(seen)
	}
	for _, m := range missing {
		t.Errorf("never seen: %v × %v when %q", m.from, m.on, m.row.when.name)
	}
}

// unseen lists the rows, by state and input, that should have been taken and were not. That none is taken which should not is checked as they are.
func unseen(seen map[seenRow]int) (missing []seenRow) {
	for s := range State(states) {
		for k := range Kind(kinds) {
			for _, r := range serverIndex[s][k] {
				if row := (seenRow{s, k, r}); seen[row] == 0 && !r.never {
					missing = append(missing, row)
				}
			}
		}
	}
	return missing
}

// seeded runs rapid with a fixed seed, so that coverage is the same every time.
func seeded(t *testing.T, seed, checks string, run func()) {
	for name, value := range map[string]string{"rapid.seed": seed, "rapid.checks": checks} {
		f := flag.Lookup(name)
		old := f.Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = flag.Set(name, old) }()
	}
	run()
}

// whole proves that every state and input has rows, and that the last of them has no guard.
func whole[M any, S, K interface {
	~uint8
	fmt.Stringer
}](t *testing.T, ix index[M, S, K], states, kinds int) {
	for s := range states {
		for k := range kinds {
			rows := ix[s][k]
			if len(rows) == 0 {
				t.Errorf("no row for %v × %v", S(s), K(k))
				continue
			}
			for i, r := range rows {
				if open := r.when.holds == nil; open != (i == len(rows)-1) {
					t.Errorf("%v × %v: row %d of %d, guard %q", S(s), K(k), i+1, len(rows), r.when.name)
				}
				if r.clause == "" || r.stays && r.to != 0 {
					t.Errorf("%v × %v: row %d is not well-formed", S(s), K(k), i+1)
				}
			}
		}
	}
}

func printRows[M any, S, K interface {
	~uint8
	fmt.Stringer
}](out io.Writer, rows []row[M, S, K], states, kinds int) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tINPUT\tWHEN\tNEXT\tCLAUSE\tDO")
	for s := range states {
		for k := range kinds {
			for i := range rows {
				if r := &rows[i]; r.is(S(s), K(k)) && !r.never {
					fmt.Fprintf(w, "%v\t%v\t%s\t%s\t%s\t%s\n", S(s), K(k), r.when.name, next(r), r.clause, doing(r))
				}
			}
		}
	}
	w.Flush()
}

func doing[M any, S, K ~uint8](r *row[M, S, K]) string {
	var names []string
	for _, a := range r.do {
		names = append(names, a.name)
	}
	if len(names) == 0 {
		return "–"
	}
	return strings.Join(names, "; ")
}

func next[M any, S interface {
	~uint8
	fmt.Stringer
}, K ~uint8](r *row[M, S, K]) string {
	if r.stays {
		return "="
	}
	return r.to.String()
}
