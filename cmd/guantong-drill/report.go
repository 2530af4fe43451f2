package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
)

// report is what a scenario gives; its JSON form is fixed.
type report struct {
	Name    string             `json:"name"`
	Seed    uint64             `json:"seed"`
	Passed  bool               `json:"passed"`
	Checks  []check            `json:"checks"`
	Figures map[string]float64 `json:"figures"`
}

type check struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

// write writes the report to a file, or to out for "-", or nowhere.
func (r *report) write(to string, out io.Writer) error {
	if to == "" {
		return nil
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	raw = append(raw, '\n')
	if to == "-" {
		_, err = out.Write(raw)
	} else {
		err = os.WriteFile(to, raw, 0o644)
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// summary prints what failed, and every figure.
func (r *report) summary(w io.Writer) {
	good := 0
	for _, c := range r.Checks {
		if c.OK {
			good++
			continue
		}
		fmt.Fprintf(w, "FAILED  %s: want %s, got %s\n", c.What, c.Want, c.Got)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Figures)) {
		fmt.Fprintf(w, "%-28s %g\n", name, r.Figures[name])
	}
	fmt.Fprintf(w, "%s: %d of %d checks passed\n", r.Name, good, len(r.Checks))
}

// figure keeps a number, rounded to what can be read.
func (d *drill) figure(name string, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		d.check(name, "a number", fmt.Sprint(v), false)
		return
	}
	d.report.Figures[name] = math.Round(v*10000) / 10000
	d.say("%s = %g", name, d.report.Figures[name])
}

// check keeps the outcome of one comparison.
func (d *drill) check(what, want, got string, ok bool) {
	d.report.Checks = append(d.report.Checks, check{what, want, got, ok})
	d.report.Passed = true
	for _, c := range d.report.Checks {
		d.report.Passed = d.report.Passed && c.OK
	}
	word := "ok"
	if !ok {
		word = "FAILED"
	}
	d.say("%s: %s: want %s, got %s", word, what, want, got)
}

// atMost keeps a figure and checks it against a limit.
func (d *drill) atMost(name string, v, limit float64) {
	d.figure(name, v)
	d.check(name, fmt.Sprintf("≤ %g", limit), fmt.Sprintf("%.4g", v), v <= limit)
}

// atLeast keeps a figure and checks it against a limit.
func (d *drill) atLeast(name string, v, limit float64) {
	d.figure(name, v)
	d.check(name, fmt.Sprintf("≥ %g", limit), fmt.Sprintf("%.4g", v), v >= limit)
}
