package bundle_test

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

func TestLifetimeIsCountedFromCreationOrByAge(t *testing.T) {
	now := bundle.DTNTimeOf(time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC))
	const minute = 60000
	make := func(created bundle.DTNTime, lifetime uint64, age int) *bundle.Bundle {
		b := sample(nil)
		b.Primary.Created.Time, b.Primary.Lifetime = created, lifetime
		if age >= 0 {
			b.SetAge(uint64(age))
		}
		return b
	}
	for name, c := range map[string]struct {
		b    *bundle.Bundle
		now  bundle.DTNTime
		left uint64
		want error
	}{
		"fresh":                   {make(now-1000, 5000, -1), now, 4000, nil},
		"its last millisecond":    {make(now-4999, 5000, -1), now, 1, nil},
		"over":                    {make(now-5000, 5000, -1), now, 0, bundle.ErrExpired},
		"for ever":                {make(now-5000, math.MaxUint64, -1), now, math.MaxUint64 - 5000, nil},
		"no lifetime at all":      {make(now, 0, -1), now, 0, bundle.ErrExpired},
		"a little early":          {make(now+5*minute, 5000, -1), now, 5000, nil},
		"from the future":         {make(now+5*minute+1, 5000, -1), now, 0, bundle.ErrFuture},
		"from the end of time":    {make(math.MaxUint64, math.MaxUint64, -1), now, 0, bundle.ErrFuture},
		"no clock there":          {make(0, 5000, 2000), now, 3000, nil},
		"no clock there, too old": {make(0, 5000, 5000), now, 0, bundle.ErrExpired},
		"no clock there, no age":  {make(0, 5000, -1), now, 0, bundle.ErrNoAge},
		"no clock here":           {make(now, 5000, -1), 0, 5000, nil},
		"no clock here, an age":   {make(now, 5000, 6000), 0, 0, bundle.ErrExpired},
	} {
		left, err := c.b.CheckTime(c.now, 5*minute)
		if left != c.left || !errors.Is(err, c.want) {
			t.Errorf("%s: %d, %v: want %d, %v", name, left, err, c.left, c.want)
		}
	}
	b := make(0, 5000, 0)
	b.First(bundle.AgeBlock).Data = []byte{0x20}
	if _, err := b.CheckTime(now, 0); !errors.Is(err, bundle.ErrMalformed) {
		t.Error(err)
	}
}

func TestTimesConvert(t *testing.T) {
	at := time.Date(2026, 7, 1, 8, 0, 0, 5e6, time.UTC)
	if got := bundle.DTNTimeOf(at).Time(); !got.Equal(at) {
		t.Error(got)
	}
	if bundle.DTNTimeOf(time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)) != 0 || bundle.DTNTimeOf(time.Time{}) != 0 {
		t.Error("before 2000 there is no time")
	}
	if y := bundle.DTNTime(math.MaxUint64).Time().Year(); y < 292_000_000 {
		t.Error(y)
	}
	if got := bundle.DTNTimeOf(time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)); got != 1000 {
		t.Error(got)
	}
}

