package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

// Session gives a logged-in API, logging in again when the server has forgotten the old one.
type Session struct {
	API        *peer.API
	User, Pass string
	now        atomic.Pointer[peer.API]
}

// Do calls the API. A session that is not known any more is renewed once.
func (s *Session) Do(ctx context.Context, f func(*peer.API) error) error {
	a := s.now.Load()
	if a == nil {
		var err error
		if a, err = s.renew(ctx); err != nil {
			return err
		}
	}
	err := f(a)
	var r *peer.Refusal
	if !errors.As(err, &r) || r.Status != http.StatusUnauthorized {
		return err
	}
	if a, err = s.renew(ctx); err != nil {
		return err
	}
	return f(a)
}

func (s *Session) renew(ctx context.Context) (*peer.API, error) {
	a, _, err := s.API.Login(ctx, s.User, s.Pass)
	if err == nil {
		s.now.Store(a)
	}
	return a, err
}

// Writer writes messages, and messages with files, one after the other. A request whose answer did not come is repeated under the
// same request ID until there is one: after a crash nobody knows whether it was applied, and it must be so once.
type Writer struct {
	Session *Session
	Ledger  *Ledger
	To      fusion.Number
	Rand    *rand.Rand
	Sleep   func(ctx context.Context, d time.Duration) error
	Pace    time.Duration // the longest pause between two writes; each is random

	Repeats atomic.Int64 // requests that were sent again
}

// retryPause is between two tries at a server that is down.
const retryPause = 50 * time.Millisecond

// Run writes until ctx ends, which is no error. A refusal that is the request's own fault is an error: the drill is wrong, or the server.
func (w *Writer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		var err error
		if w.Rand.IntN(8) == 0 {
			err = w.file(ctx)
		} else {
			err = w.message(ctx, nil)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		if w.Pace > 0 && w.Sleep(ctx, time.Duration(w.Rand.Int64N(int64(w.Pace)))) != nil {
			return nil
		}
	}
	return nil
}

// id is a request ID, from the drill's own random numbers so that a seed gives the same ones.
func (w *Writer) id() fusion.ID {
	var id fusion.ID
	for i := range id {
		id[i] = byte(w.Rand.Uint32())
	}
	return id
}

// message sends one message and enters it when it was acknowledged.
func (w *Writer) message(ctx context.Context, files []state.Attachment) error {
	id := w.id()
	m := wire.MessageRequest{To: []fusion.Number{w.To}, Text: "演练 drill " + id.String(), Attachments: files, Precedence: fusion.Precedence(w.Rand.IntN(5))}
	err := w.persist(ctx, func(a *peer.API) error {
		var got state.Message
		if err := a.CallAs(ctx, id, http.MethodPost, "/messages", m, &got); err != nil {
			return err
		}
		if got.ID != id {
			return fmt.Errorf("%w: message %s was answered with ID %s", errWrong, id, got.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.Ledger.Acknowledged(Entry{"message", id.String(), m.Text})
}

// file uploads random octets in two pieces, and sends a message that carries them.
func (w *Writer) file(ctx context.Context) error {
	content := make([]byte, 2000+w.Rand.IntN(200000))
	for i := range content {
		content[i] = byte(w.Rand.Uint32())
	}
	sum := sha256.Sum256(content)
	hash := "sha256:" + hex.EncodeToString(sum[:])
	request := map[string]any{"name": "drill.bin", "type": "application/octet-stream", "size": len(content), "hash": hash}
	var done *state.Attachment
	err := w.persist(ctx, func(a *peer.API) error {
		var err error
		done, err = upload(ctx, a, request, content)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Ledger.Acknowledged(Entry{"file", hash, hash}); err != nil {
		return err
	}
	return w.message(ctx, []state.Attachment{*done})
}

// upload goes on where the server says that it stands.
func upload(ctx context.Context, a *peer.API, request any, content []byte) (*state.Attachment, error) {
	var u wire.Upload
	if err := a.Call(ctx, http.MethodPost, "/uploads", request, &u); err != nil {
		return nil, err
	}
	for !u.Done {
		if u.Offset < 0 || u.Offset >= int64(len(content)) {
			return nil, fmt.Errorf("%w: upload at %d of %d is not done", errWrong, u.Offset, len(content))
		}
		end := min(int64(len(content)), u.Offset+int64(len(content)+1)/2)
		before := u.Offset
		if err := patch(ctx, a, &u, content[u.Offset:end]); err != nil {
			return nil, err
		}
		if !u.Done && u.Offset <= before {
			return nil, fmt.Errorf("%w: upload does not move from %d", errWrong, before)
		}
	}
	if u.File == nil {
		return nil, fmt.Errorf("%w: upload is done and names no file", errWrong)
	}
	return u.File, nil
}

// errWrong marks what the server must never answer.
var errWrong = errors.New("load: the server is wrong")

// persist repeats a request until it is answered.
func (w *Writer) persist(ctx context.Context, f func(*peer.API) error) error {
	for tries := 0; ; tries++ {
		err := w.Session.Do(ctx, f)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if final(err) {
			return fmt.Errorf("load: write: %w", err)
		}
		w.Repeats.Add(1)
		if err := w.Sleep(ctx, retryPause); err != nil {
			return err
		}
	}
}

// final tells errors that no repetition mends from those of a server that is down, busy or coming up.
func final(err error) bool {
	if errors.Is(err, errWrong) {
		return true
	}
	var r *peer.Refusal
	if !errors.As(err, &r) {
		return errors.Is(err, io.ErrShortBuffer)
	}
	return r.Status < 500 && r.Status != http.StatusTooManyRequests && r.Status != http.StatusConflict
}

// Pause waits on the real clock; it is the usual Sleep.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
