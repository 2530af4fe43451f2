package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

const (
	maxImport     = 2 << 20 // octets
	maxRows       = 2000
	importTimeout = 5 * time.Minute
	uploadTimeout = 15 * time.Minute // 50 MB over 512 kbit/s
	// downloadTimeout and exportTimeout bound how long a slow client may hold a file.
	downloadTimeout = 30 * time.Minute
	exportTimeout   = time.Hour
)

// column gives the name of a column by the head that a spreadsheet has for it; "" when there is none.
func column(head string) string {
	heads := map[string][]string{
		"number": {"号码", "number"}, "name": {"姓名", "名称", "name"}, "kind": {"类型", "kind"}, "org": {"单位", "部门", "org"},
		"user": {"登录名", "账号", "user"}, "roles": {"角色", "roles", "role"}, "extension": {"分机", "话机账号", "extension", "username"},
		"class": {"拨出级别", "class"}, "groups": {"通话组", "groups"},
	}
	head = strings.ToLower(strings.TrimSpace(head))
	for name, others := range heads {
		if slices.Contains(others, head) {
			return name
		}
	}
	return ""
}

// decodeText reads what spreadsheets write: UTF-8 with or without mark, UTF-16 with mark, or GB18030.
func decodeText(data []byte) (string, error) {
	if rest, ok := bytes.CutPrefix(data, []byte{0xEF, 0xBB, 0xBF}); ok {
		data = rest
	}
	if len(data) >= 2 && (data[0] == 0xFF && data[1] == 0xFE || data[0] == 0xFE && data[1] == 0xFF) {
		return decodeUTF16(data), nil
	}
	if utf8.Valid(data) {
		return string(data), nil
	}
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
	if err != nil || bytes.ContainsRune(out, utf8.RuneError) {
		return "", bad("bad_encoding", "the file is neither UTF-8 nor GB18030")
	}
	return string(out), nil
}

func decodeUTF16(data []byte) string {
	little := data[0] == 0xFF
	var units []uint16
	for i := 2; i+1 < len(data); i += 2 {
		if little {
			units = append(units, uint16(data[i])|uint16(data[i+1])<<8)
		} else {
			units = append(units, uint16(data[i+1])|uint16(data[i])<<8)
		}
	}
	return string(utf16.Decode(units))
}

// row is one line of an import.
type row struct {
	line  int
	cells map[string]string
}

// readRows reads a CSV file (RFC 4180; tab and semicolon too when the head has no comma).
func readRows(data []byte) ([]row, error) {
	text, err := decodeText(data)
	if err != nil {
		return nil, err
	}
	head, _, _ := strings.Cut(text, "\n")
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, false
	for _, sep := range []rune{',', '\t', ';'} {
		if strings.ContainsRune(head, sep) {
			r.Comma = sep
			break
		}
	}
	names, err := r.Read()
	if err != nil {
		return nil, bad("bad_csv", "the file has no head line")
	}
	for i, h := range names {
		if names[i] = column(h); names[i] == "" && strings.TrimSpace(h) != "" {
			return nil, bad("unknown_column", "no column %q; there are number, name, kind, org, user, roles, extension, class, groups", clip(h))
		}
	}
	if !slices.Contains(names, "number") || !slices.Contains(names, "name") {
		return nil, bad("missing_column", "the columns number and name are needed")
	}
	return readBody(r, names)
}

func readBody(r *csv.Reader, names []string) ([]row, error) {
	var rows []row
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			return nil, bad("bad_csv", "line %d: %v", parse.Line, parse.Err)
		}
		if err != nil {
			return nil, bad("bad_csv", "%v", err)
		}
		line, _ := r.FieldPos(0)
		x := row{line: line, cells: make(map[string]string)}
		blank := true
		for i, v := range cells {
			v = strings.TrimSpace(v)
			blank = blank && v == ""
			if i >= len(names) {
				if v != "" {
					return nil, bad("bad_csv", "line %d has more cells than the head", line)
				}
				continue
			}
			x.cells[names[i]] = v
		}
		if blank {
			continue
		}
		if rows = append(rows, x); len(rows) > maxRows {
			return nil, bad("too_many_rows", "at most %d rows are taken at once", maxRows)
		}
	}
}

// plan is what is to be done for one row.
type plan struct {
	reply  wire.ImportRow
	unit   *state.Unit
	user   *state.User
	ext    *state.Extension
	groups []state.Member
}

func (p *plan) fail(err error) {
	f := shown(err)
	p.reply.Action, p.reply.Error, p.reply.Detail = "refused", f.Reason, f.Detail
}

