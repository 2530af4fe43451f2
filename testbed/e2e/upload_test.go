package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// promise begins an upload.
func promise(t *testing.T, a *peer.API, size int64, hash string) (wire.Upload, error) {
	t.Helper()
	var u wire.Upload
	err := a.Call(t.Context(), http.MethodPost, "/uploads", map[string]any{"name": "照片.jpg", "type": "image/jpeg", "size": size, "hash": hash}, &u)
	return u, err
}

// put sends octets of an upload.
func put(t *testing.T, a *peer.API, id fusion.ID, offset int64, piece []byte) error {
	t.Helper()
	_, err := a.Raw(t.Context(), http.MethodPatch, "/api/v1/uploads/"+id.String(),
		http.Header{"Upload-Offset": {fmt.Sprint(offset)}, "Content-Type": {"application/octet-stream"}}, bytes.NewReader(piece))
	return err
}

func TestAnUploadThatLiesIsRefused(t *testing.T) {
	b := server(t)
	a := b.login(t, b.person(t, fusion.Operator))
	before := b.metric(t, "guantong_api_refused_total")
	data := random(7, 100_000)

	_, err := promise(t, a, state.MaxFileSize+1, hashOf(data))
	refused(t, "a file over the limit", err, 400, "bad_size")
	_, err = promise(t, a, -1, hashOf(data))
	refused(t, "a negative length", err, 400, "")
	_, err = promise(t, a, 10, "sha256:xyz")
	refused(t, "a hash that is none", err, 400, "")

	u, err := promise(t, a, int64(len(data)), hashOf(random(8, 10)))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "another content than promised", put(t, a, u.ID, 0, data), 400, "")
	if _, err := a.Raw(t.Context(), http.MethodGet, "/api/v1/files/"+hashOf(data), nil, nil); err == nil {
		t.Error("the content that was not promised is there")
	}

	short, err := promise(t, a, 1000, hashOf(data))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "more octets than promised", put(t, a, short.ID, 0, data), 400, "")
	refused(t, "octets behind a hole", put(t, a, short.ID, 999, data[:1]), 409, "")
	other := b.login(t, b.person(t, fusion.Operator))
	if err := put(t, other, short.ID, 0, data[:1]); err == nil {
		t.Error("somebody else adds to an upload")
	}
	err = a.Call(t.Context(), http.MethodPost, "/messages", map[string]any{"to": []int{10001}, "text": "附件", "precedence": "routine",
		"attachments": []state.Attachment{{Hash: hashOf(data), Name: "a", Type: "image/jpeg", Size: int64(len(data))}}}, nil)
	if err == nil {
		t.Error("a message names a file that is not there")
	}
	b.grew(t, "guantong_api_refused_total", before+6)
}

func TestAnUploadGoesOnWhereItBroke(t *testing.T) {
	b := server(t)
	p := b.person(t, fusion.Operator)
	a := b.login(t, p)
	_, reply, err := b.API().Login(t.Context(), p.name, p.password)
	if err != nil {
		t.Fatal(err)
	}
	data := random(uint64(time.Now().UnixNano()), 300_000) // what the site has already need not be sent
	u, err := promise(t, a, int64(len(data)), hashOf(data))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", b.HTTP, b.trusting(t))
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("PATCH /api/v1/uploads/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nUpload-Offset: 0\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
		u.ID, b.HTTP, reply.Token, len(data))
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(data[:120_000]); err != nil {
		t.Fatal(err)
	}
	var at wire.Upload
	// A socket that is closed with something unread may take back what it has sent: the server is to have had it before the link breaks.
	_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Fatal("an answer to half a request")
	}
	_ = conn.Close() // the link breaks
	eventually(t, "the server has what came", func() bool {
		return a.Call(t.Context(), http.MethodGet, "/uploads/"+u.ID.String(), nil, &at) == nil && at.Offset > 0
	})
	if at.Offset > 120_000 || at.Done {
		t.Fatalf("%+v", at)
	}
	eventually(t, "the broken request has let go", func() bool {
		if err := a.Call(t.Context(), http.MethodGet, "/uploads/"+u.ID.String(), nil, &at); err != nil {
			return false
		}
		return put(t, a, u.ID, at.Offset, data[at.Offset:]) == nil
	})
	again, err := promise(t, a, int64(len(data)), hashOf(data))
	if err != nil || !again.Done {
		t.Fatalf("promised again: %+v, %v", again, err)
	}
	got, err := a.Raw(t.Context(), http.MethodGet, "/api/v1/files/"+hashOf(data), nil, nil)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d octets came back, %v", len(got), err)
	}
}
