package state

import (
	"errors"

	"github.com/guantong-net/guantong/fusion/command"
)

// FilesOf lists the contents that a command names, each once: they must be on enough disks before it is proposed.
func FilesOf(cmd command.Command) ([]string, error) {
	var names []string
	err := filesOf(cmd, func(name string) {
		for _, n := range names {
			if n == name {
				return
			}
		}
		names = append(names, name)
	})
	return names, err
}

func filesOf(cmd command.Command, add func(string)) error {
	switch cmd.Type {
	case command.MessagePost:
		m, err := payload[Message](cmd)
		for _, a := range m.Attachments {
			add(a.Hash)
		}
		return err
	case command.BurstIndex:
		b, err := payload[Burst](cmd)
		add(b.File)
		return err
	case command.FileStored:
		a, err := payload[Attachment](cmd)
		add(a.Hash)
		return err
	case command.Batch:
		b, err := payload[BatchChange](cmd)
		for _, inner := range b.Commands {
			if inner.Type != command.Batch { // refused when it is applied
				err = errors.Join(err, filesOf(inner, add))
			}
		}
		return err
	}
	return nil
}

// FileWorth tells how dear a content is: whether what names it is flagged, and when the newest of it was said. There is false when nothing names it.
func (v *View) FileWorth(hash string) (keep bool, at Millis, there bool, err error) {
	ids, err := v.FileRefs(hash, DefaultLimit)
	if err != nil {
		return false, 0, false, err
	}
	for _, id := range ids {
		if m, ok, err := load[Message](v.r, tMessage.ofID(id)); err != nil {
			return false, 0, false, err
		} else if ok {
			keep, at, there = keep || m.Keep, max(at, m.At), true
			continue
		}
		b, ok, err := load[Burst](v.r, tBurst.ofID(id))
		if err != nil {
			return false, 0, false, err
		}
		if ok {
			keep, at, there = keep || b.Keep, max(at, b.Start), true
		}
	}
	return keep, at, there, nil
}
