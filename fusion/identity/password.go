package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/guantong-net/guantong/fusion"
)

// Params are the costs of argon2id (RFC 9106 §3.1).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// DefaultParams take about 50 ms and 32 MiB on one core: above the OWASP floor (19 MiB, 2 passes), and bearable for a
// vehicle's computer.
func DefaultParams() Params { return Params{Memory: 32 << 10, Time: 3, Threads: 1} }

const (
	saltSize = 16
	keySize  = 32
	// MaxPassword bounds what is hashed, in octets.
	MaxPassword = 256
	// What a stored string may ask for: a tampered one must not take the machine's memory.
	maxMemory  = 256 << 10
	maxPasses  = 16
	maxThreads = 8
)

// Hasher makes and checks password hashes, a few at a time.
type Hasher struct {
	p       Params
	rand    io.Reader
	lane    chan struct{} // for anybody
	reserve chan struct{} // for addresses that have logged in before
	decoy   string        // checked when there is no such user, so that it takes as long
}

// NewHasher makes a Hasher that runs two checks at a time for anybody, and one more for those who are known.
func NewHasher(p Params, rand io.Reader) (*Hasher, error) {
	h := &Hasher{p: p, rand: rand, lane: make(chan struct{}, 2), reserve: make(chan struct{}, 1)}
	var err error
	h.decoy, err = h.hash("decoy")
	return h, err
}

// Hash gives the PHC string of a password. Known says that it is for somebody who is logged in.
func (h *Hasher) Hash(ctx context.Context, password string, known bool) (string, error) {
	if len(password) > MaxPassword {
		return "", fusion.E(fusion.BadRequest, "password_too_long", "a password has at most %d octets", MaxPassword)
	}
	leave, err := h.enter(ctx, known)
	if err != nil {
		return "", err
	}
	defer leave()
	return h.hash(password)
}

func (h *Hasher) hash(password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, h.p.Time, h.p.Memory, h.p.Threads, keySize)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.p.Memory, h.p.Time, h.p.Threads,
		b.EncodeToString(salt), b.EncodeToString(key)), nil
}

// Verify reports whether a password fits a PHC string. An empty string (no such user) takes as long and never fits.
func (h *Hasher) Verify(ctx context.Context, phc, password string, known bool) (bool, error) {
	there := phc != ""
	if !there {
		phc = h.decoy
	}
	if len(password) > MaxPassword {
		there, password = false, password[:MaxPassword]
	}
	p, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	leave, err := h.enter(ctx, known)
	if err != nil {
		return false, err
	}
	defer leave()
	got := argon2.IDKey([]byte(password), salt, p.Time, p.Memory, p.Threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && there, nil
}

// enter waits for a place. Who is known may use either lane.
func (h *Hasher) enter(ctx context.Context, known bool) (leave func(), err error) {
	reserve := h.reserve
	if !known {
		reserve = nil
	}
	select {
	case h.lane <- struct{}{}:
		return func() { <-h.lane }, nil
	case reserve <- struct{}{}:
		return func() { <-h.reserve }, nil
	case <-ctx.Done():
		return nil, fusion.E(fusion.Busy, "login_busy", "too many log-ins at once")
	}
}

// parsePHC reads "$argon2id$v=19$m=…,t=…,p=…$salt$key".
func parsePHC(s string) (p Params, salt, key []byte, err error) {
	bad := fmt.Errorf("identity: damaged password record")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, bad
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil || n != 3 {
		return p, nil, nil, bad
	}
	if p.Memory == 0 || p.Memory > maxMemory || p.Time == 0 || p.Time > maxPasses || p.Threads == 0 || p.Threads > maxThreads {
		return p, nil, nil, bad
	}
	salt, errSalt := base64.RawStdEncoding.DecodeString(parts[4])
	key, errKey := base64.RawStdEncoding.DecodeString(parts[5])
	if errSalt != nil || errKey != nil || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 {
		return p, nil, nil, bad
	}
	return p, salt, key, nil
}
