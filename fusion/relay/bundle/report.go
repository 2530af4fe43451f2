package bundle

import "fmt"

// recordStatus is the administrative record type of a status report (RFC 9171 §6.1).
const recordStatus = 1

// Reason says why something was done to a bundle (RFC 9171 §9.5, RFC 9172 §11.2).
type Reason uint64

// The reasons.
const (
	ReasonNone Reason = iota
	ReasonExpired
	ReasonOneWay
	ReasonCanceled
	ReasonStoreFull
	ReasonNoEndpoint
	ReasonNoRoute
	ReasonNoContact
	ReasonBlockUnintelligible
	ReasonHopLimit
	ReasonPared
	ReasonBlockUnsupported
	ReasonSecurityMissing
	ReasonSecurityUnknown
	ReasonSecurityUnexpected
	ReasonSecurityFailed
	ReasonSecurityConflicting
)

var reasonNames = [...]string{"none", "expired", "one_way", "canceled", "store_full", "no_endpoint", "no_route", "no_contact", "block_unintelligible",
	"hop_limit", "pared", "block_unsupported", "security_missing", "security_unknown", "security_unexpected", "security_failed", "security_conflicting"}

func (r Reason) String() string {
	if r < Reason(len(reasonNames)) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint64(r))
}

// Assertion says that something was done to a bundle, and when: zero when that was not asked for.
type Assertion struct {
	Yes bool
	At  DTNTime
}

// StatusReport is a bundle status report (RFC 9171 §6.1.1). It is a claim of the node that sends it.
type StatusReport struct {
	Received, Forwarded, Delivered, Deleted Assertion

	Reason  Reason
	Source  EID       // of the bundle that is reported on
	Created Timestamp // of it
	// Of a fragment only.
	Fragment       bool
	Offset, Length uint64
}

func appendAssertion(dst []byte, a Assertion) []byte {
	if a.Yes && a.At != 0 {
		return appendUint(appendBool(appendArray(dst, 2), true), uint64(a.At))
	}
	return appendBool(appendArray(dst, 1), a.Yes)
}

func (r *reader) assertion() (a Assertion) {
	l := r.array()
	a.Yes = r.next(&l).bool()
	if r.more(&l) {
		a.At = DTNTime(r.uint())
		r.end(&l)
	}
	if r.err == nil && !a.Yes && a.At != 0 {
		r.fail(ErrMalformed, "the time of what was not done")
	}
	return a
}

// Append writes the administrative record: the payload of a bundle with the AdminRecord flag.
func (s *StatusReport) Append(dst []byte) []byte {
	fields := 4
	if s.Fragment {
		fields = 6
	}
	dst = appendArray(appendUint(appendArray(dst, 2), recordStatus), fields)
	dst = appendArray(dst, 4)
	for _, a := range [...]Assertion{s.Received, s.Forwarded, s.Delivered, s.Deleted} {
		dst = appendAssertion(dst, a)
	}
	dst = appendEID(appendUint(dst, uint64(s.Reason)), s.Source, false)
	dst = appendTimestamp(dst, s.Created)
	if s.Fragment {
		dst = appendUint(appendUint(dst, s.Offset), s.Length)
	}
	return dst
}

// ParseStatusReport reads the payload of an administrative record. Known is false for a record of another type, which is no error.
func ParseStatusReport(payload []byte) (s *StatusReport, known bool, err error) {
	r := reader{buf: payload}
	l := r.array()
	kind := r.next(&l).uint()
	if r.err == nil && kind != recordStatus {
		r.next(&l).item()
		r.end(&l)
		return nil, false, r.done()
	}
	s = r.next(&l).statusReport()
	r.end(&l)
	if err := r.done(); err != nil {
		return nil, true, fmt.Errorf("status report: %w", err)
	}
	return s, true, nil
}

func (r *reader) statusReport() *StatusReport {
	s := &StatusReport{}
	l := r.array()
	r.next(&l)
	info := r.array()
	for _, a := range [...]*Assertion{&s.Received, &s.Forwarded, &s.Delivered, &s.Deleted} {
		*a = r.next(&info).assertion()
	}
	r.end(&info)
	s.Reason = Reason(r.next(&l).uint())
	s.Source, _ = r.next(&l).eid()
	s.Created = r.next(&l).timestamp()
	if s.Fragment = r.more(&l); s.Fragment {
		s.Offset, s.Length = r.uint(), r.next(&l).uint()
		r.end(&l)
	}
	return s
}

// What happens to a bundle, for Report.
const (
	WasReceived  = ReportReception
	WasForwarded = ReportForwarding
	WasDelivered = ReportDelivery
	WasDeleted   = ReportDeletion
)

// Report makes the status report that b asks for when something happens to it, or nil when it asks for none: From is our node ID, created the report's own
// timestamp, at the time of the event (used only if b asks for it). A block that is not understood is reported on reception when its flags ask
// for it, whatever b's flags say: then force is set (RFC 9171 §5.6).
func (b *Bundle) Report(what BundleFlags, why Reason, from EID, created Timestamp, at DTNTime, lifetime uint64, force bool) *Bundle {
	p := &b.Primary
	if !b.reportable() || !force && !p.Is(what) {
		return nil
	}
	did := Assertion{Yes: true}
	if p.Is(StatusTime) {
		did.At = at
	}
	s := StatusReport{Reason: why, Source: p.Source, Created: p.Created}
	switch what {
	case WasReceived:
		s.Received = did
	case WasForwarded:
		s.Forwarded = did
	case WasDelivered:
		s.Delivered = did
	case WasDeleted:
		s.Deleted = did
	default:
		return nil
	}
	if p.Is(IsFragment) {
		s.Fragment, s.Offset, s.Length = true, p.Offset, uint64(len(b.Payload()))
	}
	out := New(Primary{
		Flags: AdminRecord, CRC: p.CRC, Destination: p.ReportTo, Source: from, Created: created, Lifetime: lifetime,
	}, s.Append(nil))
	out.SetPrecedence(b.Precedence())
	return out
}
