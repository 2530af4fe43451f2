package api

import (
	"net/http"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// listed answers a whole list.
func listed[T any](s *Server, w http.ResponseWriter, f func(*state.View) ([]T, error)) error {
	items, err := view(s, f)
	if err != nil {
		return err
	}
	return ok(w, pageOf(items))
}

// keep gives the items that pass, in a new slice.
func keep[T any](items []T, pass func(T) bool) []T {
	out := make([]T, 0, len(items))
	for _, v := range items {
		if pass(v) {
			out = append(out, v)
		}
	}
	return out
}

// putNumbered reads the object of a PUT whose key is a number, which the body may repeat but not contradict.
func putNumbered[T any](r *http.Request, v *T, number func(*T) *fusion.Number) (fusion.Number, error) {
	n, err := pathNumber(r, "n")
	if err != nil {
		return 0, err
	}
	if err := decode(r, v); err != nil {
		return 0, err
	}
	p := number(v)
	if *p != 0 && *p != n {
		return 0, bad("key_mismatch", "the address says %s, the body %s", n, *p)
	}
	*p = n
	return n, nil
}

// deleteNumbered proposes the removal of an object that a number names.
func (s *Server) deleteNumbered(t command.Type) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		n, err := pathNumber(r, "n")
		if err != nil {
			return err
		}
		q := query{r: r}
		key := state.NumberKey{Number: n, Revision: uint64(q.integer("revision"))}
		if q.err != nil {
			return q.err
		}
		if _, err := s.change(r, t, key); err != nil {
			return err
		}
		return done(w)
	}
}

func (s *Server) listGroups(w http.ResponseWriter, r *http.Request) error {
	groups, err := see(s, callerOf(r), func(v *state.View, st *sight) ([]state.Group, error) {
		all, err := v.Groups()
		return keep(all, func(g state.Group) bool { return st.group(g.Number) }), err
	})
	if err != nil {
		return err
	}
	return ok(w, pageOf(groups))
}

func (s *Server) putGroup(w http.ResponseWriter, r *http.Request) error {
	g := state.Group{Precedence: fusion.Routine, Kind: state.TalkGroup}
	n, err := putNumbered(r, &g, func(g *state.Group) *fusion.Number { return &g.Number })
	if err != nil {
		return err
	}
	if _, err := s.change(r, command.GroupSet, g); err != nil {
		return err
	}
	return s.answer(w, func(v *state.View) (any, error) { return v.Group(n) })
}

// answer gives an object as it is now.
func (s *Server) answer(w http.ResponseWriter, f func(*state.View) (any, error)) error {
	v, err := view(s, f)
	if err != nil {
		return err
	}
	return ok(w, v)
}

func (s *Server) listMembers(w http.ResponseWriter, r *http.Request) error {
	n, err := pathNumber(r, "n")
	if err != nil {
		return err
	}
	members, err := see(s, callerOf(r), func(v *state.View, st *sight) ([]state.Member, error) {
		if !st.group(n) {
			return nil, fusion.E(fusion.NotFound, "group_unknown", "there is no such group")
		}
		if _, err := v.Group(n); err != nil {
			return nil, err
		}
		return v.Members(n)
	})
	if err != nil {
		return err
	}
	return ok(w, pageOf(members))
}

// memberOf reads group and unit of the path.
func memberOf(r *http.Request) (group, unit fusion.Number, err error) {
	if group, err = pathNumber(r, "n"); err != nil {
		return 0, 0, err
	}
	unit, err = pathNumber(r, "unit")
	return group, unit, err
}

func (s *Server) putMember(w http.ResponseWriter, r *http.Request) error {
	group, unit, err := memberOf(r)
	if err != nil {
		return err
	}
	m := state.Member{Talk: true}
	if err := decode(r, &m); err != nil {
		return err
	}
	if m.Group != 0 && m.Group != group || m.Unit != 0 && m.Unit != unit {
		return bad("key_mismatch", "address and body name different members")
	}
	m.Group, m.Unit = group, unit
	if _, err := s.change(r, command.MemberSet, m); err != nil {
		return err
	}
	return s.answer(w, func(v *state.View) (any, error) { return v.Member(group, unit) })
}

