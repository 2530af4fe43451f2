package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/powercut"
)

// Node is one process of a site.
type Node struct {
	*peer.Server
	ID string

	site    *Site
	index   int
	port    string // where the site's nodes meet
	disk    *powercut.Disk
	frozen  bool // its disk hangs
	stopped bool // by SIGSTOP
	admin   atomic.Pointer[peer.API]
}

// makeDisk gives the folder for a node's data: on a file system of its own when it has one.
func (n *Node) makeDisk(ctx context.Context, dir string, size int64) (data string, err error) {
	if size == 0 {
		return filepath.Join(dir, "data"), nil
	}
	if n.disk, err = powercut.New(ctx, dir, size); err != nil {
		return "", err
	}
	return filepath.Join(n.disk.Path(), "data"), nil
}

// Admin is the administrator's session at this node.
func (n *Node) Admin() *peer.API { return n.admin.Load() }

func (n *Node) login(ctx context.Context) error {
	var err error
	waited := n.site.Await(ctx, "a log-in at "+n.ID, func() bool {
		var api *peer.API
		if api, _, err = n.API().Login(ctx, n.User, n.Pass); err == nil {
			n.admin.Store(api)
		}
		return err == nil
	})
	if waited != nil {
		return errors.Join(waited, err)
	}
	return nil
}

// Running reports whether the process is there, stopped or not.
func (n *Node) Running() bool {
	select {
	case <-n.Done():
		return false
	default:
		return true
	}
}

// Up starts the node when it has ended, and lets it go on when it was stopped.
func (n *Node) Up(ctx context.Context) error {
	if err := n.Wake(); err != nil {
		return err
	}
	if n.Running() {
		return nil
	}
	if err := n.Server.Start(ctx, n.site.life); err != nil {
		return fmt.Errorf("site: %s: %w", n.ID, err)
	}
	return n.login(ctx)
}

// Kill is kill -9.
func (n *Node) Kill() {
	_ = n.Thaw()
	n.Process.Kill()
	n.stopped = false
}

// Freeze stops the process where it stands (SIGSTOP): its sockets stay open, and it says nothing any more.
func (n *Node) Freeze() error {
	n.stopped = true
	return n.Signal(syscall.SIGSTOP)
}

// Wake lets a stopped process go on.
func (n *Node) Wake() error {
	if !n.stopped {
		return nil
	}
	n.stopped = false
	return n.Signal(syscall.SIGCONT)
}

var errNoDisk = errors.New("site: the node has no file system of its own")

// Hang makes the node's disk hang: what is written or synced does not return until Thaw.
func (n *Node) Hang() error {
	if n.disk == nil {
		return errNoDisk
	}
	if n.frozen {
		return nil
	}
	n.frozen = true
	return n.disk.Freeze()
}

// Thaw lets a hung disk go on.
func (n *Node) Thaw() error {
	if !n.frozen {
		return nil
	}
	n.frozen = false
	return n.disk.Thaw()
}

// filling is the file that takes a node's disk up.
func (n *Node) filling() string { return filepath.Join(n.disk.Path(), "filling") }

// Starve takes the node's disk up until so many octets are left.
func (n *Node) Starve(left int64) error {
	if n.disk == nil {
		return errNoDisk
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(n.disk.Path(), &fs); err != nil {
		return fmt.Errorf("site: starve %s: %w", n.ID, err)
	}
	f, err := os.OpenFile(n.filling(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("site: starve %s: %w", n.ID, err)
	}
	defer f.Close()
	take := int64(fs.Bavail)*fs.Bsize - left
	if take <= 0 {
		return nil
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, take); err != nil {
		return fmt.Errorf("site: starve %s: %w", n.ID, err)
	}
	return nil
}

// Feed gives the disk's room back.
func (n *Node) Feed() error {
	if n.disk == nil {
		return nil
	}
	if err := os.Remove(n.filling()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("site: feed %s: %w", n.ID, err)
	}
	return nil
}

func (n *Node) close() error {
	var err error
	if n.Server != nil && n.Process != nil {
		n.Kill()
	}
	if n.disk != nil {
		err = n.disk.Close()
	}
	return err
}
