package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/guantong-net/guantong/fusion"
)

// fault is an error as a client sees it.
type fault struct {
	Fault  string `json:"fault"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

type faultReply struct {
	Error fault `json:"error"`
}

var (
	errLogin    = fusion.E(fusion.NotAllowed, "login", "log in first")
	errNotFound = fusion.E(fusion.NotFound, "no_such_call", "there is nothing at this address")
)

// shown makes a fault of any error. What is our own defect is not shown in detail: it may tell too much.
func shown(err error) fault {
	var e *fusion.Error
	switch {
	case errors.As(err, &e) && e.Fault != fusion.Broken:
		return fault{Fault: e.Fault.String(), Reason: e.Reason, Detail: e.Detail}
	case errors.As(err, &e):
		return fault{Fault: e.Fault.String(), Reason: e.Reason}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault{Fault: fusion.CutOff.String(), Reason: "timeout", Detail: "the request took too long; it may still be carried out: ask again with the same key"}
	}
	return fault{Fault: fusion.Broken.String(), Reason: "internal"}
}

// statusOf maps a fault to HTTP, as PROTOCOL.md says.
func statusOf(f fault) int {
	switch f.Fault {
	case "bad_request":
		if f.Reason == "too_large" {
			return http.StatusRequestEntityTooLarge
		}
		return http.StatusBadRequest
	case "not_allowed":
		if f.Reason == "login" {
			return http.StatusUnauthorized
		}
		return http.StatusForbidden
	case "not_found":
		return http.StatusNotFound
	case "conflict":
		return http.StatusConflict
	case "busy":
		return http.StatusTooManyRequests
	case "cut_off":
		return http.StatusServiceUnavailable
	case "full":
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// refuse answers with an error.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := shown(err)
	code := statusOf(f)
	s.count.refused.WithLabelValues(f.Fault).Inc()
	switch code {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(err)))
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusInternalServerError:
		s.d.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeJSON(w, code, faultReply{f})
}

// waitError is a refusal that says when to come again.
type waitError struct {
	error
	seconds int
}

func (e waitError) Unwrap() error { return e.error }

func retryAfter(err error) int {
	var w waitError
	if errors.As(err, &w) {
		return max(1, w.seconds)
	}
	return 1
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		code, data = http.StatusInternalServerError, []byte(`{"error":{"fault":"broken","reason":"internal"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(code)
	_, _ = w.Write(data) // a client that is gone is no error of ours
}