func (s *Server) deleteMember(w http.ResponseWriter, r *http.Request) error {
	group, unit, err := memberOf(r)
	if err != nil {
		return err
	}
	if _, err := s.change(r, command.MemberDelete, state.Member{Group: group, Unit: unit}); err != nil {
		return err
	}
	return done(w)
}

func (s *Server) listUnits(w http.ResponseWriter, _ *http.Request) error {
	return listed(s, w, (*state.View).Units)
}

func (s *Server) putUnit(w http.ResponseWriter, r *http.Request) error {
	u := state.Unit{Kind: state.PersonUnit}
	n, err := putNumbered(r, &u, func(u *state.Unit) *fusion.Number { return &u.Number })
	if err != nil {
		return err
	}
	if _, err := s.change(r, command.UnitSet, u); err != nil {
		return err
	}
	return s.answer(w, func(v *state.View) (any, error) { return v.Unit(n) })
}

func (s *Server) listUsers(w http.ResponseWriter, _ *http.Request) error {
	return listed(s, w, (*state.View).Users)
}

// listPeople gives a screen the names of those who do things, and nothing else of the users.
func (s *Server) listPeople(w http.ResponseWriter, _ *http.Request) error {
	return listed(s, w, func(v *state.View) ([]wire.Person, error) {
		users, err := v.Users()
		out := make([]wire.Person, 0, len(users))
		for _, u := range users {
			out = append(out, wire.Person{User: u.Name, Unit: u.Unit})
		}
		return out, err
	})
}

// UserPut is the body of PUT /users/{name} and its answer; Password is answered once, when the server made it.
type UserPut struct {
	User     state.User `json:"user"`
	Password string     `json:"password,omitempty"`
}

// putUser makes or changes a user. A new user without a password gets one; a password that is given is a reset. In both
// cases it must be changed at the first log-in.
func (s *Server) putUser(w http.ResponseWriter, r *http.Request) error {
	var q UserPut
	if err := decode(r, &q); err != nil {
		return err
	}
	name := r.PathValue("name")
	if q.User.Name != "" && q.User.Name != name {
		return bad("key_mismatch", "the address says %q, the body %q", name, q.User.Name)
	}
	q.User.Name = name
	if err := s.checkOwnRoles(callerOf(r), q.User); err != nil {
		return err
	}
	id, err := s.requestID(r)
	if err != nil {
		return err
	}
	change := state.UserChange{User: q.User}
	made := ""
	if q.User.Revision == 0 && q.Password == "" {
		if made, err = identity.NewPassword(s.generator(id, "user")); err != nil {
			return err
		}
		q.Password = made
	}
	if q.Password != "" {
		if change.Secret, err = s.newSecret(r, q.Password, name); err != nil {
			return err
		}
		change.User.MustChange = true
	}
	if _, err := s.propose(r.Context(), callerOf(r), id, command.UserSet, change); err != nil {
		return err
	}
	u, err := view(s, func(v *state.View) (state.User, error) { return v.User(name) })
	if err != nil {
		return err
	}
	if made == "" {
		return ok(w, u)
	}
	return ok(w, UserPut{User: u, Password: made})
}

func (s *Server) newSecret(r *http.Request, password, user string) (*state.UserSecret, error) {
	if err := identity.CheckPassword(password, user); err != nil {
		return nil, err
	}
	phc, err := s.d.Hasher.Hash(r.Context(), password, true)
	return &state.UserSecret{Name: user, Password: phc}, err
}

// checkOwnRoles keeps an administrator from giving itself further roles; on a trial node there may be nobody else.
func (s *Server) checkOwnRoles(c *caller, u state.User) error {
	if u.Name != c.user.Name {
		return nil
	}
	site, err := view(s, (*state.View).Site)
	if err != nil {
		return err
	}
	more := false
	for _, role := range u.Roles {
		more = more || !containsRole(c.user.Roles, role)
	}
	if more && !site.Trial {
		return fusion.E(fusion.NotAllowed, "own_roles", "another administrator has to give you roles")
	}
	return nil
}

