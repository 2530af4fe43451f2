package state_test

import (
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

const start = int64(1_800_000_000_000)

const argon = "$argon2id$v=19$m=65536,t=3,p=2$c2FsdA$aGFzaA"

// site is a state under test: a Machine on a Memory, with a clock that each command moves by a second.
type site struct {
	t      testing.TB
	m      *state.Machine
	mem    *state.Memory
	at     int64
	n      uint64
	events []state.Event
}

func newSite(t testing.TB) *site {
	return &site{t: t, m: state.New(), mem: state.NewMemory(), at: start}
}

func (s *site) command(typ command.Type, payload any) command.Command {
	s.t.Helper()
	s.n++
	s.at += 1000
	id := fusion.ID{0xff, byte(s.n >> 24), byte(s.n >> 16), byte(s.n >> 8), byte(s.n)}
	cmd, err := command.New(typ, id, uint64(s.at)<<16, s.at, "zhang", payload)
	if err != nil {
		s.t.Fatal(err)
	}
	return cmd
}

func (s *site) apply(cmd command.Command) state.Result {
	s.t.Helper()
	res, events, err := s.m.Apply(s.mem, cmd, s.n)
	if err != nil {
		s.t.Fatal(err)
	}
	s.events = append(s.events, events...)
	return res
}

// do applies a command that must succeed, and gives its ID.
func (s *site) do(typ command.Type, payload any) fusion.ID {
	s.t.Helper()
	cmd := s.command(typ, payload)
	if err := s.apply(cmd).Err(); err != nil {
		s.t.Fatalf("command %d: %v", typ, err)
	}
	return cmd.ID
}

// refused applies a command that must be refused for a reason.
func (s *site) refused(reason string, typ command.Type, payload any) {
	s.t.Helper()
	before := s.objects()
	if res := s.apply(s.command(typ, payload)); res.Reason != reason {
		s.t.Fatalf("command %d: got %+v, want %s", typ, res, reason)
	}
	if after := s.objects(); before != after {
		s.t.Fatalf("a refused command changed the state: last event %d, then %d", before, after)
	}
}

func (s *site) objects() uint64 {
	last, err := s.view().LastEvent()
	if err != nil {
		s.t.Fatal(err)
	}
	return last
}

func (s *site) view() *state.View { return state.NewView(s.mem) }

func (s *site) hash() string {
	s.t.Helper()
	h, err := state.Hash(s.mem)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(h)
}

// must gives the value of a query that must succeed.
func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// furnished is a site with two units, two groups, a desk, a user and a file.
func furnished(t testing.TB) *site {
	s := newSite(t)
	s.do(command.SiteSet, state.Site{Number: 1, Name: "县指挥中心", Realm: "guantong", Incarnation: 1})
	for i, name := range []string{"值班员", "抢险一队", "抢险二队"} {
		s.do(command.UnitSet, state.Unit{Number: fusion.Number(10001 + i), Name: name, Kind: state.PersonUnit})
	}
	for i, name := range []string{"指挥", "抢险"} {
		s.do(command.GroupSet, state.Group{Number: fusion.Number(10100 + i), Name: name, Kind: state.TalkGroup, Precedence: fusion.Routine})
	}
	s.do(command.PositionSet, state.Position{Number: 10200, Name: "值班席"})
	s.do(command.UserSet, state.UserChange{User: state.User{Name: "zhang", Unit: 10001, Roles: []fusion.Role{fusion.Dispatcher}}, Secret: &state.UserSecret{Password: argon}})
	s.do(command.MemberSet, state.Member{Group: 10100, Unit: 10002, Talk: true})
	s.do(command.FileStored, file())
	return s
}

func file() state.Attachment {
	return state.Attachment{Hash: hash('a'), Name: "大坝.jpg", Type: "image/jpeg", Size: 100}
}

func hash(c byte) string {
	h := []byte("sha256:")
	for range 64 {
		h = append(h, c)
	}
	return string(h)
}

func post(to ...fusion.Number) state.Message {
	return state.Message{From: 10001, To: to, Text: "水位上涨", Precedence: fusion.Routine}
}
