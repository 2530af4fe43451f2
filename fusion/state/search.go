package state

import (
	"encoding/binary"
	"slices"
	"strings"
)

// gram is two neighbouring runes of a folded text. Chinese needs no words for it, and two Latin letters narrow enough.
type gram [2]rune

func (g gram) prefix() key {
	k := tGram.key()
	k = binary.BigEndian.AppendUint32(k, uint32(g[0]))
	return binary.BigEndian.AppendUint32(k, uint32(g[1]))
}

func (g gram) key(seq uint64) key { return g.prefix().u64(seq) }

// fold brings a text to the form in which it is searched: Latin letters in lower case, full-width forms as their plain
// ones, every kind of white space one blank. It asks no Unicode table, which differ between versions of Go.
func fold(s string) string {
	folded := strings.Map(func(r rune) rune {
		if r >= 0xFF01 && r <= 0xFF5E {
			r -= 0xFF01 - '!'
		}
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == '\n' || r == '\r' || r == '\t' || r == 0x3000:
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.FieldsFunc(folded, func(r rune) bool { return r == ' ' }), " ")
}

// grams lists the different grams of a text in order.
func grams(text string) []gram {
	folded := fold(text)
	out := make([]gram, 0, len(folded))
	before := ' '
	for _, r := range folded {
		if r != ' ' && before != ' ' {
			out = append(out, gram{before, r})
		}
		before = r
	}
	slices.SortFunc(out, func(a, b gram) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(out)
}

const (
	maxQuery    = 256    // octets of a query
	maxExamined = 20_000 // index entries or messages that one search looks at
	sampled     = 64     // entries looked at to find the rarest gram
)

// Search finds the newest messages whose text contains the query, letter case and width aside. It looks at a bounded
// number of candidates; more reports that it stopped before the oldest message.
func (v *View) Search(query string, limit int) (found []Message, more bool, err error) {
	q := fold(query)
	if q == "" || len(query) > maxQuery {
		return nil, false, bad("bad_query", "a query is 1 to %d octets", maxQuery)
	}
	s := search{View: v, query: q, grams: grams(q), limit: clampLimit(limit)}
	prefix := tMessageSeq.key()
	if len(s.grams) > 0 {
		rarest, err := s.rarest()
		if err != nil {
			return nil, false, err
		}
		prefix = rarest.prefix()
	}
	err = v.r.Scan(prefix, nil, true, func(k, _ []byte) (bool, error) { return s.examine(lastU64(k)) })
	return s.found, s.more, err
}

type search struct {
	*View
	query    string
	grams    []gram
	limit    int
	examined int
	found    []Message
	more     bool
}

// rarest picks the gram with the fewest messages among the first entries of each.
func (s *search) rarest() (gram, error) {
	best, fewest := s.grams[0], sampled+1
	for _, g := range s.grams {
		some, err := keys(s.r, g.prefix(), sampled)
		if err != nil {
			return best, err
		}
		if len(some) < fewest {
			best, fewest = g, len(some)
		}
	}
	return best, nil
}

func (s *search) examine(seq uint64) (bool, error) {
	if s.examined++; s.examined > maxExamined {
		s.more = true
		return false, nil
	}
	for _, g := range s.grams {
		if ok, err := has(s.r, g.key(seq)); err != nil || !ok {
			return true, err
		}
	}
	m, ok, err := s.messageBySeq(seq)
	if err != nil || !ok || !strings.Contains(fold(m.Text), s.query) {
		return true, err
	}
	if len(s.found) == s.limit {
		s.more = true
		return false, nil
	}
	s.found = append(s.found, m)
	return true, nil
}
