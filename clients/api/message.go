package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// messageBody bounds the body of a message: its text, and sixteen attachments with their names.
const messageBody = 64 << 10

func (s *Server) postMessage(w http.ResponseWriter, r *http.Request) error {
	q := wire.MessageRequest{Precedence: fusion.Routine}
	if err := decode(r, &q); err != nil {
		return err
	}
	c := callerOf(r)
	if q.Precedence.Above(fusion.Immediate) && !c.may(identity.TalkAnywhere) {
		return fusion.E(fusion.NotAllowed, "precedence", "only dispatchers send %s messages; raise an alert in an emergency", q.Precedence)
	}
	if err := s.mayWriteTo(c, q); err != nil {
		return err
	}
	m := state.Message{From: c.unit.Number, To: q.To, Text: q.Text, Attachments: q.Attachments, Precedence: q.Precedence, Lifetime: q.Lifetime, Sign: q.Sign}
	if c.position != nil {
		m.Position = c.position.Number
	}
	id, held, err := s.keep(r, command.MessagePost, m)
	if err != nil {
		return err
	}
	if held {
		return heldHere(w, id)
	}
	got, err := view(s, func(v *state.View) (state.Message, error) { return v.Message(id) })
	if err != nil {
		return err
	}
	if got.By != c.user.Name {
		return fusion.E(fusion.Conflict, "id_taken", "this request ID is somebody else's")
	}
	return ok(w, got)
}

// mayWriteTo checks that a unit writes only to groups that it may join, and sends only files that it may see. Every message goes this way, so it looks only at
// what the message names.
func (s *Server) mayWriteTo(c *caller, q wire.MessageRequest) error {
	return s.d.Record.View(func(v *state.View) error {
		for _, to := range q.To {
			if err := mayWrite(v, c, to); err != nil {
				return err
			}
		}
		if len(q.Attachments) == 0 {
			return nil
		}
		st, err := sightOf(v, c)
		if err != nil {
			return err
		}
		for _, a := range q.Attachments {
			if err := s.maySeeFile(v, st, a.Hash); err != nil {
				return err
			}
		}
		return nil
	})
}

// mayWrite checks one recipient. What is no group may be written to by everybody; what is not there is refused by the state.
func mayWrite(v *state.View, c *caller, to fusion.Number) error {
	if c.may(identity.TalkAnywhere) {
		return nil
	}
	g, err := v.Group(to)
	if fusion.FaultOf(err) == fusion.NotFound && err != nil || err == nil && g.Open {
		return nil
	}
	if err == nil {
		_, err = v.Member(to, c.unit.Number)
	}
	if fusion.FaultOf(err) == fusion.NotFound && err != nil {
		return fusion.E(fusion.NotAllowed, "not_a_member", "you are no member of group %s", to)
	}
	return err
}

// mailCursor is the place in a list of messages: "hlc.seq" of the last one.
func mailCursor(m state.Message) string {
	return strconv.FormatUint(m.HLC, 10) + "." + strconv.FormatUint(m.Seq, 10)
}

// before reads where a list goes on: a cursor, a message's ID, an HLC, or a time in milliseconds.
func (q *query) before(v *state.View, f *state.MessageFilter) error {
	text := q.text("cursor")
	if text == "" {
		text = q.text("before")
	}
	if text == "" {
		return nil
	}
	if len(text) == 32 {
		id, err := fusion.ParseID(text)
		if err != nil {
			return bad("bad_query", "before=%q cannot be read", text)
		}
		m, err := v.Message(id)
		f.BeforeHLC, f.BeforeSeq = m.HLC, m.Seq
		return err
	}
	hlc, seq, both := strings.Cut(text, ".")
	n, err := strconv.ParseUint(hlc, 10, 64)
	if err != nil || n == 0 {
		return bad("bad_query", "before=%q cannot be read", text)
	}
	switch {
	case both:
		f.BeforeHLC = n
		if f.BeforeSeq, err = strconv.ParseUint(seq, 10, 64); err != nil {
			return bad("bad_query", "before=%q cannot be read", text)
		}
	case n >= 1<<48: // no time in milliseconds is that long: it is an HLC
		f.BeforeHLC = n
	default:
		f.Before = state.Millis(n)
	}
	return nil
}

