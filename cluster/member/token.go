package member

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/guantong-net/guantong/fusion"
)

// Token is what an operator carries from a node of the site to one that is to join: "GTJ1." and base64url (RFC 4648 §5) of the
// site's number, the SHA-256 of its CA's certificate and a secret of 16 octets.
type Token struct {
	Site   fusion.Site
	CA     [sha256.Size]byte
	Secret [16]byte
}

const (
	tokenPrefix = "GTJ1."
	tokenSize   = 2 + sha256.Size + 16
)

// ErrBadToken reports text that is no token.
var ErrBadToken = errors.New("member: not a join token (GTJ1.…)")

// NewToken makes a token of a site by its CA's certificate.
func NewToken(site fusion.Site, ca *x509.Certificate, random io.Reader) (Token, error) {
	t := Token{Site: site, CA: sha256.Sum256(ca.Raw)}
	if _, err := io.ReadFull(random, t.Secret[:]); err != nil {
		return t, fmt.Errorf("make token: %w", err)
	}
	return t, nil
}

// String is the form that the operator carries.
func (t Token) String() string {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, tokenSize), uint16(t.Site))
	b = append(append(b, t.CA[:]...), t.Secret[:]...)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// Hash is what the site remembers of the token.
func (t Token) Hash() []byte {
	sum := sha256.Sum256(t.Secret[:])
	return sum[:]
}

// ParseToken reads what String wrote.
func ParseToken(text string) (t Token, err error) {
	body, ok := strings.CutPrefix(text, tokenPrefix)
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if !ok || err != nil || len(b) != tokenSize {
		return t, ErrBadToken
	}
	t.Site = fusion.Site(binary.BigEndian.Uint16(b))
	copy(t.CA[:], b[2:])
	copy(t.Secret[:], b[2+sha256.Size:])
	if t.Site < 1 || t.Site > fusion.MaxSite {
		return t, ErrBadToken
	}
	return t, nil
}

// ParseInvitation reads TOKEN@host:port.
func ParseInvitation(text string) (t Token, address string, err error) {
	token, address, ok := strings.Cut(text, "@")
	if !ok || !strings.Contains(address, ":") {
		return t, "", fmt.Errorf("%w and the address of a node: TOKEN@host:port", ErrBadToken)
	}
	t, err = ParseToken(token)
	return t, address, err
}
