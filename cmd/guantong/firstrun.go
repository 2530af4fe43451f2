package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// secret is something that is shown once.
type secret struct {
	what, name, password string
}

// founding collects the commands by which a site begins. They are committed as one, so that a crash leaves all or nothing.
type founding struct {
	node    *cluster.Node
	hasher  *identity.Hasher
	cfg     config
	batch   state.BatchChange
	secrets []secret
}

// found sets a site up: for a trial with one administrator who may do everything, three groups, two telephones and a desk; for
// production with three separate administrators and nothing else. The passwords are shown before the site is committed: shown and not
// committed they do no harm, committed and not shown nobody could ever log in.
func found(ctx context.Context, node *cluster.Node, hasher *identity.Hasher, cfg config, trial bool, out io.Writer) error {
	f := &founding{node: node, hasher: hasher, cfg: cfg}
	incarnation, err := cfg.incarnation()
	if err != nil {
		return err
	}
	if err := f.add(command.SiteSet, state.Site{Number: cfg.Site.Number, Name: cfg.Site.Name, Realm: cfg.Site.Realm, Incarnation: incarnation, Trial: trial}); err != nil {
		return err
	}
	build := f.production
	if trial {
		build = f.trial
	}
	if err := build(ctx); err != nil {
		return err
	}
	cmd, err := node.Command(command.Batch, fusion.ID{}, "system", f.batch)
	if err != nil {
		return err
	}
	if err := showSecrets(out, f.secrets); err != nil {
		return err
	}
	res, err := node.Propose(ctx, cmd)
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		return fmt.Errorf("set the site up: %w; the passwords that were shown do not count", err)
	}
	return nil
}

func (f *founding) add(t command.Type, payload any) error {
	cmd, err := f.node.Command(t, fusion.ID{}, "system", payload)
	if err != nil {
		return err
	}
	f.batch.Commands = append(f.batch.Commands, cmd)
	return nil
}

func (f *founding) number(local uint16) fusion.Number {
	return fusion.NewNumber(f.cfg.Site.Number, local)
}

func (f *founding) trial(ctx context.Context) error {
	for i, name := range []string{"指挥一组", "抢险二组", "转移安置组"} {
		g := state.Group{Number: f.number(uint16(i + 1)), Name: name, Kind: state.TalkGroup, Priority: 3, Precedence: fusion.Routine, Open: true}
		if err := f.add(command.GroupSet, g); err != nil {
			return err
		}
	}
	all := []fusion.Role{fusion.Dispatcher, fusion.Operator, fusion.Auditor, fusion.SystemAdmin, fusion.SecurityAdmin, fusion.AuditAdmin}
	if err := f.user(ctx, "admin", "值班员", 100, all); err != nil {
		return err
	}
	for i, name := range []string{"值班电话", "会商室电话"} {
		if err := f.phone(uint16(801+i), name); err != nil {
			return err
		}
	}
	return f.add(command.PositionSet, state.Position{Number: f.number(901), Name: "值班席", DutyPhone: f.number(801)})
}

func (f *founding) production(ctx context.Context) error {
	for _, a := range []struct {
		login, name string
		local       uint16
		role        fusion.Role
	}{
		{"sysadmin", "系统管理员", 9991, fusion.SystemAdmin},
		{"secadmin", "安全管理员", 9992, fusion.SecurityAdmin},
		{"auditadmin", "审计管理员", 9993, fusion.AuditAdmin},
	} {
		if err := f.user(ctx, a.login, a.name, a.local, []fusion.Role{a.role}); err != nil {
			return err
		}
	}
	return nil
}

func (f *founding) user(ctx context.Context, login, name string, local uint16, roles []fusion.Role) error {
	password, err := identity.NewPassword(rand.Reader)
	if err != nil {
		return err
	}
	phc, err := f.hasher.Hash(ctx, password, true)
	if err != nil {
		return err
	}
	if err := f.add(command.UnitSet, state.Unit{Number: f.number(local), Name: name, Kind: state.PersonUnit}); err != nil {
		return err
	}
	f.secrets = append(f.secrets, secret{"user", login, password})
	u := state.User{Name: login, Unit: f.number(local), Roles: roles, MustChange: true}
	return f.add(command.UserSet, state.UserChange{User: u, Secret: &state.UserSecret{Name: login, Password: phc}})
}

func (f *founding) phone(local uint16, name string) error {
	password, err := identity.NewPassword(rand.Reader)
	if err != nil {
		return err
	}
	n := f.number(local)
	username := fmt.Sprintf("%04d", local)
	if err := f.add(command.UnitSet, state.Unit{Number: n, Name: name, Kind: state.PhoneUnit}); err != nil {
		return err
	}
	f.secrets = append(f.secrets, secret{"telephone", username, password})
	digests := identity.ExtensionSecret(username, f.cfg.Site.Realm, password)
	digests.Unit = n
	return f.add(command.ExtensionSet, state.ExtensionChange{Extension: state.Extension{Unit: n, Username: username}, Secret: &digests})
}

// showSecrets prints what is known this once.
func showSecrets(w io.Writer, secrets []secret) error {
	if _, err := fmt.Fprint(w, "\n  A new site was set up. Write these down: they are shown only now.\n  新站点已建立。以下口令只显示这一次，请抄录保存。\n\n"); err != nil {
		return err
	}
	for _, s := range secrets {
		if _, err := fmt.Fprintf(w, "    %-10s %-12s password %s\n", s.what, s.name, s.password); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(w, "\n")
	return err
}