func TestHopsAgeAndPreviousNodeChangeOnTheWay(t *testing.T) {
	b := sample(nil)
	if err := b.Hop(); err != nil || len(b.Blocks) != 1 {
		t.Error("no hop count is no limit", err)
	}
	if err := b.Grow(5); err != nil || len(b.Blocks) != 1 {
		t.Error("no age does not grow", err)
	}
	b.SetHops(2, 0)
	b.SetAge(math.MaxUint64 - 1)
	b.SetPreviousNode(bundle.Site(3))
	if err := errors.Join(b.Hop(), b.Hop(), b.Grow(5)); err != nil {
		t.Error(err)
	}
	if err := b.Hop(); !errors.Is(err, bundle.ErrHopLimit) {
		t.Error(err)
	}
	b = decode(t, encode(t, b))
	limit, count, found, err := b.Hops()
	if limit != 2 || count != 2 || !found || err != nil {
		t.Error(limit, count, found, err)
	}
	if age, _, _ := b.Age(); age != math.MaxUint64 {
		t.Error(age)
	}
	b.SetPreviousNode(bundle.Site(4))
	if node, found, err := b.PreviousNode(); node != bundle.Site(4) || !found || err != nil || len(b.Blocks) != 4 {
		t.Error(node, found, err)
	}
	for _, bad := range []string{"", "8200", "820001", "82190100" + "01", "83010101", "820101" + "00", "2001"} {
		b.First(bundle.HopCountBlock).Data = unhex(t, bad)
		if err := b.Hop(); !errors.Is(err, bundle.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPrecedenceTravelsAndGoesToIONAndBack(t *testing.T) {
	var before bundle.QoS
	for p := fusion.FlashOverride; p <= fusion.Routine; p++ {
		b := sample([]byte("x"))
		b.SetPrecedence(fusion.Immediate)
		b.SetPrecedence(p)
		q := bundle.QoSOf(p)
		b.SetQoS(q)
		b = decode(t, encode(t, b))
		if b.Precedence() != p {
			t.Errorf("%v became %v", p, b.Precedence())
		}
		got, found, err := b.QoS()
		if got != q || !found || err != nil || got.Precedence() != p {
			t.Errorf("%v: %+v, %v", p, got, err)
		}
		if p > 0 && (q.Class > before.Class || q.Class == before.Class && q.Ordinal >= before.Ordinal) {
			t.Errorf("%v is not behind the one above", p)
		}
		before = q
	}
	b := sample(nil)
	if b.Precedence() != fusion.Routine {
		t.Error("without a mark it is routine")
	}
	for _, unreadable := range [][]byte{nil, {5}, {0x20}, {0x1b, 1, 0, 0, 0, 0, 0, 0, 0}, {0, 0}, {0x61, 'x'}} {
		b.SetPrecedence(fusion.Flash)
		b.First(bundle.PrecedenceBlock).Data = unreadable
		if b.Precedence() != fusion.Routine {
			t.Errorf("%x is %v", unreadable, b.Precedence())
		}
	}
}

func TestUnknownBlocksAreKeptOrDoneWithAsTheySay(t *testing.T) {
	mk := func(flags ...bundle.BlockFlags) *bundle.Bundle {
		b := sample([]byte("x"))
		for _, f := range flags {
			b.Add(bundle.Block{Type: 400, Flags: f, Data: []byte{1}})
		}
		b.SetAge(1)
		return b
	}
	for _, c := range []struct {
		flags []bundle.BlockFlags
		want  bundle.Unknown
		left  int
	}{
		{nil, bundle.Unknown{}, 2},
		{[]bundle.BlockFlags{0, bundle.Replicate}, bundle.Unknown{}, 4},
		{[]bundle.BlockFlags{bundle.ReportIfUnknown, 0}, bundle.Unknown{Report: true}, 4},
		{[]bundle.BlockFlags{bundle.DeleteIfUnknown}, bundle.Unknown{Delete: true}, 3},
		{[]bundle.BlockFlags{bundle.DiscardIfUnknown, 0, bundle.DiscardIfUnknown | bundle.ReportIfUnknown}, bundle.Unknown{Report: true, Discarded: 2}, 3},
	} {
		b := mk(c.flags...)
		if got := b.ProcessUnknown(nil); got != c.want || len(b.Blocks) != c.left {
			t.Errorf("%v: %+v with %d blocks left", c.flags, got, len(b.Blocks))
		}
		encode(t, b)
	}
	b := mk(bundle.ReportIfUnknown)
	b.Primary.Source = bundle.EID{}
	if got := b.ProcessUnknown(nil); got.Report {
		t.Error("nobody is reported to")
	}
	b = mk(bundle.DeleteIfUnknown)
	if got := b.ProcessUnknown(func(bt bundle.BlockType) bool { return bt == 400 || bt.Known() }); got.Delete {
		t.Error("what the caller knows is known")
	}
}

// A block that is discarded takes the signature over it along, and nothing else.
func TestADiscardedBlockTakesItsSignatureAlong(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 32)
	b := sample([]byte("x"))
	number := b.Add(bundle.Block{Type: 400, Flags: bundle.DiscardIfUnknown, Data: []byte{1}})
	sign := bundle.Integrity{Source: bundle.Site(1675), Key: key}
	if err := errors.Join(sign.Sign(b, bundle.PrimaryNumber, number), sign.Sign(b, bundle.PayloadNumber)); err != nil {
		t.Fatal(err)
	}
	if got := b.ProcessUnknown(nil); got.Discarded != 1 || len(b.Blocks) != 3 {
		t.Errorf("%+v, %d blocks", got, len(b.Blocks))
	}
	all, err := decode(t, encode(t, b)).Verify(always(key))
	passed(t, all, err, 2)
	if !bundle.Covered(all, bundle.IntegrityBlock, bundle.PrimaryNumber, bundle.Site(1675)) || bundle.Covered(all, bundle.IntegrityBlock, number, bundle.Site(1675)) {
		t.Error(all)
	}
	b = sample([]byte("x"))
	number = b.Add(bundle.Block{Type: 400, Data: []byte{1}})
	if err := sign.Sign(b, number); err != nil {
		t.Fatal(err)
	}
	if !b.Remove(number) || b.Remove(number) || len(b.Blocks) != 1 {
		t.Error("a security block without operations stays")
	}
}

func TestStatusReports(t *testing.T) {
	from, created := bundle.Site(9), bundle.Timestamp{Time: 77, Seq: 1}
	b := sample([]byte("x"))
	if got := b.Report(bundle.WasDeleted, bundle.ReasonExpired, from, created, 55, 1000, false); got != nil {
		t.Error("nobody asked")
	}
	b.Primary.Flags = bundle.ReportDeletion | bundle.StatusTime
	b.SetPrecedence(fusion.Flash)
	r := b.Report(bundle.WasDeleted, bundle.ReasonExpired, from, created, 55, 1000, false)
	r = decode(t, encode(t, r))
	p := r.Primary
	if p.Destination != b.Primary.ReportTo || p.Source != from || !p.Is(bundle.AdminRecord) || r.Precedence() != fusion.Flash || p.Created != created {
		t.Errorf("%+v", r)
	}
	s, known, err := bundle.ParseStatusReport(r.Payload())
	want := bundle.StatusReport{Deleted: bundle.Assertion{Yes: true, At: 55}, Reason: bundle.ReasonExpired, Source: b.Primary.Source, Created: b.Primary.Created}
	if err != nil || !known || *s != want {
		t.Errorf("%+v, %v", s, err)
	}
	for what, did := range map[bundle.BundleFlags]func(s *bundle.StatusReport) bool{
		bundle.WasReceived:  func(s *bundle.StatusReport) bool { return s.Received.Yes },
		bundle.WasForwarded: func(s *bundle.StatusReport) bool { return s.Forwarded.Yes },
		bundle.WasDelivered: func(s *bundle.StatusReport) bool { return s.Delivered.Yes },
	} {
		if b.Report(what, 0, from, created, 55, 1000, false) != nil {
			t.Errorf("%#x was not asked for", what)
		}
		s, _, err := bundle.ParseStatusReport(b.Report(what, 0, from, created, 55, 1000, true).Payload())
		if err != nil || !did(s) {
			t.Errorf("%+v, %v", s, err)
		}
	}
	r.Primary.Flags |= bundle.ReportDeletion
	if r.Report(bundle.WasDeleted, 0, from, created, 55, 1000, true) != nil {
		t.Error("no reports on reports")
	}
	b.Primary.Flags |= bundle.IsFragment
	b.Primary.Offset, b.Primary.Total = 7, 8
	if s, _, err := bundle.ParseStatusReport(b.Report(bundle.WasDeleted, 0, from, created, 55, 1000, false).Payload()); err != nil || !s.Fragment || s.Offset != 7 || s.Length != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if got := bundle.ReasonHopLimit.String() + bundle.Reason(99).String(); got != "hop_limitreason(99)" {
		t.Error(got)
	}
}

func TestBadStatusReports(t *testing.T) {
	for raw, want := range map[string]error{
		"":   bundle.ErrTruncated,
		"80": bundle.ErrMalformed,
		"82018484" + "81f581f481f481f4" + "0082028202018209":     bundle.ErrTruncated,
		"82018484" + "81f581f481f481f4" + "00820282020182090800": bundle.ErrTrailing,
		"82018484" + "81f581f481f482f405" + "008202820201820908": bundle.ErrMalformed,
		"82018484" + "81f581f481f481f6" + "008202820201820908":   bundle.ErrMalformed,
		"82018484" + "81f581f481f481f4" + "208202820201820908":   bundle.ErrNegative,
		"82018484" + "82f52081f481f481f4" + "008202820201820908": bundle.ErrNegative,
		"82018584" + "81f581f481f481f4" + "00820282020182090805": bundle.ErrMalformed,
		"82058181818181818181818100":                             bundle.ErrTooLarge,
	} {
		if _, _, err := bundle.ParseStatusReport(unhex(t, raw)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", raw, err, want)
		}
	}
	if s, known, err := bundle.ParseStatusReport(unhex(t, "820483010203")); s != nil || known || err != nil {
		t.Error("another kind of record is no error", known, err)
	}
}