func (s *Server) listMessages(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	limit, receipts := q.limit(), q.flag("receipts")
	site, err := view(s, (*state.View).Site)
	if err != nil {
		return err
	}
	with := q.number("to", site.Number)
	if q.err != nil {
		return q.err
	}
	out, err := see(s, callerOf(r), func(v *state.View, st *sight) (wire.MessagePage, error) {
		some, err := q.messages(v, st, with, limit)
		out := wire.MessagePage{Items: some.Items, Next: some.Next}
		if err == nil && receipts {
			out.Receipts, err = receiptsFor(v, st, some.Items)
		}
		return out, err
	})
	if err != nil {
		return err
	}
	return ok(w, out)
}

// messages answers a search or gives a page of a list.
func (q *query) messages(v *state.View, st *sight, with fusion.Number, limit int) (page[state.Message], error) {
	if text := q.text("q"); text != "" {
		return search(v, st, text, with, limit)
	}
	f := state.MessageFilter{With: with, Limit: limit}
	if err := q.before(v, &f); err != nil {
		return page[state.Message]{}, err
	}
	return messages(v, st, f)
}

// maxReceipts bounds the receipts that go along with a list of messages: a screen asks for the rest one message at a time.
const maxReceipts = 2000

// receiptsFor gives the receipts without which a screen does not know what it has read and signed for already, and how far what it sent has come.
func receiptsFor(v *state.View, st *sight, list []state.Message) ([]state.Receipt, error) {
	var out []state.Receipt
	for _, m := range list {
		all, err := v.Receipts(m.ID)
		if err != nil {
			return nil, err
		}
		sent := st.own(m.From) || m.By == st.user.Name
		for _, r := range all {
			if len(out) == maxReceipts {
				return out, nil
			}
			if sent || st.own(r.Recipient) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// messages lists what the caller may see, the newest first.
func messages(v *state.View, st *sight, f state.MessageFilter) (page[state.Message], error) {
	mailboxes := []fusion.Number{f.With}
	if f.With == 0 && !st.sees() {
		mailboxes = st.mailboxes()
	}
	var all []state.Message
	seen := make(map[fusion.ID]bool)
	for _, n := range mailboxes {
		f.With = n
		some, err := mailbox(v, st, f)
		if err != nil {
			return page[state.Message]{}, err
		}
		for _, m := range some {
			if !seen[m.ID] {
				seen[m.ID] = true
				all = append(all, m)
			}
		}
	}
	slices.SortFunc(all, func(a, b state.Message) int {
		return cmp.Or(cmp.Compare(b.HLC, a.HLC), cmp.Compare(b.Seq, a.Seq))
	})
	out := pageOf(all[:min(len(all), f.Limit)])
	if len(all) >= f.Limit {
		out.Next = mailCursor(out.Items[len(out.Items)-1])
	}
	return out, nil
}

// mailboxes are the numbers whose messages are the caller's.
func (s *sight) mailboxes() []fusion.Number {
	out := []fusion.Number{s.unit.Number}
	if s.position != nil {
		out = append(out, s.position.Number)
	}
	for g := range s.groups {
		out = append(out, g)
	}
	return out
}

// maxPages bounds how far one request looks for messages that the caller may see among those that it may not.
const maxPages = 20

func mailbox(v *state.View, st *sight, f state.MessageFilter) ([]state.Message, error) {
	var out []state.Message
	for range maxPages {
		some, err := v.Messages(f)
		if err != nil {
			return nil, err
		}
		for _, m := range some {
			if st.message(m) && len(out) < f.Limit {
				out = append(out, m)
			}
		}
		if len(some) < f.Limit || len(out) == f.Limit {
			break
		}
		last := some[len(some)-1]
		f.BeforeHLC, f.BeforeSeq, f.Before = last.HLC, last.Seq, 0
	}
	return out, nil
}

func search(v *state.View, st *sight, text string, with fusion.Number, limit int) (page[state.Message], error) {
	found, _, err := v.Search(text, state.MaxLimit)
	found = keep(found, func(m state.Message) bool {
		return st.message(m) && (with == 0 || m.From == with || slices.Contains(m.To, with))
	})
	return pageOf(found[:min(len(found), limit)]), err
}

// seenMessage gives a message if the caller may see it; else it is not there.
func seenMessage(v *state.View, st *sight, id fusion.ID) (state.Message, error) {
	m, err := v.Message(id)
	if err == nil && !st.message(m) {
		err = fusion.E(fusion.NotFound, "message_unknown", "there is no such message")
	}
	return m, err
}

func (s *Server) listReceipts(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	receipts, err := see(s, callerOf(r), func(v *state.View, st *sight) ([]state.Receipt, error) {
		m, err := seenMessage(v, st, id)
		if err != nil {
			return nil, err
		}
		all, err := v.Receipts(id)
		return keep(all, func(x state.Receipt) bool { return st.receipt(m, x) }), err
	})
	if err != nil {
		return err
	}
	return ok(w, pageOf(receipts))
}

func (s *Server) addReceipt(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	var q struct {
		Recipient fusion.Number      `json:"recipient"`
		State     state.ReceiptState `json:"state"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	c := callerOf(r)
	if q.Recipient == 0 {
		q.Recipient = c.unit.Number
	}
	if q.State < state.Delivered || !q.State.Valid() {
		return bad("bad_state", "a receipt says delivered, read or signed")
	}
	_, err = see(s, c, func(v *state.View, st *sight) (state.Message, error) {
		if !st.own(q.Recipient) {
			return state.Message{}, fusion.E(fusion.NotAllowed, "not_yours", "number %s is neither your unit nor your desk", q.Recipient)
		}
		return seenMessage(v, st, id)
	})
	if err != nil {
		return err
	}
	_, held, err := s.keep(r, command.ReceiptAdd, state.ReceiptChange{Message: id, Recipient: q.Recipient, State: q.State})
	if err != nil {
		return err
	}
	if held {
		return heldHere(w, id)
	}
	return s.answer(w, func(v *state.View) (any, error) { return v.Receipt(id, q.Recipient) })
}

func (s *Server) keepObject(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	var q struct {
		Keep bool `json:"keep"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	if _, err := s.change(r, command.ObjectKeep, state.KeepChange{ID: id, Keep: q.Keep}); err != nil {
		return err
	}
	return done(w)
}

func (s *Server) listAlerts(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	limit, open := q.limit(), q.flag("open")
	if q.err != nil {
		return q.err
	}
	alerts, err := see(s, callerOf(r), func(v *state.View, st *sight) ([]state.Alert, error) {
		var all []state.Alert
		var err error
		if open {
			all, err = v.OpenAlerts()
		} else {
			all, err = v.Alerts(limit)
		}
		return keep(all, st.alert), err
	})
	if err != nil {
		return err
	}
	return ok(w, pageOf(alerts))
}

// soundHeld brings an alert that waits for a quorum to everybody at this node: it cannot wait for that.
func (s *Server) soundHeld(a state.Alert) {
	a.State, a.Raised, a.Stage = state.AlertRaised, state.Millis(s.d.Now().UnixMilli()), 1
	s.hub.each(func(c *conn) { c.sound(a) })
}

func (s *Server) raiseAlert(w http.ResponseWriter, r *http.Request) error {
	var q wire.AlertRequest
	if err := decode(r, &q); err != nil {
		return err
	}
	c := callerOf(r)
	if q.Group != 0 {
		joins, err := see(s, c, func(_ *state.View, st *sight) (bool, error) { return st.joins(q.Group), nil })
		if err != nil {
			return err
		}
		if !joins {
			return fusion.E(fusion.NotAllowed, "not_a_member", "you are no member of group %s", q.Group)
		}
	}
	id, held, err := s.keep(r, command.AlertRaise, state.Alert{Unit: c.unit.Number, Group: q.Group, Text: q.Text, Lat: q.Lat, Lon: q.Lon})
	if err != nil {
		return err
	}
	if held {
		s.soundHeld(state.Alert{ID: id, Unit: c.unit.Number, By: c.user.Name, Group: q.Group, Text: q.Text, Lat: q.Lat, Lon: q.Lon})
		return heldHere(w, id)
	}
	a, err := view(s, func(v *state.View) (state.Alert, error) { return v.Alert(id) })
	if err != nil {
		return err
	}
	if a.By != c.user.Name {
		return fusion.E(fusion.Conflict, "id_taken", "this request ID is somebody else's")
	}
	return ok(w, a)
}

func (s *Server) changeAlert(t command.Type) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r, "id")
		if err != nil {
			return err
		}
		var q struct {
			Position fusion.Number `json:"position"`
		}
		if err := decode(r, &q); err != nil {
			return err
		}
		c := callerOf(r)
		switch {
		case q.Position == 0 && c.position != nil:
			q.Position = c.position.Number
		case q.Position != 0 && (c.position == nil || c.position.Number != q.Position):
			return fusion.E(fusion.NotAllowed, "not_yours", "you do not sit at position %s", q.Position)
		}
		if _, err := s.change(r, t, state.AlertChange{ID: id, Position: q.Position}); err != nil {
			return err
		}
		return s.answer(w, func(v *state.View) (any, error) { return v.Alert(id) })
	}
}
