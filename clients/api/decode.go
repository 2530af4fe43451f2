package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// maxBody is how large a JSON body may be, in octets, where a route says nothing else.
const maxBody = 64 << 10

// maxDepth is how deep JSON may be nested.
const maxDepth = 16

func bad(reason, detail string, args ...any) error {
	return fusion.E(fusion.BadRequest, reason, detail, args...)
}

// decode reads a JSON body strictly: one object, no unknown member, nothing after it. An empty body is an empty object.
func decode(r *http.Request, v any) error {
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if kind, _, err := mime.ParseMediaType(ct); err != nil || kind != "application/json" {
			return bad("bad_content_type", "the body is application/json, not %q", ct)
		}
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return readError(err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	return decodeJSON(data, v)
}

func readError(err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return bad("too_large", "the body has more than %d octets", big.Limit)
	}
	return bad("broken_off", "the body broke off: %v", err)
}

func decodeJSON(data []byte, v any) error {
	if !utf8.Valid(data) {
		return bad("bad_json", "the text is not UTF-8")
	}
	if depth(data) > maxDepth {
		return bad("bad_json", "nested more than %d deep", maxDepth)
	}
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return bad("bad_json", "a JSON object is expected")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return bad("bad_json", "%v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("bad_json", "something follows the JSON object")
	}
	return nil
}

// depth is how deep brackets are nested outside strings.
func depth(data []byte) int {
	now, most, inside := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case inside:
		case c == '{' || c == '[':
			now++
			most = max(most, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return most
}

// query reads typed values of a query string; the first one that is wrong is kept in err.
type query struct {
	r   *http.Request
	err error
}

func (q *query) text(name string) string { return q.r.URL.Query().Get(name) }

func (q *query) fail(name string) {
	if q.err == nil {
		q.err = bad("bad_query", "%s=%q cannot be read", name, q.text(name))
	}
}

func (q *query) integer(name string) int64 {
	s := q.text(name)
	if s == "" {
		return 0
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		q.fail(name)
		return 0
	}
	return v
}

func (q *query) millis(name string) state.Millis { return state.Millis(q.integer(name)) }

// limit is how many entries are wanted, the default when it is not said, never more than the most.
func (q *query) limit() int {
	n := q.integer("limit")
	if n == 0 {
		return state.DefaultLimit
	}
	return int(min(n, state.MaxLimit))
}

func (q *query) number(name string, site fusion.Site) fusion.Number {
	s := q.text(name)
	if s == "" || s == "0" {
		return 0
	}
	n, err := fusion.ParseNumber(s, site)
	if err != nil {
		q.fail(name)
	}
	return n
}

func (q *query) id(name string) fusion.ID {
	id, err := fusion.ParseID(q.text(name))
	if err != nil {
		q.fail(name)
	}
	return id
}

func (q *query) flag(name string) bool { s := q.text(name); return s == "1" || s == "true" }

// pathID and pathNumber read a part of the path.
func pathID(r *http.Request, name string) (fusion.ID, error) {
	id, err := fusion.ParseID(r.PathValue(name))
	if err != nil || id.IsZero() {
		return id, bad("bad_id", "%q is no ID", r.PathValue(name))
	}
	return id, nil
}

func pathNumber(r *http.Request, name string) (fusion.Number, error) {
	n, err := fusion.ParseNumber(r.PathValue(name), 0)
	if err != nil || !n.Valid() {
		return 0, bad("bad_number", "%q is no number", r.PathValue(name))
	}
	return n, nil
}

// page is a list as it is answered.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func pageOf[T any](items []T) page[T] {
	if items == nil {
		items = []T{}
	}
	return page[T]{Items: items}
}
