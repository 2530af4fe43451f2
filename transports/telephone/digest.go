package telephone

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// credentials are the parameters of an Authorization header (RFC 7616 §3.4).
type credentials struct {
	user, realm, nonce, uri, response, algorithm, cnonce, qop, nc string
}

// maxCredentials bounds the header that is looked at, in bytes.
const maxCredentials = 2048

// parseCredentials reads "Digest name=value, name="value"…". Anything odd gives ok = false.
func parseCredentials(header string) (c credentials, ok bool) {
	if len(header) > maxCredentials {
		return c, false
	}
	rest, found := cutPrefixFold(strings.TrimSpace(header), "digest ")
	if !found {
		return c, false
	}
	for rest = strings.TrimLeft(rest, " ,\t"); rest != ""; rest = strings.TrimLeft(rest, " ,\t") {
		var name, value string
		name, value, rest, ok = nextParam(rest)
		if !ok {
			return c, false
		}
		c.set(strings.ToLower(name), value)
	}
	return c, c.user != "" && c.nonce != "" && c.response != ""
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// nextParam splits off one name=value; a quoted value may hold escapes.
func nextParam(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	if !ok {
		return "", "", "", false
	}
	name, s = strings.TrimSpace(name), strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ", \t")
		if i < 0 {
			i = len(s)
		}
		return name, s[:i], s[i:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return name, b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", "", false
}

func (c *credentials) set(name, value string) {
	for _, p := range []struct {
		name string
		to   *string
	}{
		{"username", &c.user}, {"realm", &c.realm}, {"nonce", &c.nonce}, {"uri", &c.uri}, {"response", &c.response},
		{"algorithm", &c.algorithm}, {"cnonce", &c.cnonce}, {"qop", &c.qop}, {"nc", &c.nc},
	} {
		if p.name == name {
			*p.to = value
		}
	}
}

// count is nc as a number. Without qop (RFC 2069) a nonce is for one use.
func (c credentials) count() uint32 {
	if c.qop == "" {
		return 1
	}
	n, err := strconv.ParseUint(c.nc, 16, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// hash gives the hash function of the algorithm named, in hex. Algorithms with "-sess" are refused: they save nothing here.
func (c credentials) hash() (func(string) string, bool) {
	switch strings.ToUpper(c.algorithm) {
	case "", "MD5":
		return func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }, true
	case "SHA-256":
		return func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }, true
	}
	return nil, false
}

// proves reports whether the response is right for the account (RFC 7616 §3.4.1).
func (c credentials) proves(a Account, method string) bool {
	hash, ok := c.hash()
	if !ok || (c.qop != "" && c.qop != "auth") {
		return false
	}
	ha1 := a.HA1MD5
	if strings.EqualFold(c.algorithm, "SHA-256") {
		ha1 = a.HA1SHA256
	}
	if ha1 == "" {
		return false
	}
	ha2 := hash(method + ":" + c.uri)
	want := hash(ha1 + ":" + c.nonce + ":" + ha2)
	if c.qop != "" {
		want = hash(strings.Join([]string{ha1, c.nonce, c.nc, c.cnonce, c.qop, ha2}, ":"))
	}
	return subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(c.response))) == 1
}

// challenges are the header values of a 401, one for each algorithm.
func challenges(realm, nonce string, algorithms []string, stale bool) []string {
	var s string
	if stale {
		s = ", stale=true"
	}
	var out []string
	for _, alg := range algorithms {
		out = append(out, fmt.Sprintf(`Digest realm="%s", nonce="%s", qop="auth", algorithm=%s%s`, realm, nonce, alg, s))
	}
	return out
}

// HA1 gives the two stored forms of a password: MD5 and SHA-256 of user:realm:password, in hex (RFC 7616 §3.4.2).
func HA1(user, realm, password string) (md5hex, sha256hex string) {
	s := []byte(user + ":" + realm + ":" + password)
	m, h := md5.Sum(s), sha256.Sum256(s)
	return hex.EncodeToString(m[:]), hex.EncodeToString(h[:])
}
