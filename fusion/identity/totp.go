package identity

import (
	"encoding/base32"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/guantong-net/guantong/fusion"
)

const (
	totpStep   = 30 // seconds, RFC 6238 §5.2
	totpKey    = 20 // octets, RFC 4226 §4 R6
	totpDigits = 6
)

var unpadded = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewTOTP makes a key of a second factor.
func NewTOTP(rand io.Reader) ([]byte, error) {
	key := make([]byte, totpKey)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, fmt.Errorf("make TOTP key: %w", err)
	}
	return key, nil
}

// ShowTOTP gives a key as it is typed into an authenticator, and as the URI that a QR code carries.
func ShowTOTP(key []byte, site, user string) (secret, uri string) {
	secret = unpadded.EncodeToString(key)
	q := url.Values{"secret": {secret}, "issuer": {site}, "algorithm": {"SHA1"}, "digits": {strconv.Itoa(totpDigits)}, "period": {strconv.Itoa(totpStep)}}
	return secret, "otpauth://totp/" + url.PathEscape(site+":"+user) + "?" + q.Encode()
}

// CheckTOTP takes a code of the present step, the one before or the one after (RFC 6238 §5.2), but none at or before the
// last step that was used. It gives the step that the caller must remember.
func CheckTOTP(key []byte, code string, now time.Time, last int64) (step int64, err error) {
	wrong := fusion.E(fusion.NotAllowed, "wrong_code", "the one-time code is wrong, or was used already")
	if len(code) != totpDigits || len(key) == 0 {
		return 0, wrong
	}
	secret := unpadded.EncodeToString(key)
	opts := hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
	at := now.Unix() / totpStep
	for _, s := range []int64{at, at - 1, at + 1} {
		ok, err := hotp.ValidateCustom(code, uint64(s), secret, opts)
		if err != nil {
			return 0, wrong
		}
		if ok && s > last {
			return s, nil
		}
	}
	return 0, wrong
}
