package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/journal"
	"github.com/guantong-net/guantong/fusion/state"
)

var errNoJournal = fusion.E(fusion.NotFound, "no_journal", "this node keeps no recordings")

func (s *Server) listBursts(w http.ResponseWriter, r *http.Request) error {
	site, err := view(s, (*state.View).Site)
	if err != nil {
		return err
	}
	q := query{r: r}
	f := state.BurstFilter{Group: q.number("group", site.Number), Talker: q.number("talker", site.Number), From: q.millis("from"), To: q.millis("to"), Limit: q.limit()}
	call := q.id("call")
	if q.err != nil {
		return q.err
	}
	out, err := see(s, callerOf(r), func(v *state.View, st *sight) (page[state.Burst], error) {
		var err error
		if f.Before, err = q.burstBefore(v); err != nil {
			return page[state.Burst]{}, err
		}
		if f.Group != 0 && !st.sees() && !st.groups[f.Group] {
			return page[state.Burst]{}, fusion.E(fusion.NotAllowed, "not_a_member", "you are no member of group %s", f.Group)
		}
		return bursts(v, st, f, func(b state.Burst) bool { return call.IsZero() || b.Call == call })
	})
	if err != nil {
		return err
	}
	return ok(w, out)
}

// burstBefore reads where a list goes on: the ID of the last burst seen, or its seq.
func (q *query) burstBefore(v *state.View) (fusion.ID, error) {
	text := q.text("cursor")
	if text == "" {
		text = q.text("before")
	}
	if text == "" {
		return fusion.ID{}, nil
	}
	if len(text) == 32 {
		id, err := fusion.ParseID(text)
		if err != nil {
			return id, bad("bad_query", "before=%q cannot be read", text)
		}
		return id, nil
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil || seq == 0 {
		return fusion.ID{}, bad("bad_query", "before=%q cannot be read", text)
	}
	events, err := v.Events(seq-1, 1)
	if err != nil {
		return fusion.ID{}, err
	}
	if len(events) == 1 {
		if b, ok := events[0].Data.(state.Burst); ok {
			return b.ID, nil
		}
	}
	return fusion.ID{}, bad("bad_query", "event %d is no burst", seq)
}

func bursts(v *state.View, st *sight, f state.BurstFilter, pass func(state.Burst) bool) (page[state.Burst], error) {
	out := pageOf[state.Burst](nil)
	for range maxPages {
		some, err := v.Bursts(f)
		if err != nil {
			return out, err
		}
		for _, b := range some {
			f.Before = b.ID
			if st.burst(b) && pass(b) {
				if out.Items = append(out.Items, b); len(out.Items) == f.Limit {
					break
				}
			}
		}
		if len(some) < f.Limit {
			return out, nil
		}
		if len(out.Items) == f.Limit {
			break
		}
	}
	out.Next = f.Before.String()
	return out, nil
}

func (s *Server) burstAudio(w http.ResponseWriter, r *http.Request) error {
	if s.d.Journal == nil {
		return errNoJournal
	}
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	c := callerOf(r)
	b, err := see(s, c, func(v *state.View, st *sight) (state.Burst, error) {
		b, err := v.Burst(id)
		if err == nil && !st.burst(b) {
			err = fusion.E(fusion.NotFound, "burst_unknown", "there is no such burst")
		}
		return b, err
	})
	if err != nil {
		return err
	}
	q := query{r: r}
	raw := q.flag("raw")
	f, kind, err := s.d.Journal.Audio(b, raw)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if r.Header.Get("Range") == "" || strings.HasPrefix(r.Header.Get("Range"), "bytes=0-") {
		s.audit.did(c, "replay", id.String(), "")
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "private, max-age=3600")
	h.Set("ETag", strconv.Quote(b.File+strconv.FormatBool(raw)))
	http.ServeContent(w, r, "", time.UnixMilli(int64(b.Start)), f)
	return nil
}

// maxExport bounds what one export gathers, of each kind.
const maxExport = 50_000

func (s *Server) export(w http.ResponseWriter, r *http.Request) error {
	if s.d.Journal == nil {
		return errNoJournal
	}
	site, err := view(s, (*state.View).Site)
	if err != nil {
		return err
	}
	c := callerOf(r)
	q := query{r: r}
	set := journal.ExportSet{Site: site, From: q.millis("from"), To: q.millis("to"), By: c.user.Name, At: state.Millis(s.d.Now().UnixMilli()), Floor: s.d.FloorLog}
	for _, g := range strings.FieldsFunc(q.text("groups"), func(r rune) bool { return r == ',' }) {
		n, err := fusion.ParseNumber(g, site.Number)
		if err != nil {
			return bad("bad_query", "groups=%q cannot be read", q.text("groups"))
		}
		set.Groups = append(set.Groups, n)
	}
	if q.err != nil {
		return q.err
	}
	if set.To == 0 {
		set.To = set.At
	}
	if set.From >= set.To {
		return bad("bad_span", "the span ends before it begins")
	}
	leave, free := s.exports.enter("")
	if !free {
		return fusion.E(fusion.Busy, "export_busy", "other exports are under way")
	}
	defer leave()
	if err := s.d.Record.View(func(v *state.View) error { return gather(v, &set) }); err != nil {
		return err
	}
	s.audit.did(c, "export", q.text("groups"), fmt.Sprintf("from %d to %d", set.From, set.To))
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="guantong-%d-%d.zip"`, set.From, set.To))
	if err := s.d.Journal.Export(r.Context(), w, set); err != nil {
		s.d.Log.Error("export broke off", "by", c.user.Name, "error", err)
		panic(http.ErrAbortHandler) // the only way to tell a client that a body which has begun is not whole
	}
	return nil
}

// gather reads what an export holds.
func gather(v *state.View, set *journal.ExportSet) error {
	chosen := func(ns []fusion.Number) bool {
		return len(set.Groups) == 0 || slices.ContainsFunc(ns, func(n fusion.Number) bool { return slices.Contains(set.Groups, n) })
	}
	f := state.BurstFilter{From: set.From, To: set.To, Limit: state.MaxLimit}
	for {
		some, err := v.Bursts(f)
		if err != nil {
			return err
		}
		set.Bursts = append(set.Bursts, keep(some, func(b state.Burst) bool { return chosen(b.Groups) })...)
		if len(some) < f.Limit {
			break
		}
		f.Before = some[len(some)-1].ID
		if len(set.Bursts) > maxExport {
			return errExport
		}
	}
	if err := gatherMessages(v, set, chosen); err != nil {
		return err
	}
	alerts, err := v.Alerts(state.MaxLimit)
	if err != nil {
		return err
	}
	set.Alerts = keep(alerts, func(a state.Alert) bool {
		return a.Raised >= set.From && a.Raised < set.To && chosen([]fusion.Number{a.Group})
	})
	if len(set.Groups) == 0 {
		set.Calls, err = v.Calls(state.CallFilter{From: set.From, To: set.To, Limit: state.MaxLimit})
	}
	return err
}

var errExport = fusion.E(fusion.BadRequest, "span_too_long", "the span holds more than %d objects; export it in parts", maxExport)

func gatherMessages(v *state.View, set *journal.ExportSet, chosen func([]fusion.Number) bool) error {
	f := state.MessageFilter{Since: set.From, Before: set.To, Limit: state.MaxLimit}
	for {
		some, err := v.Messages(f)
		if err != nil {
			return err
		}
		for _, m := range some {
			if !chosen(m.To) {
				continue
			}
			receipts, err := v.Receipts(m.ID)
			if err != nil {
				return err
			}
			set.Messages, set.Receipts = append(set.Messages, m), append(set.Receipts, receipts...)
		}
		if len(some) < f.Limit {
			return nil
		}
		if len(set.Messages) > maxExport {
			return errExport
		}
		last := some[len(some)-1]
		f.BeforeHLC, f.BeforeSeq = last.HLC, last.Seq
	}
}

func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	after, limit := uint64(q.integer("after")), q.limit()
	if c := q.text("cursor"); c != "" {
		after = uint64(q.integer("cursor"))
	}
	if q.err != nil {
		return q.err
	}
	out, err := see(s, callerOf(r), func(v *state.View, st *sight) (page[state.Event], error) {
		return events(v, st, after, limit)
	})
	if err != nil {
		return err
	}
	return ok(w, out)
}

// events lists what the caller may see. A list shorter than the limit reaches to the last event.
func events(v *state.View, st *sight, after uint64, limit int) (page[state.Event], error) {
	out := pageOf[state.Event](nil)
	for {
		some, err := v.Events(after, limit)
		if err != nil || len(some) == 0 {
			return out, err
		}
		for _, e := range some {
			after = e.Seq
			seen, err := st.event(v, e)
			if err != nil {
				return out, err
			}
			if !seen {
				continue
			}
			if out.Items = append(out.Items, e); len(out.Items) == limit {
				out.Next = strconv.FormatUint(after, 10)
				return out, nil
			}
		}
	}
}

func (s *Server) listAudit(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	from, limit := uint64(q.integer("from")), q.limit()
	if q.text("cursor") != "" {
		from = uint64(q.integer("cursor"))
	}
	if q.err != nil {
		return q.err
	}
	entries, err := view(s, func(v *state.View) ([]state.Audit, error) {
		if from == 0 { // the newest ones
			last, _, err := v.AuditHead()
			if err != nil {
				return nil, err
			}
			from = uint64(max(1, int64(last)-int64(limit)+1))
		}
		return v.Audit(from, limit)
	})
	if err != nil {
		return err
	}
	out := pageOf(entries)
	if len(entries) == limit {
		out.Next = strconv.FormatUint(entries[len(entries)-1].Seq+1, 10)
	}
	return ok(w, out)
}

func (s *Server) listCallLog(w http.ResponseWriter, r *http.Request) error {
	site, err := view(s, (*state.View).Site)
	if err != nil {
		return err
	}
	q := query{r: r}
	f := state.CallFilter{Number: q.number("number", site.Number), Result: q.text("result"), From: q.millis("from"), To: q.millis("to"), Limit: q.limit()}
	if q.err != nil {
		return q.err
	}
	calls, err := see(s, callerOf(r), func(v *state.View, st *sight) ([]state.CallRecord, error) {
		if f.Number == 0 && !st.sees() && !st.may(identity.AdmitCall) {
			f.Number = st.unit.Number
		}
		all, err := v.Calls(f)
		return keep(all, st.call), err
	})
	if err != nil {
		return err
	}
	return ok(w, pageOf(calls))
}
