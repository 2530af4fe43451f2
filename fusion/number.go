package fusion

import (
	"errors"
	"strconv"
)

// Number is the dialled number (号码) of a unit, group or position: site × 10000 + local, at most 24 bits,
// so that trunked radio carries it too. The zero Number names nobody.
type Number uint32

// Site is the number of a site (站点), 1 to MaxSite.
type Site uint16

// MaxSite is the highest site number: MaxSite × 10000 + 9999 still fits 24 bits.
const MaxSite Site = 1676

// LocalNumbers is how many numbers one site number owns.
const LocalNumbers = 10000

// ErrBadNumber reports digits that are no number of any site.
var ErrBadNumber = errors.New("fusion: a number is a local part of at most 4 digits, or site (1-1676) followed by 4 digits")

// NewNumber joins a site and a local part (0 to 9999).
func NewNumber(site Site, local uint16) Number {
	return Number(uint32(site)*LocalNumbers + uint32(local))
}

// ParseNumber reads dialled digits. Up to four digits are a local part at the given site; more are a full number.
func ParseNumber(digits string, site Site) (Number, error) {
	v, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || v == 0 {
		return 0, ErrBadNumber
	}
	if len(digits) <= 4 {
		return NewNumber(site, uint16(v)), nil
	}
	n := Number(v)
	if !n.Valid() {
		return 0, ErrBadNumber
	}
	return n, nil
}

// Valid reports whether the number belongs to a possible site.
func (n Number) Valid() bool { s := n.Site(); return s >= 1 && s <= MaxSite && uint32(n)>>24 == 0 }

// Site is the site that owns the number.
func (n Number) Site() Site { return Site(uint32(n) / LocalNumbers) }

// Local is the part that suffices inside the site.
func (n Number) Local() uint16 { return uint16(uint32(n) % LocalNumbers) }

// String gives the full number in decimal.
func (n Number) String() string { return strconv.FormatUint(uint64(n), 10) }
