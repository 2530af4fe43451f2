package load

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// message is a SIP request or response (RFC 3261 §7), as much of it as a telephone needs.
type message struct {
	method string // of a request
	uri    string
	status int // of a response
	reason string
	header []field // in order; names in lower case, compact forms written out
	body   string
}

type field struct{ name, value string }

var errSIP = errors.New("load: not a SIP message")

// parseSIP reads a datagram. Header lines that are folded are joined.
func parseSIP(b []byte) (*message, error) {
	head, body, ok := strings.Cut(string(b), "\r\n\r\n")
	if !ok {
		return nil, errSIP
	}
	lines := strings.Split(strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(head), "\r\n")
	m := &message{body: body}
	if err := m.start(lines[0]); err != nil {
		return nil, err
	}
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if !ok {
			return nil, errSIP
		}
		m.header = append(m.header, field{longName(strings.ToLower(strings.TrimSpace(name))), strings.TrimSpace(value)})
	}
	if n, err := strconv.Atoi(m.get("content-length")); err == nil && n >= 0 && n < len(m.body) {
		m.body = m.body[:n]
	}
	return m, nil
}

func (m *message) start(line string) error {
	p := strings.SplitN(line, " ", 3)
	if len(p) != 3 {
		return errSIP
	}
	if p[0] == "SIP/2.0" {
		var err error
		m.reason = p[2]
		if m.status, err = strconv.Atoi(p[1]); err != nil || m.status < 100 || m.status > 699 {
			return errSIP
		}
		return nil
	}
	if p[2] != "SIP/2.0" {
		return errSIP
	}
	m.method, m.uri = p[0], p[1]
	return nil
}

func longName(n string) string {
	switch n {
	case "v":
		return "via"
	case "f":
		return "from"
	case "t":
		return "to"
	case "i":
		return "call-id"
	case "m":
		return "contact"
	case "l":
		return "content-length"
	}
	return n
}

// get gives the first header of a name.
func (m *message) get(name string) string {
	for _, f := range m.header {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// all gives every header of a name.
func (m *message) all(name string) []string {
	var out []string
	for _, f := range m.header {
		if f.name == name {
			out = append(out, f.value)
		}
	}
	return out
}

// bytes writes the message with its length.
func (m *message) bytes() []byte {
	var b strings.Builder
	if m.method != "" {
		fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", m.method, m.uri)
	} else {
		fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", m.status, m.reason)
	}
	for _, f := range m.header {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
	}
	fmt.Fprintf(&b, "content-length: %d\r\n\r\n%s", len(m.body), m.body)
	return []byte(b.String())
}

// reply makes the response to a request: what identifies it is copied (RFC 3261 §8.2.6).
func (m *message) reply(status int, reason, tag string) *message {
	out := &message{status: status, reason: reason}
	for _, f := range m.header {
		switch f.name {
		case "via", "from", "call-id", "cseq", "record-route":
			out.header = append(out.header, f)
		case "to":
			if !strings.Contains(f.value, "tag=") {
				f.value += ";tag=" + tag
			}
			out.header = append(out.header, f)
		}
	}
	return out
}

// branch is the transaction's name: the branch of the topmost Via.
func (m *message) branch() string { return parameter(m.get("via"), "branch") }

func parameter(value, name string) string {
	for _, p := range strings.Split(value, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(p), name+"="); ok {
			return v
		}
	}
	return ""
}

// angled gives the address between < and >, or the value without its parameters.
func angled(value string) string {
	if _, rest, ok := strings.Cut(value, "<"); ok {
		in, _, _ := strings.Cut(rest, ">")
		return in
	}
	v, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(v)
}
