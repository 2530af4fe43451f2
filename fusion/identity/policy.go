package identity

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/guantong-net/guantong/fusion"
)

// MinPassword is the least number of characters of a password (NIST SP 800-63B asks for 8; a dispatcher may preempt lives).
const MinPassword = 10

// CheckPassword holds a new password against the policy: long enough, of at least five different characters, no run up or
// down, not the user's name, none of the ones that everybody tries. It asks for no special characters: length protects.
func CheckPassword(password, user string) error {
	weak := func(detail string) error {
		return &fusion.Error{Fault: fusion.BadRequest, Reason: "weak_password", Detail: detail}
	}
	switch {
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return weak("a password is printable text")
	case len(password) > MaxPassword:
		return fusion.E(fusion.BadRequest, "password_too_long", "a password has at most %d octets", MaxPassword)
	case utf8.RuneCountInString(password) < MinPassword:
		return fusion.E(fusion.BadRequest, "weak_password", "a password has at least %d characters", MinPassword)
	}
	plain := strings.ToLower(password)
	if user != "" && len(user) >= 4 && strings.Contains(plain, strings.ToLower(user)) {
		return weak("the password contains the user's name")
	}
	if different(plain) < 5 || isRun(plain) {
		return weak("the password has too few different characters, or is a sequence")
	}
	for _, common := range []string{"password", "qwerty", "admin123", "guantong", "12345678", "iloveyou", "woaini", "a123456"} {
		if rest := strings.Replace(plain, common, "", 1); len(rest)+2 < len(plain) && utf8.RuneCountInString(rest) < 5 {
			return weak("the password is one that everybody tries")
		}
	}
	return nil
}

func different(s string) int {
	seen := make(map[rune]bool)
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

func isRun(s string) bool {
	r := []rune(s)
	up, down := true, true
	for i := 1; i < len(r); i++ {
		up = up && (r[i] == r[i-1]+1 || r[i-1] == '9' && r[i] == '0')
		down = down && (r[i] == r[i-1]-1 || r[i-1] == '0' && r[i] == '9')
	}
	return up || down
}

// readable leaves out what is mistaken for something else when it is read out or copied by hand: 0 O o, 1 l I, u v.
const readable = "abcdefghijkmnpqrstwxyz23456789"

// NewPassword makes a random password of four groups of four: "k7mp-w3xa-9tbn-hq4d", 78 bits.
func NewPassword(rand io.Reader) (string, error) {
	var b strings.Builder
	for n := 0; n < 16; {
		var one [1]byte
		if _, err := io.ReadFull(rand, one[:]); err != nil {
			return "", fmt.Errorf("make password: %w", err)
		}
		if int(one[0]) >= 256/len(readable)*len(readable) {
			continue // every character is equally likely
		}
		if n > 0 && n%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(readable[int(one[0])%len(readable)])
		n++
	}
	return b.String(), nil
}
