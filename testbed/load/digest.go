package load

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// authorize answers a challenge (RFC 7616 §3.4), with qop auth when it is offered. The challenges are all the WWW-Authenticate or Proxy-Authenticate
// values of a response; SHA-256 is taken before MD5.
func authorize(challenges []string, user, password, method, uri, cnonce string, count int) (string, error) {
	best := map[string]string(nil)
	for _, c := range challenges {
		p := challengeOf(c)
		alg := strings.ToUpper(p["algorithm"])
		if alg == "SHA-256" || (best == nil && (alg == "" || alg == "MD5")) {
			best = p
		}
	}
	if best == nil {
		return "", fmt.Errorf("load: no challenge that we can answer in %q", challenges)
	}
	hash := func(s string) string {
		if strings.EqualFold(best["algorithm"], "SHA-256") {
			h := sha256.Sum256([]byte(s))
			return hex.EncodeToString(h[:])
		}
		h := md5.Sum([]byte(s))
		return hex.EncodeToString(h[:])
	}
	ha1, ha2 := hash(user+":"+best["realm"]+":"+password), hash(method+":"+uri)
	out := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, user, best["realm"], best["nonce"], uri)
	if best["qop"] != "" {
		nc := fmt.Sprintf("%08x", count)
		out += fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s", response="%s"`, nc, cnonce, hash(strings.Join([]string{ha1, best["nonce"], nc, cnonce, "auth", ha2}, ":")))
	} else {
		out += fmt.Sprintf(`, response="%s"`, hash(ha1+":"+best["nonce"]+":"+ha2))
	}
	for _, k := range []string{"algorithm", "opaque"} {
		if v := best[k]; k == "opaque" && v != "" {
			out += fmt.Sprintf(`, opaque="%s"`, v)
		} else if v != "" {
			out += ", algorithm=" + v
		}
	}
	return out, nil
}

// challengeOf reads the parameters of a Digest challenge; commas inside quotes are part of the value.
func challengeOf(c string) map[string]string {
	out := map[string]string{}
	rest, ok := strings.CutPrefix(strings.TrimSpace(c), "Digest ")
	if !ok {
		return out
	}
	for rest != "" {
		name, tail, ok := strings.Cut(rest, "=")
		if !ok {
			return out
		}
		var value string
		if strings.HasPrefix(tail, `"`) {
			value, tail, _ = strings.Cut(tail[1:], `"`)
			_, tail, _ = strings.Cut(tail, ",")
		} else {
			value, tail, _ = strings.Cut(tail, ",")
		}
		out[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		rest = tail
	}
	return out
}
