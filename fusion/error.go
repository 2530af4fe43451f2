package fusion

import (
	"errors"
	"fmt"
)

// Fault says who is at fault when something fails, which is what a caller needs to know to act.
type Fault uint8

// The faults. The API shows them by their String form.
const (
	Broken     Fault = iota // we are: a defect or a failing part
	BadRequest              // the caller: the request can never succeed as it is
	NotAllowed              // the caller: it lacks the right, or is not logged in
	NotFound                // the caller: it names something that is not there
	Conflict                // the caller: what it changes has changed, or is in another state
	Busy                    // nobody: try again soon
	CutOff                  // the network: no quorum, or no bearer
	Full                    // the store: no room left above the reserve
)

var faultNames = [...]string{"broken", "bad_request", "not_allowed", "not_found", "conflict", "busy", "cut_off", "full"}

func (f Fault) String() string {
	if int(f) < len(faultNames) {
		return faultNames[f]
	}
	return fmt.Sprintf("fault(%d)", uint8(f))
}

// Error is a failure with its fault and a short stable reason in snake_case that a screen can translate.
type Error struct {
	Fault  Fault
	Reason string // for machines and translations: "wrong_password", "group_unknown"
	Detail string // for people, in English; may be empty
	Err    error  // the cause, may be nil
}

// E makes an Error. Detail is formatted as by fmt.Sprintf when there are args; an arg that is an error, given last, becomes the cause.
func E(fault Fault, reason, detail string, args ...any) *Error {
	e := &Error{Fault: fault, Reason: reason, Detail: detail}
	if len(args) == 0 {
		return e
	}
	e.Detail = fmt.Sprintf(detail, args...)
	if err, ok := args[len(args)-1].(error); ok {
		e.Err = err
	}
	return e
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Fault.String() + ": " + e.Reason
	}
	return e.Fault.String() + ": " + e.Reason + ": " + e.Detail
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes two Errors equal when fault and reason are, so that errors.Is works against a sentinel.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Fault == e.Fault && t.Reason == e.Reason
}

// FaultOf finds the fault of any error: Broken when none says otherwise.
func FaultOf(err error) Fault {
	var e *Error
	if errors.As(err, &e) {
		return e.Fault
	}
	return Broken
}

// ReasonOf finds the reason of any error: "internal" when none says otherwise.
func ReasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return "internal"
}
