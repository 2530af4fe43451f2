package load

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

func TestALedgerSurvivesATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "a"} {
		if err := l.Acknowledged(Entry{"message", id, "text"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.f.WriteString(`{"kind":"mess`); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = OpenLedger(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Acknowledged(Entry{"message", "c", "text"}); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(path); err != nil || strings.Count(string(raw), "\n") != 3 || l.Count("message") != 3 {
		t.Errorf("%d entries, %q, %v", l.Count("message"), raw, err)
	}
}

// book is a server that keeps messages, and can forget or double them.
type book struct {
	mu       sync.Mutex
	messages []state.Message
	fail     int // every n-th answer is lost after the message was stored
	asked    int
}

func (b *book) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v1"); {
	case path == "/login":
		answer(wire.LoginReply{Token: "t"})
	case path == "/messages" && r.Method == http.MethodPost:
		b.post(w, r, answer)
	case path == "/messages":
		answer(map[string]any{"items": b.messages})
	case path == "/uploads" || strings.HasPrefix(path, "/uploads/"):
		answer(wire.Upload{ID: fusion.ID{1}, Done: true, File: &state.Attachment{Hash: "x"}})
	case strings.HasPrefix(path, "/files/"):
		w.WriteHeader(http.StatusNotFound)
	default:
		answer(map[string]any{"items": []any{}})
	}
}

func (b *book) post(w http.ResponseWriter, r *http.Request, answer func(any)) {
	var m wire.MessageRequest
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id, _ := fusion.ParseID(r.Header.Get("Idempotency-Key"))
	stored := state.Message{ID: id, Text: m.Text}
	known := false
	for _, x := range b.messages {
		known = known || x.ID == id
	}
	if !known {
		b.messages = append(b.messages, stored)
	}
	if b.asked++; b.fail > 0 && b.asked%b.fail == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	answer(stored)
}

func TestTheVerifierFindsWhatWasLostAndWhatCameTwice(t *testing.T) {
	b := &book{fail: 3}
	server := httptest.NewTLSServer(b)
	defer server.Close()
	l, err := OpenLedger(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	session := &Session{API: peer.NewAPI(server.Listener.Addr().String(), server.Certificate()), User: "u", Pass: "p"}
	w := &Writer{Session: session, Ledger: l, To: 10001, Rand: rand.New(rand.NewPCG(1, 1)), Sleep: func(context.Context, time.Duration) error { return nil }}
	for range 20 {
		if err := w.message(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	verify := func() Audit {
		var a Audit
		err := session.Do(t.Context(), func(api *peer.API) (err error) {
			a, err = Verify(t.Context(), api, l, 10001, map[string]bool{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := verify(); a.Messages != 20 || len(a.Lost)+len(a.Twice) != 0 || w.Repeats.Load() == 0 {
		t.Fatalf("%+v after %d repeats", a, w.Repeats.Load())
	}
	b.messages = append(b.messages[1:], b.messages[5])
	if a := verify(); len(a.Lost) != 1 || len(a.Twice) != 1 {
		t.Errorf("one lost and one doubled, and the audit is %+v", a)
	}
	if err := w.file(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := verify(); len(a.Lost) != 2 || a.Files != 1 {
		t.Errorf("a file that is not there, and the audit is %+v", a)
	}
}

func TestAFloodHasAnEnd(t *testing.T) {
	if _, err := (Flood{}).Run(t.Context()); err == nil {
		t.Error("a flood without a deadline was begun")
	}
}