func (s *Server) importCSV(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	if !c.may(identity.AdminObjects) && !c.may(identity.AdminUsers) {
		return forbidden(string(identity.AdminObjects))
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "text/csv" {
		return bad("bad_content_type", "the body is text/csv")
	}
	id, err := s.requestID(r)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return readError(err)
	}
	rows, err := readRows(data)
	if err != nil {
		return err
	}
	plans, err := s.planImport(c, rows)
	if err != nil {
		return err
	}
	out := wire.ImportReply{Rows: []wire.ImportRow{}}
	for _, p := range plans {
		if p.reply.Error != "" {
			out.Errors++
		}
	}
	q := query{r: r}
	if out.Errors == 0 && !q.flag("check") {
		out.Applied = true
		for _, p := range plans {
			if err := s.applyRow(r.Context(), c, derived(id, p.reply.Number.String()), p); err != nil {
				p.fail(err)
				out.Errors++
			}
		}
		s.audit.did(c, "import", "", "")
	}
	for _, p := range plans {
		out.Rows = append(out.Rows, p.reply)
	}
	return ok(w, out)
}

// planImport holds every row against the record, before anything is done.
func (s *Server) planImport(c *caller, rows []row) ([]*plan, error) {
	plans := make([]*plan, 0, len(rows))
	err := s.d.Record.View(func(v *state.View) error {
		site, err := v.Site()
		if err != nil {
			return err
		}
		seen := make(map[string]int)
		for _, x := range rows {
			p := &plan{reply: wire.ImportRow{Line: x.line, Name: x.cells["name"]}}
			plans = append(plans, p)
			if err := p.read(v, c, site, x); err != nil {
				if fusion.FaultOf(err) == fusion.Broken {
					return err
				}
				p.fail(err)
				continue
			}
			p.unique(seen)
		}
		return nil
	})
	return plans, err
}

// unique refuses what an earlier row names already.
func (p *plan) unique(seen map[string]int) {
	keys := []string{"number " + p.reply.Number.String()}
	if p.user != nil {
		keys = append(keys, "user "+p.user.Name)
	}
	if p.ext != nil {
		keys = append(keys, "extension "+p.ext.Username)
	}
	for _, k := range keys {
		if line, twice := seen[k]; twice {
			p.fail(fusion.E(fusion.Conflict, "twice", "%s is in line %d already", k, line))
			return
		}
		seen[k] = p.reply.Line
	}
}

func (p *plan) read(v *state.View, c *caller, site state.Site, x row) error {
	n, err := fusion.ParseNumber(x.cells["number"], site.Number)
	if err != nil || n.Local() == 0 {
		return bad("bad_number", "%q is no number", clip(x.cells["number"]))
	}
	p.reply.Number = n
	kind, err := v.KindOf(n)
	if err != nil {
		return err
	}
	if kind != "" && kind != "unit" {
		return fusion.E(fusion.Conflict, "number_taken", "number %s is a %s", n, kind)
	}
	if err := p.readUnit(v, c, n, x); err != nil {
		return err
	}
	if err := p.readUser(v, c, n, x); err != nil {
		return err
	}
	if err := p.readExtension(v, c, n, x); err != nil {
		return err
	}
	return p.readGroups(v, c, site, n, x)
}

func (p *plan) readUnit(v *state.View, c *caller, n fusion.Number, x row) error {
	u := state.Unit{Number: n, Name: x.cells["name"], Kind: unitKind(x.cells["kind"]), Org: x.cells["org"]}
	if u.Kind == "" {
		return bad("bad_unit_kind", "no kind of unit %q", clip(x.cells["kind"]))
	}
	if strings.TrimSpace(u.Name) == "" || len(u.Name) > state.MaxName {
		return bad("bad_name", "a name has 1 to %d octets", state.MaxName)
	}
	old, err := v.Unit(n)
	p.reply.Action = "create"
	if err == nil {
		p.reply.Action = "same"
		u.Revoked, u.Revision = old.Revoked, old.Revision
		if x.cells["kind"] == "" {
			u.Kind = old.Kind
		}
		if u == old {
			return nil
		}
		p.reply.Action = "change"
	} else if fusion.FaultOf(err) != fusion.NotFound {
		return err
	}
	p.unit = &u
	return c.need(identity.AdminObjects)
}

func unitKind(s string) state.UnitKind {
	switch strings.ToLower(s) {
	case "", "person", "人员":
		return state.PersonUnit
	case "phone", "电话", "话机":
		return state.PhoneUnit
	case "terminal", "终端":
		return state.TerminalUnit
	case "gateway", "网关":
		return state.GatewayUnit
	}
	return ""
}

func (p *plan) readUser(v *state.View, c *caller, n fusion.Number, x row) error {
	name := strings.ToLower(x.cells["user"])
	if name == "" {
		if x.cells["roles"] != "" {
			return bad("bad_role", "roles without a user")
		}
		return nil
	}
	roles, err := readRoles(x.cells["roles"])
	if err != nil {
		return err
	}
	p.reply.User = name
	old, err := v.User(name)
	switch {
	case err == nil && old.Unit != n:
		return fusion.E(fusion.Conflict, "user_taken", "user %q acts as unit %s", clip(name), old.Unit)
	case err == nil && (x.cells["roles"] == "" || slices.Equal(old.Roles, roles)):
		return nil
	case err == nil:
		return fusion.E(fusion.Conflict, "user_exists", "an import changes no roles of a user who is there")
	case fusion.FaultOf(err) != fusion.NotFound:
		return err
	}
	p.user = &state.User{Name: name, Unit: n, Roles: roles}
	p.changes()
	return c.need(identity.AdminUsers)
}

