package api

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
)

func FuzzFrame(f *testing.F) {
	for _, s := range []string{`{"t":"hello","after":-1}`, `{"t":"press","talks":["10001"],"request":"00112233445566778899aabbccddeeff","precedence":"flash"}`,
		`{"t":"join","talk":"call:00112233445566778899aabbccddeeff","id":1}`, `{"t":"offer","sdp":"v=0"}`, `{"t":1}`, `[[[[`, "{\"t\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeFrame(data)
		if err != nil && fusion.FaultOf(err) != fusion.BadRequest {
			t.Fatalf("%v is not the sender's fault", err)
		}
		if err == nil && (m.T == "" || len(m.Talks) > maxTalks) {
			t.Fatalf("taken: %+v", m)
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"to":[10001],"text":"x","precedence":"flash"}`, `{"to":null}`, `{}`, ``, `{"attachments":[{"hash":"sha256:"}]}`, `{"a":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(data)))
		q := wire.MessageRequest{Precedence: fusion.Routine}
		if err := decode(r, &q); err != nil && fusion.FaultOf(err) != fusion.BadRequest {
			t.Fatalf("%v is not the sender's fault", err)
		}
	})
}

func FuzzImport(f *testing.F) {
	for _, s := range []string{"number,name\n2001,张三\n", "\xef\xbb\xbf号码;姓名\n1;a\n", "\xff\xfea\x00,\x00", "number,name\n\"", "number,name\n1,a,b\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := readRows(data)
		if err != nil && fusion.FaultOf(err) != fusion.BadRequest {
			t.Fatalf("%v is not the sender's fault", err)
		}
		if len(rows) > maxRows {
			t.Fatal("too many rows")
		}
	})
}
