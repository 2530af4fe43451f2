package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/files"
	"github.com/guantong-net/guantong/fusion/state"
)

// maxChunk is how much one PATCH of an upload may carry: a whole file.
const maxChunk = state.MaxFileSize + 1

func (s *Server) beginUpload(w http.ResponseWriter, r *http.Request) error {
	var p files.Promise
	if err := decode(r, &p); err != nil {
		return err
	}
	id, err := s.requestID(r)
	if err != nil {
		return err
	}
	u, err := s.d.Files.Begin(id, callerOf(r).user.Name, p)
	if err != nil {
		return err
	}
	return s.answerUpload(w, r, u)
}

// answerUpload notes a content that is whole in the record before it says so.
func (s *Server) answerUpload(w http.ResponseWriter, r *http.Request, u files.Upload) error {
	out := wire.Upload{ID: u.ID, Offset: u.Offset, Size: u.Size, Done: u.Done}
	if u.Done {
		a := state.Attachment{Hash: u.Hash, Name: u.Name, Type: u.Type, Size: u.Size}
		if _, err := s.keepAs(r, s.d.NewID(), command.FileStored, a); err != nil { // held: whoever names it waits with it
			return err
		}
		out.File = &a
		s.owners.add(u.Owner, u.Hash)
	}
	return ok(w, out)
}

func (s *Server) appendUpload(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 {
		return bad("bad_offset", "the header Upload-Offset says where the octets belong")
	}
	u, err := s.d.Files.Append(r.Context(), id, callerOf(r).user.Name, offset, r.Body)
	if err != nil {
		return err
	}
	return s.answerUpload(w, r, u)
}

func (s *Server) uploadState(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	u, err := s.d.Files.State(id, callerOf(r).user.Name)
	if err != nil {
		return err
	}
	return ok(w, wire.Upload{ID: u.ID, Offset: u.Offset, Size: u.Size, Done: u.Done})
}

// maxFileRefs bounds how many objects that name a file are looked at to find one that the caller may see.
const maxFileRefs = 1000

// maySeeFile reports whether the caller may have a content: it uploaded it, or sees something that carries it.
func (s *Server) maySeeFile(v *state.View, st *sight, hash string) error {
	if st.sees() || s.owners.has(st.user.Name, hash) {
		return nil
	}
	ids, err := v.FileRefs(hash, maxFileRefs)
	if err != nil {
		return err
	}
	for _, id := range ids {
		m, err := v.Message(id)
		if err == nil && st.message(m) {
			return nil
		}
		b, err := v.Burst(id)
		if err == nil && st.burst(b) {
			return nil
		}
	}
	return fusion.E(fusion.NotFound, "file_unknown", "there is no such file")
}

func (s *Server) getFile(w http.ResponseWriter, r *http.Request) error {
	hash := r.PathValue("hash")
	q := query{r: r}
	name, kind := q.text("name"), q.text("type")
	_, err := see(s, callerOf(r), func(v *state.View, st *sight) (bool, error) { return true, s.maySeeFile(v, st, hash) })
	if err != nil {
		return err
	}
	f, err := s.d.Files.Open(r.Context(), hash)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	disposition, kind := shownAs(kind)
	h := w.Header()
	h.Set("Content-Type", kind)
	if v := mime.FormatMediaType(disposition, map[string]string{"filename": clip(name)}); name != "" && v != "" {
		disposition = v
	}
	h.Set("Content-Disposition", disposition)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "private, max-age=86400, immutable")
	h.Set("ETag", strconv.Quote(hash))
	http.ServeContent(w, r, "", time.Time{}, f) // what has a hash needs no date
	return nil
}

// shownAs lets a browser show what cannot run anything; all else it saves.
func shownAs(kind string) (disposition, shown string) {
	base, _, err := mime.ParseMediaType(kind)
	if err != nil {
		return "attachment", "application/octet-stream"
	}
	switch base {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4", "video/webm", "application/pdf":
		return "inline", base
	case "text/plain":
		return "inline", "text/plain; charset=utf-8"
	}
	if strings.HasPrefix(base, "audio/") {
		return "inline", base
	}
	return "attachment", "application/octet-stream"
}
