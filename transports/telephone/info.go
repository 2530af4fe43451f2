package telephone

import "strings"

// maxInfo bounds the body of an INFO, in bytes.
const maxInfo = 512

// parseInfo reads the key of an INFO body: application/dtmf-relay ("Signal=5\r\nDuration=160") or
// application/dtmf ("5"). ok is false for another type and for a body that names no key.
func parseInfo(contentType string, body []byte) (key byte, ok bool) {
	if len(body) > maxInfo {
		return 0, false
	}
	typ, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(typ) {
	case "application/dtmf":
		return keyOf(string(body))
	case "application/dtmf-relay", "application/vnd.nortelnetworks.digits":
		for line := range strings.Lines(string(body)) {
			name, value, found := strings.Cut(line, "=")
			if !found {
				name, value, found = strings.Cut(line, ":")
			}
			name = strings.ToLower(strings.TrimSpace(name))
			if found && (name == "signal" || name == "d") {
				return keyOf(value)
			}
		}
	}
	return 0, false
}

// keyOf reads one key, as itself or as an event number.
func keyOf(s string) (byte, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	switch s {
	case "10":
		return '*', true
	case "11":
		return '#', true
	}
	if len(s) == 1 && strings.Contains("0123456789*#ABCD", s) {
		return s[0], true
	}
	return 0, false
}
