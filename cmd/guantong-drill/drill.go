package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

// drill is one run of one scenario.
type drill struct {
	options
	report report
	dir    string // everything of this run
	rand   *rand.Rand
	out    io.Writer
	begun  time.Time
	life   context.Context // of the processes
	end    context.CancelFunc
	worst  float64 // s without an acknowledgement while nodes were restarted
}

func newDrill(ctx context.Context, s scenario, o options, errOut io.Writer) (*drill, error) {
	d := &drill{options: o, rand: rand.New(rand.NewPCG(o.seed, 2)), out: errOut, begun: time.Now(), dir: o.keep}
	d.report = report{Name: s.name, Seed: o.seed, Figures: map[string]float64{}}
	var err error
	if d.dir == "" {
		d.dir, err = os.MkdirTemp("", "guantong-drill-")
	} else if d.dir, err = filepath.Abs(d.dir); err == nil {
		err = os.MkdirAll(d.dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	d.life, d.end = context.WithCancel(ctx)
	return d, nil
}

// close ends all processes and removes the folder unless it is to be kept.
func (d *drill) close() {
	d.end()
	if d.keep == "" {
		// A process that was just killed may still be writing: what stays behind is in the temporary folder.
		for range 5 {
			if os.RemoveAll(d.dir) == nil {
				return
			}
		}
	}
}

func (d *drill) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%7.1f s  %s\n", time.Since(d.begun).Seconds(), fmt.Sprintf(format, args...))
}

// binary is the server's path, built once.
func (d *drill) binary(ctx context.Context) (string, error) {
	if d.server != "" {
		return filepath.Abs(d.server)
	}
	d.say("building the server")
	var err error
	d.server, err = peer.BuildServer(ctx, d.dir)
	return d.server, err
}

// startServer starts a server with its configuration in one folder and its data in another, and logs its administrator in.
func (d *drill) startServer(ctx context.Context, folder, data string) (*peer.Server, *peer.API, error) {
	binary, err := d.binary(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := peer.NewServer(binary, folder, data)
	if err != nil {
		return nil, nil, err
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.Start(ready, d.life); err != nil {
		return nil, nil, err
	}
	d.say("server %d is ready after %.0f ms at https://%s", s.PID(), s.StartMS, s.HTTP)
	admin, err := s.FirstLogin(ctx)
	return s, admin, err
}

// pause waits, or ends early with ctx.
func pause(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// local completes a local number at the trial site.
func local(n uint16) fusion.Number { return fusion.NewNumber(1, n) }

// addUser makes a unit and a user for it with one role, and gives the log-in. Where the server wants a new password at first use, it gets it here.
func addUser(ctx context.Context, s *peer.Server, admin *peer.API, name string, n fusion.Number, role fusion.Role) (peer.Account, error) {
	if err := putUnit(ctx, admin, state.Unit{Number: n, Name: name, Kind: state.PersonUnit}); err != nil {
		return peer.Account{}, err
	}
	body := map[string]any{"user": state.User{Name: name, Unit: n, Roles: []fusion.Role{role}}}
	var made struct {
		Password string `json:"password"`
	}
	if err := admin.Call(ctx, http.MethodPut, "/users/"+name, body, &made); err != nil {
		return peer.Account{}, err
	}
	session, reply, err := s.API().Login(ctx, name, made.Password)
	if err != nil {
		return peer.Account{}, err
	}
	account := peer.Account{User: name, Password: made.Password}
	if reply.Me != nil && reply.Me.User.MustChange {
		account.Password += "-Drill2"
		err = session.Call(ctx, http.MethodPost, "/me/password", map[string]string{"old": made.Password, "new": account.Password}, nil)
	}
	return account, err
}

func putUnit(ctx context.Context, admin *peer.API, u state.Unit) error {
	return admin.Call(ctx, http.MethodPut, "/units/"+u.Number.String(), u, nil)
}

// addPhone makes a unit and its extension, and gives the account.
func addPhone(ctx context.Context, admin *peer.API, name string, n fusion.Number) (peer.Account, error) {
	if err := putUnit(ctx, admin, state.Unit{Number: n, Name: name, Kind: state.PhoneUnit}); err != nil {
		return peer.Account{}, err
	}
	user := fmt.Sprintf("%04d", n.Local())
	body := map[string]any{"extension": state.Extension{Unit: n, Username: user}}
	var made struct {
		Password string `json:"password"`
	}
	err := admin.Call(ctx, http.MethodPut, "/extensions/"+n.String(), body, &made)
	return peer.Account{User: user, Password: made.Password}, err
}
