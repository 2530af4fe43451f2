package identity

import (
	"crypto/md5" //nolint:gosec // RFC 7616 §3.2: telephones that know nothing better
	"crypto/sha256"
	"encoding/hex"

	"github.com/guantong-net/guantong/fusion/state"
)

// ExtensionSecret gives the digests of a telephone's password (RFC 7616 §3.4.2): H(username:realm:password).
func ExtensionSecret(username, realm, password string) state.ExtensionSecret {
	a1 := []byte(username + ":" + realm + ":" + password)
	weak, strong := md5.Sum(a1), sha256.Sum256(a1) //nolint:gosec // as above
	return state.ExtensionSecret{MD5: hex.EncodeToString(weak[:]), SHA256: hex.EncodeToString(strong[:])}
}
