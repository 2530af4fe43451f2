package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// requestID is the Idempotency-Key of a request, or a new ID.
func (s *Server) requestID(r *http.Request) (fusion.ID, error) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return s.d.NewID(), nil
	}
	id, err := fusion.ParseID(key)
	if err != nil || id.IsZero() {
		return id, bad("bad_key", "Idempotency-Key is 32 hexadecimal digits")
	}
	return id, nil
}

// derived makes a further ID of a request's, the same one each time.
func derived(id fusion.ID, what string) fusion.ID {
	sum := sha256.Sum256(append(id[:], what...))
	return fusion.ID(sum[:16])
}

// generator gives random octets that depend on the request ID, so that the same request makes the same password.
func (s *Server) generator(id fusion.ID, what string) io.Reader {
	return &stream{key: s.secret[:], label: append(id[:], what...)}
}

type stream struct {
	key, label, left []byte
	block            byte
}

func (g *stream) Read(p []byte) (int, error) {
	if len(g.left) == 0 {
		m := hmac.New(sha256.New, g.key)
		m.Write(g.label)
		m.Write([]byte{g.block})
		g.block++
		g.left = m.Sum(nil)
	}
	n := copy(p, g.left)
	g.left = g.left[n:]
	return n, nil
}

func readFull(r io.Reader, p []byte) (int, error) { return io.ReadFull(r, p) }

// build makes a command in the caller's name.
func (s *Server) build(c *caller, id fusion.ID, t command.Type, payload any) (command.Command, error) {
	hlc, at := s.d.Stamp()
	cmd, err := command.New(t, id, hlc, at, c.user.Name, payload)
	cmd.From = c.source
	return cmd, err
}

// propose has one command of the caller committed; a refusal is an error.
func (s *Server) propose(ctx context.Context, c *caller, id fusion.ID, t command.Type, payload any) (state.Result, error) {
	cmd, err := s.build(c, id, t, payload)
	if err != nil {
		return state.Result{}, err
	}
	return s.commit(ctx, cmd)
}

func (s *Server) commit(ctx context.Context, cmd command.Command) (state.Result, error) {
	res, err := s.d.Record.Propose(ctx, cmd)
	if err != nil {
		return res, fmt.Errorf("commit: %w", err)
	}
	return res, res.Err()
}

// keep proposes what only adds something, under the request's ID. Without a quorum it is held at this node.
func (s *Server) keep(r *http.Request, t command.Type, payload any) (id fusion.ID, held bool, err error) {
	if id, err = s.requestID(r); err != nil {
		return id, false, err
	}
	held, err = s.keepAs(r, id, t, payload)
	return id, held, err
}

func (s *Server) keepAs(r *http.Request, id fusion.ID, t command.Type, payload any) (held bool, err error) {
	cmd, err := s.build(callerOf(r), id, t, payload)
	if err != nil {
		return false, err
	}
	res, held, err := s.d.Record.ProposeOrHold(r.Context(), cmd)
	if err != nil {
		return false, fmt.Errorf("commit: %w", err)
	}
	return held, res.Err()
}

// heldHere answers that a request was accepted by this node, and is not replicated yet.
func heldHere(w http.ResponseWriter, id fusion.ID) error {
	writeJSON(w, http.StatusAccepted, wire.Held{ID: id, Held: true})
	return nil
}

// change proposes a command under the request's ID.
func (s *Server) change(r *http.Request, t command.Type, payload any) (fusion.ID, error) {
	id, err := s.requestID(r)
	if err != nil {
		return id, err
	}
	_, err = s.propose(r.Context(), callerOf(r), id, t, payload)
	return id, err
}

// view runs a query and gives what it finds.
func view[T any](s *Server, f func(*state.View) (T, error)) (T, error) {
	var out T
	err := s.d.Record.View(func(v *state.View) error {
		var err error
		out, err = f(v)
		return err
	})
	return out, err
}

// see runs a query with what the caller may see.
func see[T any](s *Server, c *caller, f func(*state.View, *sight) (T, error)) (T, error) {
	return view(s, func(v *state.View) (T, error) {
		st, err := sightOf(v, c)
		if err != nil {
			var none T
			return none, err
		}
		return f(v, st)
	})
}

func ok(w http.ResponseWriter, v any) error {
	writeJSON(w, http.StatusOK, v)
	return nil
}

func done(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
