package powercut

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Disk is an ext4 file system whose power can be cut.
type Disk struct {
	image   string
	mount   string
	mounted bool
}

// From include/uapi/linux/ext4.h: _IOR('X', 125, __u32), and the flag that leaves the journal unwritten.
const (
	ext4Shutdown   = 0x8004587D
	ext4NoLogFlush = 2
)

// New makes a file system of `size` octets in an image in dir, and mounts it there. It needs root, and the Debian package e2fsprogs.
func New(ctx context.Context, dir string, size int64) (*Disk, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("powercut: a loop device can only be mounted by root")
	}
	d := &Disk{image: filepath.Join(dir, "disk.ext4"), mount: filepath.Join(dir, "disk")}
	f, err := os.OpenFile(d.image, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("powercut: image: %w", err)
	}
	if err := errors.Join(f.Truncate(size), f.Close(), os.Mkdir(d.mount, 0o700)); err != nil {
		return nil, fmt.Errorf("powercut: image: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("powercut: mkfs.ext4 (needs Debian package e2fsprogs): %w: %s", err, out)
	}
	return d, d.Mount()
}

// Path is where the file system is mounted.
func (d *Disk) Path() string { return d.mount }

// Mount attaches the image and mounts it; ext4 replays its journal and nothing else repairs it.
func (d *Disk) Mount() error {
	if d.mounted {
		return nil
	}
	loop, err := attach(d.image)
	if err != nil {
		return err
	}
	defer loop.Close() // the mount holds the device from here on; without a mount it clears itself
	if err := unix.Mount(loop.Name(), d.mount, "ext4", unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("powercut: mount: %w", err)
	}
	d.mounted = true
	return nil
}

// attach binds the image to a free loop device. Another process can take the device between asking and binding: then we ask again.
func attach(image string) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("powercut: %w", err)
	}
	defer control.Close()
	back, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("powercut: %w", err)
	}
	defer back.Close()
	for range 16 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("powercut: no free loop device: %w", err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("powercut: %w", err)
		}
		config := unix.LoopConfig{Fd: uint32(back.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, loop.Fd(), unix.LOOP_CONFIGURE, uintptr(unsafe.Pointer(&config)))
		if errno == 0 {
			return loop, nil
		}
		_ = loop.Close()
		if errno != unix.EBUSY {
			return nil, fmt.Errorf("powercut: bind loop device: %w", errno)
		}
	}
	return nil, errors.New("powercut: each free loop device was taken by another process")
}

// Cut shuts the file system down as a power cut does: what is not on the disk is lost, what is written from now on fails. Processes that have files open on it
// must be killed before Unmount.
func (d *Disk) Cut() error {
	f, err := os.Open(d.mount)
	if err != nil {
		return fmt.Errorf("powercut: cut: %w", err)
	}
	defer f.Close()
	flag := uint32(ext4NoLogFlush)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		return fmt.Errorf("powercut: EXT4_IOC_SHUTDOWN: %w", errno)
	}
	return nil
}

// From include/uapi/linux/fs.h: _IOWR('X', 119, int) and _IOWR('X', 120, int).
const (
	freeze = 0xC0045877
	thaw   = 0xC0045878
)

// Freeze makes the file system hang (fsfreeze(8)): what writes to it or syncs it waits until Thaw, and cannot even be killed meanwhile.
func (d *Disk) Freeze() error { return d.ioctl(freeze, "freeze") }

// Thaw lets a frozen file system go on.
func (d *Disk) Thaw() error { return d.ioctl(thaw, "thaw") }

func (d *Disk) ioctl(request uintptr, what string) error {
	f, err := os.Open(d.mount)
	if err != nil {
		return fmt.Errorf("powercut: %s: %w", what, err)
	}
	defer f.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, 0); errno != 0 {
		return fmt.Errorf("powercut: %s: %w", what, errno)
	}
	return nil
}

// Unmount takes the file system away. A process that has just been killed may hold it for a moment more.
func (d *Disk) Unmount(ctx context.Context) error {
	for d.mounted {
		err := unix.Unmount(d.mount, 0)
		switch {
		case err == nil:
			d.mounted = false
		case !errors.Is(err, unix.EBUSY):
			return fmt.Errorf("powercut: unmount: %w", err)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("powercut: unmount: busy: %w", ctx.Err())
		}
	}
	return nil
}

// Close takes the file system away at once, even when it is in use: it is gone when its last user is. The image stays.
func (d *Disk) Close() error {
	if !d.mounted {
		return nil
	}
	d.mounted = false
	if err := unix.Unmount(d.mount, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("powercut: close: %w", err)
	}
	return nil
}