// changes notes that a row whose unit stays the same changes something all the same.
func (p *plan) changes() {
	if p.reply.Action == "same" {
		p.reply.Action = "change"
	}
}

func separator(r rune) bool { return strings.ContainsRune(";,|/ 、，；", r) }

func readRoles(s string) ([]fusion.Role, error) {
	roles := []fusion.Role{}
	for _, word := range strings.FieldsFunc(s, separator) {
		r := fusion.Role(strings.ToLower(word))
		if chinese := map[string]fusion.Role{"调度员": fusion.Dispatcher, "指挥员": fusion.Commander, "运维": fusion.Operator, "审阅": fusion.Auditor,
			"终端用户": fusion.UnitRole, "系统管理员": fusion.SystemAdmin, "安全管理员": fusion.SecurityAdmin, "审计管理员": fusion.AuditAdmin}[word]; chinese != "" {
			r = chinese
		}
		if !r.Valid() || slices.Contains(roles, r) {
			return nil, bad("bad_role", "%q is no role, or is named twice", clip(word))
		}
		roles = append(roles, r)
	}
	if len(roles) == 0 {
		roles = append(roles, fusion.UnitRole)
	}
	return roles, nil
}

func (p *plan) readExtension(v *state.View, c *caller, n fusion.Number, x row) error {
	name := strings.ToLower(x.cells["extension"])
	if name == "" {
		return nil
	}
	p.reply.Username = name
	e := state.Extension{Unit: n, Username: name, Class: x.cells["class"]}
	old, err := v.Extension(n)
	if err == nil {
		if old.Username != name {
			return fusion.E(fusion.Conflict, "extension_exists", "unit %s has the extension %s", n, old.Username)
		}
		e.VAD, e.Revision = old.VAD, old.Revision
		if e == old {
			return nil
		}
	} else if fusion.FaultOf(err) != fusion.NotFound {
		return err
	}
	if other, err := v.ExtensionByUsername(name); err == nil && other.Unit != n {
		return fusion.E(fusion.Conflict, "username_taken", "unit %s has this user name", other.Unit)
	}
	p.ext = &e
	p.changes()
	return c.need(identity.AdminObjects)
}

func (p *plan) readGroups(v *state.View, c *caller, site state.Site, n fusion.Number, x row) error {
	for _, word := range strings.FieldsFunc(x.cells["groups"], separator) {
		g, err := fusion.ParseNumber(word, site.Number)
		if err != nil {
			return bad("bad_number", "%q is no group's number", clip(word))
		}
		if _, err := v.Group(g); err != nil {
			return fusion.E(fusion.NotFound, "group_unknown", "there is no group %s", g)
		}
		if _, err := v.Member(g, n); err == nil {
			continue
		} else if fusion.FaultOf(err) != fusion.NotFound {
			return err
		}
		p.groups = append(p.groups, state.Member{Group: g, Unit: n, Talk: true})
		p.changes()
		if err := c.need(identity.AdminObjects); err != nil {
			return err
		}
	}
	return nil
}

// applyRow does what a row asks for, all or nothing.
func (s *Server) applyRow(ctx context.Context, c *caller, id fusion.ID, p *plan) error {
	batch := state.BatchChange{}
	add := func(t command.Type, what string, payload any) error {
		cmd, err := s.build(c, derived(id, what), t, payload)
		batch.Commands = append(batch.Commands, cmd)
		return err
	}
	if p.unit != nil {
		if err := add(command.UnitSet, "unit", *p.unit); err != nil {
			return err
		}
	}
	if p.user != nil {
		if err := s.addUser(ctx, id, p, add); err != nil {
			return err
		}
	}
	if p.ext != nil {
		if err := s.addExtension(id, p, add); err != nil {
			return err
		}
	}
	for _, m := range p.groups {
		if err := add(command.MemberSet, "member"+m.Group.String(), m); err != nil {
			return err
		}
	}
	if len(batch.Commands) == 0 {
		return nil
	}
	_, err := s.propose(ctx, c, id, command.Batch, batch)
	if err != nil {
		p.reply.Password, p.reply.Secret = "", ""
	}
	return err
}

type addFunc = func(t command.Type, what string, payload any) error

func (s *Server) addUser(ctx context.Context, id fusion.ID, p *plan, add addFunc) error {
	password, err := identity.NewPassword(s.generator(id, "user"))
	if err != nil {
		return err
	}
	phc, err := s.d.Hasher.Hash(ctx, password, true)
	if err != nil {
		return err
	}
	p.user.MustChange, p.reply.Password = true, password
	return add(command.UserSet, "user", state.UserChange{User: *p.user, Secret: &state.UserSecret{Name: p.user.Name, Password: phc}})
}

func (s *Server) addExtension(id fusion.ID, p *plan, add addFunc) error {
	q := ExtensionPut{Extension: *p.ext}
	var err error
	if p.reply.Secret, err = s.fillExtension(id, &q); err != nil {
		return err
	}
	change, err := s.extensionChange(q)
	if err != nil {
		return err
	}
	return add(command.ExtensionSet, "extension", change)
}
