package api_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/guantong-net/guantong/clients/internal/apitest"
	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion/state"
)

func TestHundredsAreImportedFromChineseExcel(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	dave := login(t, h, "dave")
	var b strings.Builder
	b.WriteString("号码,姓名,单位,登录名,角色,分机,通话组\r\n")
	for i := range 200 {
		fmt.Fprintf(&b, "%d,队员%d,\"第%d队\",user%d,终端用户,%d,1001;1002\r\n", 3000+i, i, i%7, i, 3000+i)
	}
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(b.String())
	if err != nil {
		t.Fatal(err)
	}
	check := must[wire.ImportReply](t)(dave.Import(t.Context(), strings.NewReader(gb), true))
	if check.Applied || check.Errors != 0 || len(check.Rows) != 200 || check.Rows[7].Action != "create" || check.Rows[7].Password != "" {
		t.Fatalf("checked: %+v", check.Rows[:2])
	}
	if got := must[[]state.Unit](t)(dave.Units(t.Context())); len(got) != 5 {
		t.Errorf("a check made units: %d", len(got))
	}
	done := must[wire.ImportReply](t)(dave.Import(t.Context(), strings.NewReader(gb), false))
	if !done.Applied || done.Errors != 0 {
		t.Fatalf("imported: %+v", done.Rows[0])
	}
	row := done.Rows[150]
	if row.Line != 152 || row.Name != "队员150" || row.Password == "" || row.Secret == "" || row.Username != "3150" {
		t.Errorf("row: %+v", row)
	}
	user := sdk.New(h.URL, sdk.Options{HTTP: h.Client})
	must[wire.LoginReply](t)(user.Login(t.Context(), "user150", row.Password, ""))
	again := must[wire.ImportReply](t)(dave.Import(t.Context(), strings.NewReader(gb), false))
	if again.Errors != 0 || again.Rows[3].Action != "same" || again.Rows[3].Password != "" {
		t.Errorf("imported again: %+v", again.Rows[3])
	}
}

func TestWrongRowsAreNamedByLineAndNothingIsDone(t *testing.T) {
	h := apitest.New(t, apitest.Options{})
	dave := login(t, h, "dave")
	file := "\xef\xbb\xbfnumber,name,user,roles,groups\n3000,a,,,\n3000,b,,,\nx,c,,,\n1001,d,,,\n3001,e,,king,\n\n3002,f,alice,,\n3003,g,,,9999\n"
	out := must[wire.ImportReply](t)(dave.Import(t.Context(), strings.NewReader(file), false))
	want := map[int]string{2: "", 3: "twice", 4: "bad_number", 5: "number_taken", 6: "bad_role", 8: "user_taken", 9: "group_unknown"}
	for _, r := range out.Rows {
		if r.Error != want[r.Line] {
			t.Errorf("line %d: %q %s, want %q", r.Line, r.Error, r.Detail, want[r.Line])
		}
	}
	if out.Applied || out.Errors != 6 {
		t.Errorf("applied %v with %d errors", out.Applied, out.Errors)
	}
	if got := must[[]state.Unit](t)(dave.Units(t.Context())); len(got) != 5 {
		t.Errorf("%d units", len(got))
	}
	_, err := dave.Import(t.Context(), strings.NewReader("number,name,gender\n1,a,b\n"), false)
	wants(t, err, "unknown_column")
	_, err = login(t, h, "alice").Import(t.Context(), strings.NewReader(file), true)
	wants(t, err, "right_missing")
}
