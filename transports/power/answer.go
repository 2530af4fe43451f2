package power

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// What an answer may be.
const (
	maxLine  = 1024 // octets
	maxLines = 1024
	maxFault = 160                 // of the text of an error
	maxShown = 64                  // octets of a text that is shown to people
	longest  = 30 * 24 * time.Hour // more than that no battery lasts
)

// ErrAnswer reports an answer that is none.
var ErrAnswer = errors.New("power: the answer of upsd cannot be read")

// Refusal is an ERR that upsd answered: UNKNOWN-UPS, DATA-STALE, DRIVER-NOT-CONNECTED, ACCESS-DENIED …
type Refusal string

func (r Refusal) Error() string { return "power: upsd says " + string(r) }

// readVars reads the answer to LIST VAR: the variables of a UPS by name.
func readVars(r *bufio.Reader, ups string) (map[string]string, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if why, refused := strings.CutPrefix(line, "ERR "); refused {
		return nil, Refusal(shown(why))
	}
	if line != "BEGIN LIST VAR "+ups {
		return nil, fmt.Errorf("%w: %q", ErrAnswer, shown(line))
	}
	vars := make(map[string]string)
	for range maxLines {
		if line, err = readLine(r); err != nil {
			return nil, err
		}
		if line == "END LIST VAR "+ups {
			return vars, nil
		}
		rest, is := strings.CutPrefix(line, "VAR "+ups+" ")
		name, quoted, both := strings.Cut(rest, " ")
		value, whole := unquote(quoted)
		if !is || !both || !whole {
			return nil, fmt.Errorf("%w: %q", ErrAnswer, shown(line))
		}
		vars[name] = value
	}
	return nil, fmt.Errorf("%w: more than %d lines", ErrAnswer, maxLines)
}

func readLine(r *bufio.Reader) (string, error) {
	b, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("%w: a line of more than %d octets", ErrAnswer, r.Size())
	case errors.Is(err, io.EOF):
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// unquote takes the quotes off a value, and the backslashes off what is quoted in it.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	var out strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' {
			if i++; i == len(s)-1 {
				return "", false
			}
		} else if s[i] == '"' {
			return "", false
		}
		out.WriteByte(s[i])
	}
	return out.String(), true
}

// shown makes a text of upsd fit to be shown: short, and nothing but printable ASCII.
func shown(s string) string { return printable(s[:min(len(s), maxShown)]) }

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// reading makes a State of the variables of a UPS (RFC 9271; the names are those of NUT's nut-names.txt).
func reading(vars map[string]string) (State, error) {
	status, there := vars["ups.status"]
	if !there {
		return State{}, fmt.Errorf("%w: no ups.status", ErrAnswer)
	}
	s := State{Known: true, Status: shown(status), Charge: -1, Runtime: -1}
	for _, word := range strings.Fields(status) {
		switch word {
		case "OB":
			s.OnBattery = true
		case "LB":
			s.Low = true
		case "RB":
			s.Replace = true
		}
	}
	if v, err := strconv.ParseFloat(vars["battery.charge"], 64); err == nil && v >= 0 && v <= 100 {
		s.Charge = int(v)
	}
	if v, err := strconv.ParseFloat(vars["battery.runtime"], 64); err == nil && v >= 0 && v <= longest.Seconds() {
		s.Runtime = time.Duration(v) * time.Second
	}
	return s, nil
}