func containsRole(roles []fusion.Role, r fusion.Role) bool {
	for _, x := range roles {
		if x == r {
			return true
		}
	}
	return false
}

func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if name == callerOf(r).user.Name {
		return fusion.E(fusion.Conflict, "own_user", "you cannot delete yourself")
	}
	if _, err := s.change(r, command.UserDelete, state.NameKey{Name: name}); err != nil {
		return err
	}
	s.d.Sessions.EndUser(name, ^uint64(0), "revoked")
	return done(w)
}

func (s *Server) listExtensions(w http.ResponseWriter, _ *http.Request) error {
	return listed(s, w, (*state.View).Extensions)
}

// ExtensionPut is the body of PUT /extensions/{unit} and its answer; Password is answered once, when the server made it.
type ExtensionPut struct {
	Extension state.Extension `json:"extension"`
	Password  string          `json:"password,omitempty"`
}

func (s *Server) putExtension(w http.ResponseWriter, r *http.Request) error {
	n, err := pathNumber(r, "n")
	if err != nil {
		return err
	}
	var q ExtensionPut
	if err := decode(r, &q); err != nil {
		return err
	}
	if q.Extension.Unit != 0 && q.Extension.Unit != n {
		return bad("key_mismatch", "the address says %s, the body %s", n, q.Extension.Unit)
	}
	q.Extension.Unit = n
	id, err := s.requestID(r)
	if err != nil {
		return err
	}
	made, err := s.fillExtension(id, &q)
	if err != nil {
		return err
	}
	change, err := s.extensionChange(q)
	if err != nil {
		return err
	}
	if _, err := s.propose(r.Context(), callerOf(r), id, command.ExtensionSet, change); err != nil {
		return err
	}
	e, err := view(s, func(v *state.View) (state.Extension, error) { return v.Extension(n) })
	if err != nil {
		return err
	}
	if made == "" {
		return ok(w, e)
	}
	return ok(w, ExtensionPut{Extension: e, Password: made})
}

// fillExtension gives a new extension a user name and a password when it has none.
func (s *Server) fillExtension(id fusion.ID, q *ExtensionPut) (made string, err error) {
	if q.Extension.Revision != 0 {
		return "", nil
	}
	if q.Extension.Username == "" {
		q.Extension.Username = localName(q.Extension.Unit)
	}
	if q.Password == "" {
		made, err = identity.NewPassword(s.generator(id, "extension"+q.Extension.Unit.String()))
		q.Password = made
	}
	return made, err
}

// extensionChange makes the command's payload. The digests hold user name and realm: who changes the name needs a new password.
func (s *Server) extensionChange(q ExtensionPut) (state.ExtensionChange, error) {
	change := state.ExtensionChange{Extension: q.Extension}
	if q.Password == "" {
		old, err := view(s, func(v *state.View) (state.Extension, error) { return v.Extension(q.Extension.Unit) })
		if err == nil && old.Username != q.Extension.Username {
			err = bad("password_needed", "a new user name needs a new password: the telephone proves both together")
		}
		return change, err
	}
	if len(q.Password) < MinExtensionPassword || len(q.Password) > identity.MaxPassword {
		return change, bad("weak_password", "a telephone's password has %d to %d characters", MinExtensionPassword, identity.MaxPassword)
	}
	site, err := view(s, (*state.View).Site)
	if err != nil {
		return change, err
	}
	secret := identity.ExtensionSecret(q.Extension.Username, site.Realm, q.Password)
	secret.Unit = q.Extension.Unit
	change.Secret = &secret
	return change, nil
}

// MinExtensionPassword is the least length of a telephone's password: a digest of it crosses networks and can be tried offline.
const MinExtensionPassword = 12

// localName is the user name of a telephone: the local number.
func localName(n fusion.Number) string { return fusion.Number(n.Local()).String() }
